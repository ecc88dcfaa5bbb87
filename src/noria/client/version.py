"""One version: what a run made, and what was decided about it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from noria.app.read import VersionDetail, VersionView, find_run, read_version
from noria.client.place import Place, explained
from noria.client.run import Run
from noria.records.base import Json
from noria.records.gates import Verdict
from noria.records.versions import Signature

if TYPE_CHECKING:
    import polars as pl


class Version:
    """A version: what a run made, with what was decided about it."""

    def __init__(self, place: Place, view: VersionView) -> None:
        self._place = place
        self.record = view.version
        """All that is recorded of it; a version never changes."""

    @property
    def name(self) -> str:
        """`delay:12`"""
        return self.record.name

    @property
    def model(self) -> str:
        return self.record.model

    @property
    def number(self) -> int:
        return self.record.number

    @property
    def created(self) -> datetime:
        return self.record.created

    @property
    def as_of(self) -> datetime:
        return self.record.as_of

    @property
    def commit(self) -> str:
        return self.record.source.commit

    @property
    def metrics(self) -> dict[str, float]:
        return dict(self.record.metrics)

    @property
    def signature(self) -> Signature:
        """What it takes and gives."""
        return self.record.signature

    @property
    def gates(self) -> tuple[Verdict, ...]:
        """What each gate last said, with its evidence; empty without gates."""
        judgements = self._fresh().judgements
        return judgements[0].verdicts if judgements else ()

    @property
    def aliases(self) -> tuple[str, ...]:
        """Those that name it now."""
        return self._fresh().view.aliases

    @property
    def run(self) -> Run:
        """The run that made it."""
        with self._place.look() as app:
            return Run(self._place, find_run(app, f"{self.model}/{self.record.run}"))

    @property
    def parameters(self) -> dict[str, dict[str, Json]]:
        """Those of the run that made it."""
        return self.run.parameters

    def predict(self, rows: Any, *, unsafe: bool = False) -> pl.DataFrame:
        """Answers for raw rows (polars, pandas or Arrow; label and outcomes may be among them and are not seen), by the
        version's own serving graph and code.

        Runs in a process of its own, with this interpreter's packages, and writes nothing to the project. Raises
        `AnswerFailed` with what the version's code raised; `Unsafe` where it holds pickled outputs, unless `unsafe` says
        that whoever made them is trusted.
        """
        from noria.client.predict import predict

        with explained():
            return predict(self._place, self.record, rows, unsafe=unsafe)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and (self._place, self.name) == (other._place, other.name)

    def __hash__(self) -> int:
        return hash((self._place, self.name))

    def __repr__(self) -> str:
        from noria.client.display import version_text

        return version_text(self._fresh().view)

    def _repr_html_(self) -> str:
        from noria.client.display import version_html

        return version_html(self._fresh())

    def _fresh(self) -> VersionDetail:
        """Aliases move, and a version may be judged again."""
        with self._place.look() as app:
            return read_version(app, self.name)
