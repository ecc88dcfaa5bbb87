"""What of alpha a candidate has: those that are judged by overlapping rows share it.

The k-th that meets one other version on overlapping holdouts gets alpha / (k (k + 1)). Candidates whose holdouts hold a
row in common overlap pairwise, so their k differ and their shares sum to less than alpha: on any stretch of data, all who
met that version by it spend at most alpha together. Fresh data bring a fresh budget, and so does a new champion; over a
champion's life, or over several, the chance of one false pass is not bounded by alpha. A gate that compares with nobody shares with all who met it on such rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from noria.artifacts.unframed import moment_of
from noria.gates.calibration import CALIBRATION
from noria.gates.robustness import ROBUSTNESS
from noria.records.artifacts import Artifact
from noria.records.base import Digest
from noria.records.gates import Better, Calibration, Gate, Judgement, NoWorse, Robustness, Verdict
from noria.records.versions import Version

if TYPE_CHECKING:
    from noria.app.wiring import App


def shared(gate: Gate, attempts: int) -> Gate:
    """The gate with the share of whoever comes after so many."""
    if not isinstance(gate, NoWorse | Better | Calibration | Robustness):
        return gate
    return replace(gate, alpha=gate.alpha / ((attempts + 1) * (attempts + 2)))


class Earlier:
    """Judgements of rows of which a candidate's own have some."""

    def __init__(self, found: Sequence[Judgement]) -> None:
        self._found = found

    def attempts(self, gate: Gate, other: str | None) -> int:
        """How many versions had a verdict like this gate's: against the same other version, or of the same name. One that was
        judged by several sets of rows counts once for each; by the same rows again, or with a person's word, is no new look."""
        found = {
            (judgement.version, judgement.data)
            for judgement in self._found
            if any(_alike(gate, other, verdict) for verdict in judgement.verdicts)
        }
        return len(found)


def _alike(gate: Gate, other: str | None, verdict: Verdict) -> bool:
    if "alpha" not in verdict.evidence:
        return False  # nobody looked at any row for it
    if isinstance(gate, NoWorse | Better):
        return verdict.evidence.get("against") == other
    names = {Calibration: CALIBRATION, Robustness: ROBUSTNESS}
    return verdict.gate == names.get(type(gate))


def earlier(app: App, candidate: Version, losses: Artifact | None, data: Digest | None) -> Earlier:
    """Of other versions, and of this one by other rows: the same rows again are the same look."""
    begins = _begins(app, candidate, losses)
    found = [
        judgement
        for version in app.records.versions.versions(candidate.model)
        for judgement in _judgements(app, version, begins)
        if version.number != candidate.number or judgement.data != data
    ]
    return Earlier(found)


def _judgements(app: App, version: Version, begins: datetime | None) -> Iterator[Judgement]:
    """Those of a version by rows that are later than `begins`."""
    for judgement in app.records.versions.judgements(version.model, version.number):
        known = version.as_of if judgement.data is None else judgement.judged
        if begins is None or known > begins:
            yield judgement


def _begins(app: App, candidate: Version, losses: Artifact | None) -> datetime | None:
    """Event time of the first row that is judged by; None where rows have no time."""
    time = candidate.signature.time
    if time is None or losses is None or not losses.rows:
        return None
    import pyarrow.compute as pc

    return moment_of(pc.min(app.artifacts.table(losses).column(time)))
