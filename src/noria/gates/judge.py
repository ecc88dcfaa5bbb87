"""Each gate's verdict on a candidate, with the evidence that it was given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from noria.gates.approval import approved
from noria.gates.calibration import Forecasts, calibrated
from noria.gates.costs import Measured, affordable
from noria.gates.expectations import Changed, expected
from noria.gates.paired import Paired, compared, name_of
from noria.gates.robustness import Perturbed, robust
from noria.gates.schema import compatible
from noria.gates.segments import by_segment
from noria.records.base import Json
from noria.records.expectations import Expected
from noria.records.gates import (
    Approval,
    Approved,
    Better,
    Calibration,
    Comparing,
    Cost,
    Expectation,
    Gate,
    NoWorse,
    Reproducible,
    Robustness,
    Schema,
    Threshold,
    Verdict,
)
from noria.records.proofs import Proof
from noria.records.versions import Version

REPRODUCIBLE = "reproducible"


@dataclass(frozen=True)
class Evidence:
    """What gates judge by; of each kind there is something where a gate asks for it."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    paired: Mapping[str, Paired | str | None] = field(default_factory=dict)
    """For each version that a gate compares with, by the name that it goes by there: the losses of the same rows; a
    sentence where they could not be had; None where there is no such version yet."""
    proof: Proof | None = None
    """The candidate rebuilt."""
    forecasts: Forecasts | str | None = None
    costs: Measured | str | None = None
    """Of one real worker."""
    size: Measured | None = None
    perturbed: Perturbed | str | None = None
    expected: Sequence[tuple[Expected, Changed | str]] = ()
    candidate: Version | None = None
    champion: Version | None = None
    served: bool = False
    """Whether a service answers with the champion."""
    approval: Approval | None = None


def judge(gates: Sequence[Gate], evidence: Evidence) -> tuple[Verdict, ...]:
    """The verdicts in the policy's order: one a gate, and one more for each column that a comparison goes by, or for each
    expectation."""
    return tuple(verdict for gate in gates for verdict in _verdicts(gate, evidence))


def _verdicts(gate: Gate, given: Evidence) -> Iterator[Verdict]:
    if isinstance(gate, Threshold):
        yield _threshold(gate, given.metrics)
    elif isinstance(gate, NoWorse | Better):
        yield from _comparison(gate, given.paired.get(gate.than))
    elif isinstance(gate, Reproducible):
        yield _reproducible(gate, given.proof)
    elif isinstance(gate, Calibration):
        yield calibrated(gate, given.forecasts)
    elif isinstance(gate, Cost):
        yield affordable(gate, given.size if gate.measure == "size_mb" else given.costs)
    elif isinstance(gate, Robustness):
        yield robust(gate, given.perturbed)
    elif isinstance(gate, Expectation):
        yield from (expected(asked, found) for asked, found in given.expected)
    elif isinstance(gate, Schema | Approved):
        yield from _of_version(gate, given)
    else:
        assert_never(gate)


def _of_version(gate: Schema | Approved, given: Evidence) -> Iterator[Verdict]:
    if given.candidate is None:
        return
    if isinstance(gate, Approved):
        yield approved(given.candidate.name, given.approval)
        return
    verdict = compatible(gate, given.candidate, given.champion, served=given.served)
    if verdict is not None:
        yield verdict


def _comparison(gate: Comparing, paired: Paired | str | None) -> Iterator[Verdict]:
    name = name_of(gate)
    if paired is None:
        yield Verdict(gate=name, outcome="pass", why=f"there is no {gate.than} yet to compare with")
    elif isinstance(paired, str):
        yield Verdict(gate=name, outcome="undecided", why=paired)
    else:
        yield compared(gate, name, paired)
        yield from (by_segment(gate, column, paired) for column in gate.segments)


def _reproducible(gate: Reproducible, proof: Proof | None) -> Verdict:
    if proof is None:
        return Verdict(gate=REPRODUCIBLE, outcome="undecided", why="it was not rebuilt")
    good = proof.same == "bit" or (proof.same == "tolerance" and gate.least == "tolerance")
    evidence: dict[str, Json] = {"same": proof.same, "diverged": proof.diverged, "causes": list(proof.causes)}
    words = {"bit": "bit-identical", "tolerance": "equal within tolerance", "different": "different"}
    return Verdict(
        gate=REPRODUCIBLE,
        outcome="pass" if good else "fail",
        why=f"rebuilt, it is {words[proof.same]}: {proof.why}",
        evidence=evidence,
    )


def _threshold(gate: Threshold, metrics: Mapping[str, float]) -> Verdict:
    value = metrics.get(gate.metric)
    if value is None:
        return Verdict(
            gate=gate.metric,
            outcome="fail",
            why=f"the run has no metric {gate.metric!r}; it has: {', '.join(metrics) or 'none'}",
        )
    evidence: dict[str, Json] = {"value": value, "at_least": gate.at_least, "at_most": gate.at_most}
    if value != value:
        return Verdict(gate=gate.metric, outcome="fail", why="it is NaN, which is no figure")
    if gate.at_least is not None and value < gate.at_least:
        return Verdict(
            gate=gate.metric, outcome="fail", why=f"{value:.4g} is under {gate.at_least:g}", evidence=evidence
        )
    if gate.at_most is not None and value > gate.at_most:
        return Verdict(
            gate=gate.metric, outcome="fail", why=f"{value:.4g} is over {gate.at_most:g}", evidence=evidence
        )
    bounds = [f"at least {gate.at_least:g}"] if gate.at_least is not None else []
    bounds += [f"at most {gate.at_most:g}"] if gate.at_most is not None else []
    return Verdict(
        gate=gate.metric, outcome="pass", why=f"{value:.4g} is {' and '.join(bounds)}", evidence=evidence
    )
