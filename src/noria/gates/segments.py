"""The same comparison for each value of a column: which segment got worse.

All segments must pass, so a candidate that is bad in one of them passes with probability at most alpha, whatever the
number of segments: each passes at alpha (an intersection-union test; Berger, Technometrics 1982). That *some* sound
segment is called worse has probability at most alpha as well: each is called so at its share, alpha divided by their
number. Values with too few blocks to be decided alone are judged together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noria.gates.paired import DIFFERENCE, OUTCOMES, Paired, by_block, held, limit_of, name_of
from noria.records.base import Json
from noria.records.gates import Comparing, Outcome, Verdict

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

MOST = 50  # values judged by themselves, those with most rows; beyond, each has too small a share of alpha
SHOWN = 5  # segments that a sentence names
MISSING, OTHERS = "(missing)", "(others)"
_VALUE = "_segment"


@dataclass(frozen=True)
class Part:
    """A segment's differences."""

    value: str
    differences: np.ndarray
    """float64, one a block that has rows of it."""
    rows: int
    merged: tuple[str, ...] = ()
    """Of the others: the values that are judged together here."""


def by_segment(gate: Comparing, column: str, paired: Paired) -> Verdict:
    """One verdict on all values of a column: fails where one is surely worse, passes where each is surely not."""
    name = f"{name_of(gate)} by {column}"
    if paired.each is None or column not in paired.each.columns:
        return Verdict(gate=name, outcome="undecided", why=f"the raw rows have no column {column!r}")
    parts = _parts(paired, column, gate.alpha)
    found = [(part, *_judged(gate, part, paired.range, len(parts))) for part in parts]
    outcome = _together([outcome for _, outcome, _ in found])
    evidence: dict[str, Json] = {
        "against": paired.other,
        "alpha": gate.alpha,
        "alpha_of_one": gate.alpha / max(1, len(parts)),
        "block": paired.block,
        "segments": [facts for *_, facts in found],
        "merged": [value for part in parts for value in part.merged],
    }
    sentence = _sentence(gate, paired, found, outcome)
    return Verdict(gate=name, outcome=outcome, why=sentence, evidence=evidence)


def _parts(paired: Paired, column: str, alpha: float) -> list[Part]:
    """Each value that has blocks enough, and the others together. With `n` values sharing alpha it takes log2(n / alpha)
    blocks to call one worse."""
    import polars as pl

    from noria.statistics import blocks_needed

    if paired.each is None:
        return []
    rows = paired.each.with_columns(pl.col(column).cast(pl.String).fill_null(MISSING).alias(_VALUE))
    groups = rows.partition_by(_VALUE, maintain_order=True)
    made = sorted((_part(paired, group) for group in groups), key=lambda part: (-part.rows, part.value))
    least = blocks_needed(alpha / min(len(made), MOST)) if made else 0
    alone = [part for part in made[:MOST] if len(part.differences) >= least]
    rest = [part.value for part in made if part not in alone]
    if not rest:
        return alone
    together = _part(paired, rows.filter(pl.col(_VALUE).is_in(rest)))
    return [*alone, Part(OTHERS, together.differences, together.rows, tuple(rest))]


def _part(paired: Paired, rows: pl.DataFrame) -> Part:
    return Part(str(rows[_VALUE][0]), by_block(rows, paired.time, DIFFERENCE, paired.block), rows.height)


def _judged(
    gate: Comparing, part: Part, range: tuple[float, float], parts: int
) -> tuple[Outcome, dict[str, Json]]:
    passing = held(gate, part.differences, range, alpha=gate.alpha)
    failing = held(gate, part.differences, range, alpha=gate.alpha / parts)
    if OUTCOMES[failing.verdict] == "fail":
        outcome: Outcome = "fail"
    else:
        outcome = "pass" if OUTCOMES[passing.verdict] == "pass" else "undecided"
    facts: dict[str, Json] = {
        "segment": part.value,
        "outcome": outcome,
        "estimate": passing.estimate,
        "lower": failing.lower,
        "upper": passing.upper,
        "blocks": passing.blocks,
        "rows": part.rows,
        "needed": passing.needed,
    }
    return outcome, facts


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    if "fail" in outcomes:
        return "fail"
    return "undecided" if "undecided" in outcomes or not outcomes else "pass"


def _sentence(
    gate: Comparing,
    paired: Paired,
    found: Sequence[tuple[Part, Outcome, dict[str, Json]]],
    outcome: Outcome,
) -> str:
    told = [facts for _, one, facts in found if one == outcome]
    worst = sorted(told, key=lambda facts: -float(facts["estimate"]))[:SHOWN]  # type: ignore[arg-type]
    listing = ", ".join(_figures(facts) for facts in worst)
    more = f" and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    head = {
        "pass": f"each of {len(found)} segments holds against {paired.other}; the nearest: ",
        "fail": f"worse than {paired.other} in ",
        "undecided": f"{len(told)} of {len(found)} segments undecided against {paired.other}: ",
    }[outcome]
    merged = sum(len(part.merged) for part, *_ in found)
    beside = f"; {merged} values with too few blocks are judged together as {OTHERS}" if merged else ""
    return f"{head}{listing}{more}; {limit_of(gate)}{beside}"


def _figures(facts: dict[str, Json]) -> str:
    return (
        f"{facts['segment']} {facts['estimate']:+.4g} [{facts['lower']:+.4g}, {facts['upper']:+.4g}] "
        f"of {facts['blocks']} blocks"
    )
