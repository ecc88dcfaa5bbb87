"""How much worse a version becomes when its inputs are not quite right: the same rows, perturbed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from noria.records.base import Json
from noria.records.gates import Outcome, Robustness, Verdict

if TYPE_CHECKING:
    from noria.gates.paired import Paired
    from noria.statistics import Comparison

ROBUSTNESS = "robustness"


@dataclass(frozen=True)
class Perturbed:
    """Losses of perturbed rows beside those of the same rows as they are."""

    paired: Paired
    """The difference is the perturbed row's loss minus its own."""
    noisy: tuple[str, ...]
    """Columns that got noise."""
    holed: tuple[str, ...]
    """Columns that got nulls."""
    seed: int


def robust(gate: Robustness, perturbed: Perturbed | str | None) -> Verdict:
    """Passes when the rise of the loss is surely under the limit, fails when it is surely over. `perturbed`: a sentence
    where the version gave no answer, which fails, for a caller would get none either."""
    if perturbed is None:
        return Verdict(gate=ROBUSTNESS, outcome="undecided", why="the pipeline has no loss")
    if isinstance(perturbed, str):
        return Verdict(gate=ROBUSTNESS, outcome="fail", why=perturbed)
    if not perturbed.noisy and not perturbed.holed:
        why = "no column of the request could be perturbed: none is a number, or none may be null"
        return Verdict(gate=ROBUSTNESS, outcome="undecided", why=why)
    from noria.statistics import compare

    paired = perturbed.paired
    low, high = paired.range
    found = compare(paired.differences, margin=gate.at_most, width=high - low, alpha=gate.alpha)
    outcome: Outcome = "undecided"
    if found.upper < gate.at_most:
        outcome = "pass"
    elif found.lower > gate.at_most:
        outcome = "fail"
    why = (
        f"the loss rises by {found.estimate:+.4g} [{found.lower:+.4g}, {found.upper:+.4g}] of {found.blocks} blocks, at "
        f"most {gate.at_most:g}: {_how(gate, perturbed)}"
    )
    return Verdict(gate=ROBUSTNESS, outcome=outcome, why=why, evidence=_evidence(gate, perturbed, found))


def _evidence(gate: Robustness, perturbed: Perturbed, found: Comparison) -> dict[str, Json]:
    return {
        "estimate": found.estimate,
        "lower": found.lower,
        "upper": found.upper,
        "at_most": gate.at_most,
        "alpha": gate.alpha,
        "noise": gate.noise,
        "missing": gate.missing,
        "noisy": list(perturbed.noisy),
        "holed": list(perturbed.holed),
        "seed": perturbed.seed,
        "blocks": found.blocks,
        "block": perturbed.paired.block,
        "rows": perturbed.paired.rows,
        "needed": found.needed,
    }


def _how(gate: Robustness, perturbed: Perturbed) -> str:
    parts = []
    if perturbed.noisy:
        parts.append(f"noise of {gate.noise:g} sd on {_count(perturbed.noisy)}")
    if perturbed.holed:
        parts.append(f"{gate.missing:.3g} of the values of {_count(perturbed.holed)} missing")
    return " and ".join(parts)


def _count(columns: tuple[str, ...]) -> str:
    return columns[0] if len(columns) == 1 else f"{len(columns)} columns"
