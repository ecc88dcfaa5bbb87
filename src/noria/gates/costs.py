"""What answering costs: latency and memory of a real worker, the size of what it loads, against limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from noria.records.base import Json
from noria.records.gates import Cost, Measure, Verdict

UNITS: dict[Measure, str] = {
    "latency_p50_ms": "ms",
    "latency_p99_ms": "ms",
    "memory_mb": "MB",
    "size_mb": "MB",
}
HOW: dict[Measure, str] = {"memory_mb": "the most that one worker held while it answered"}


@dataclass(frozen=True)
class Measured:
    """What one worker of the service took, or artifacts weigh."""

    figures: Mapping[Measure, float]
    how: str
    """In words: rounds and requests, of which the least counts."""
    evidence: Mapping[str, Json]


def affordable(gate: Cost, measured: Measured | str | None) -> Verdict:
    """A figure against its limit. `measured`: a sentence where it could not be had."""
    if measured is None or isinstance(measured, str) or gate.measure not in measured.figures:
        why = measured if isinstance(measured, str) else "it was not measured"
        return Verdict(gate=gate.measure, outcome="undecided", why=why)
    value, unit = measured.figures[gate.measure], UNITS[gate.measure]
    good = value <= gate.at_most
    evidence: dict[str, Json] = {"value": value, "at_most": gate.at_most, **measured.evidence}
    side = f"is at most {gate.at_most:g}" if good else f"is over {gate.at_most:g}"
    return Verdict(
        gate=gate.measure,
        outcome="pass" if good else "fail",
        why=f"{value:.4g} {unit} {side}: {HOW.get(gate.measure, measured.how)}",
        evidence=evidence,
    )
