"""Runs and what their steps gave, as `noria.ports.records.RunRecords` promises it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from noria.adapters.sql.apply_runs import read_outcome
from noria.adapters.sql.database import Database, Row, first, value
from noria.adapters.sql.decoding import reader
from noria.adapters.sql.patience import patient
from noria.adapters.sql.times import from_micros
from noria.records.base import Digest
from noria.records.runs import Interrupted, Outcome, Run, StepResult

RunWithEnd = tuple[Run, datetime | None, Outcome | None]
PAGE = 20  # runs of one look for the newest that a person began
WINDOW = 200  # runs whose results are read at once: some 5 MB
AHEAD = 5000  # results that are read ahead: some 15 MB
ASIDE = frozenset({"trial", "proof"})  # runs beside the wheel's own: nobody goes on with them

_read_run = reader(Run)
_read_step = reader(StepResult)

_RUNS = "SELECT body, finished, outcome FROM runs WHERE body IS NOT NULL"
_NEWEST = f"{_RUNS} ORDER BY started DESC, id DESC LIMIT :last"
_OF_MODEL = f"{_RUNS} AND model = :model"
_RUN = f"{_OF_MODEL} AND number = :number"
_NEWEST_OF_MODEL = f"{_OF_MODEL} ORDER BY number DESC LIMIT :last"
_BEFORE = f"{_OF_MODEL} AND number < :before ORDER BY number DESC LIMIT :last"
_RESULTS = "SELECT body, origin FROM steps WHERE model = :model AND body IS NOT NULL"
_IN_ORDER = f"{_RESULTS} AND run = :number AND seq IS NOT NULL ORDER BY seq, place"
_CACHED = f"{_RESULTS} AND fingerprint = :fingerprint ORDER BY id DESC LIMIT 1"
_AHEAD = (
    "SELECT asked.fingerprint, found.body, found.origin FROM ("
    "SELECT fingerprint FROM steps WHERE model = :model"
    " AND run = (SELECT MAX(number) FROM runs WHERE model = :model AND number < :run) LIMIT :most"
    ") AS asked JOIN steps AS found ON found.id = ("  # a look into the index for each, however many runs did the same
    "SELECT id FROM steps WHERE model = :model AND fingerprint = asked.fingerprint AND body IS NOT NULL"
    " ORDER BY id DESC LIMIT 1)"
)
_WINDOW = (
    "SELECT run, body FROM steps WHERE model = :model AND body IS NOT NULL AND seq IS NOT NULL"
    " AND run > :after AND run <= :upto ORDER BY run, seq, place"
)
_LAST = "SELECT MAX(number) FROM runs WHERE model = :model"
_OF_STEP = f"{_RESULTS} AND step = :step ORDER BY id DESC LIMIT 1"


class Runs:
    """See `noria.ports.records.RunRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @patient
    def run(self, model: str, number: int) -> RunWithEnd | None:
        with self._database.read("run") as connection:
            row = first(connection, _RUN, {"model": model, "number": number})
        return _with_end(row) if row else None

    @patient
    def runs(
        self, model: str | None = None, *, last: int = 50, before: int | None = None
    ) -> Sequence[RunWithEnd]:
        with self._database.read("runs") as connection:
            if model is None:
                rows = connection.all(_NEWEST, {"last": last})
            elif before is None:
                rows = connection.all(_NEWEST_OF_MODEL, {"model": model, "last": last})
            else:
                rows = connection.all(_BEFORE, {"model": model, "last": last, "before": before})
        return [_with_end(row) for row in rows]

    def unfinished(self, model: str) -> Run | None:
        page, before = self.runs(model, last=1), None
        while page:
            for run, _, outcome in page:
                if run.asked.trigger.kind not in ASIDE:
                    return run if outcome is None or isinstance(outcome, Interrupted) else None
                before = run.number
            page = self.runs(model, last=PAGE, before=before)
        return None

    @patient
    def steps(self, model: str, number: int) -> Sequence[StepResult]:
        with self._database.read("steps") as connection:
            rows = connection.all(_IN_ORDER, {"model": model, "number": number})
        return [_read_step(body) for body, _ in rows]

    def results(self, model: str) -> Iterator[tuple[int, StepResult]]:
        for after in range(0, self._newest(model), WINDOW):
            yield from self._between(model, after, after + WINDOW)

    @patient
    def cached(self, model: str, fingerprint: Digest) -> tuple[StepResult, str] | None:
        with self._database.read("cached") as connection:
            found = first(connection, _CACHED, {"model": model, "fingerprint": fingerprint})
        return (_read_step(found[0]), found[1]) if found else None

    @patient
    def ahead(self, model: str, run: int) -> dict[Digest, tuple[StepResult, str]]:
        with self._database.read("ahead") as connection:
            rows = connection.all(_AHEAD, {"model": model, "run": run, "most": AHEAD})
        return {fingerprint: (_read_step(body), origin) for fingerprint, body, origin in rows}

    @patient
    def last(self, model: str, step: str) -> StepResult | None:
        with self._database.read("last") as connection:
            found = first(connection, _OF_STEP, {"model": model, "step": step})
        return _read_step(found[0]) if found else None

    @patient
    def _newest(self, model: str) -> int:
        with self._database.read("newest") as connection:
            return int(value(connection, _LAST, {"model": model}) or 0)

    @patient
    def _between(self, model: str, after: int, upto: int) -> list[tuple[int, StepResult]]:
        with self._database.read("results") as connection:
            rows = connection.all(_WINDOW, {"model": model, "after": after, "upto": upto})
        return [(run, _read_step(body)) for run, body in rows]


def _with_end(row: Row) -> RunWithEnd:
    body, finished, outcome = row
    return (
        _read_run(body),
        from_micros(finished) if finished is not None else None,
        read_outcome(outcome) if outcome is not None else None,
    )
