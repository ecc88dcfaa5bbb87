"""Runs and what their steps gave, as `noria.ports.records.RunRecords` promises it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from noria.adapters.sql.apply_runs import read_outcome
from noria.adapters.sql.database import Database
from noria.adapters.sql.decoding import reader
from noria.adapters.sql.tables import from_micros, runs, steps
from noria.records.base import Digest
from noria.records.runs import Interrupted, Outcome, Run, StepResult

if TYPE_CHECKING:
    from noria.adapters.sql.tables import AnyRow

RunWithEnd = tuple[Run, datetime | None, Outcome | None]

_read_run = reader(Run)
_read_step = reader(StepResult)

# Built once: what SQLAlchemy compiles is found again by these very objects.
_runs = select(runs.c.body, runs.c.finished, runs.c.outcome).where(runs.c.body.is_not(None))
_newest_runs = _runs.order_by(runs.c.started.desc(), runs.c.id.desc()).limit(bindparam("last"))
_of_model = _runs.where(runs.c.model == bindparam("the_model"))
_run = _of_model.where(runs.c.number == bindparam("the_number"))
_newest_of_model = _of_model.order_by(runs.c.number.desc()).limit(bindparam("last"))

_results = select(steps.c.body, steps.c.origin).where(
    steps.c.model == bindparam("the_model"), steps.c.body.is_not(None)
)
_of_run = _results.where(steps.c.run == bindparam("the_number"), steps.c.seq.is_not(None))
_in_order = _of_run.order_by(steps.c.seq, steps.c.place)
_newest = _results.order_by(steps.c.id.desc()).limit(1)
_cached = _newest.where(steps.c.fingerprint == bindparam("the_fingerprint"))
_of_step = _newest.where(steps.c.step == bindparam("the_step"))


class Runs:
    """See `noria.ports.records.RunRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self, model: str, number: int) -> RunWithEnd | None:
        with self._database.read("run") as connection:
            row = connection.execute(_run, {"the_model": model, "the_number": number}).one_or_none()
        return _with_end(row) if row else None

    def runs(self, model: str | None = None, *, last: int = 50) -> Sequence[RunWithEnd]:
        with self._database.read("runs") as connection:
            if model is None:
                rows = connection.execute(_newest_runs, {"last": last}).all()
            else:
                rows = connection.execute(_newest_of_model, {"the_model": model, "last": last}).all()
        return [_with_end(row) for row in rows]

    def unfinished(self, model: str) -> Run | None:
        newest = self.runs(model, last=1)
        if not newest:
            return None
        run, _, outcome = newest[0]
        return run if outcome is None or isinstance(outcome, Interrupted) else None

    def steps(self, model: str, number: int) -> Sequence[StepResult]:
        with self._database.read("steps") as connection:
            rows = connection.execute(_in_order, {"the_model": model, "the_number": number}).all()
        return [_read_step(row.body) for row in rows]

    def cached(self, model: str, fingerprint: Digest) -> tuple[StepResult, str] | None:
        with self._database.read("cached") as connection:
            found = connection.execute(
                _cached, {"the_model": model, "the_fingerprint": fingerprint}
            ).one_or_none()
        return (_read_step(found.body), found.origin) if found else None

    def last(self, model: str, step: str) -> StepResult | None:
        with self._database.read("last") as connection:
            found = connection.execute(_of_step, {"the_model": model, "the_step": step}).one_or_none()
        return _read_step(found.body) if found else None


def _with_end(row: AnyRow) -> RunWithEnd:
    finished = from_micros(row.finished) if row.finished is not None else None
    outcome = read_outcome(row.outcome) if row.outcome is not None else None
    return _read_run(row.body), finished, outcome
