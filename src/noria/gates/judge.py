"""Each gate's verdict on a candidate, with the evidence that it was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from noria.gates.paired import Paired, compared
from noria.records.base import Json
from noria.records.gates import Gate, NoWorse, Reproducible, Threshold, Verdict
from noria.records.proofs import Proof

REPRODUCIBLE = "reproducible"


def judge(
    gates: Sequence[Gate],
    *,
    metrics: Mapping[str, float],
    paired: Mapping[str, Paired | str | None],
    proof: Proof | None = None,
) -> tuple[Verdict, ...]:
    """One verdict a gate, in the policy's order.

    `paired`: for each version that a gate compares with, the losses of the same rows; a sentence where they could
    not be had; None where there is no such version yet. `proof`: the candidate rebuilt, where a gate asks for it.
    """
    return tuple(_verdict(gate, metrics, paired, proof) for gate in gates)


def _verdict(
    gate: Gate,
    metrics: Mapping[str, float],
    paired: Mapping[str, Paired | str | None],
    proof: Proof | None,
) -> Verdict:
    if isinstance(gate, Threshold):
        return _threshold(gate, metrics)
    if isinstance(gate, NoWorse):
        return _no_worse(gate, paired.get(gate.than))
    if isinstance(gate, Reproducible):
        return _reproducible(gate, proof)
    assert_never(gate)


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


def _no_worse(gate: NoWorse, paired: Paired | str | None) -> Verdict:
    name = f"{gate.metric} against {gate.than}"
    if paired is None:
        return Verdict(gate=name, outcome="pass", why=f"there is no {gate.than} yet to compare with")
    if isinstance(paired, str):
        return Verdict(gate=name, outcome="undecided", why=paired)
    return compared(gate, name, paired)
