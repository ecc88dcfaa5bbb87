"""What a run's changes do to the tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, cast

from noria.adapters.sql.conflicts import NumberTaken, RunIsOver, UnknownRun
from noria.adapters.sql.database import Connection, first
from noria.adapters.sql.decoding import reader
from noria.adapters.sql.times import to_micros
from noria.records.base import canonical, digest_of
from noria.records.events import RunFinished
from noria.records.runs import Interrupted, Outcome, Reused, Run, StepResult

read_outcome: Callable[[str], Outcome] = reader(Outcome, "outcome")  # type: ignore[arg-type]  # a union is no type

MANY = 4  # rows; from here on to ask for their ids at the end costs less than one by one

_FIND = "SELECT id, outcome, body FROM runs WHERE model = :model AND number = :run"
_NEW_RUN = "INSERT INTO runs (model, number, started, body) VALUES (:model, :number, :started, :body)"
_END = "UPDATE runs SET finished = :finished, outcome = :outcome WHERE model = :model AND number = :run"
_RESULTS = "SELECT id, step, seq, body FROM steps WHERE model = :model AND run = :run"
_RESULTS_OF_STEP = f"{_RESULTS} AND step = :step"
_PLACED = "SELECT place, id FROM steps WHERE model = :model AND run = :run AND seq = :seq"
_PLACE = "UPDATE steps SET seq = :seq, place = :place WHERE id = :id"
_INSERT = (
    "INSERT INTO steps (model, run, step, fingerprint, origin, seq, place, body) "
    "VALUES (:model, :run, :step, :fingerprint, :origin, :seq, :place, :body)"
)


class _Known(NamedTuple):
    """A run as it is stored."""

    id: int
    outcome: str | None
    body: str | None


class _Before(NamedTuple):
    """A result that was reported earlier; `seq` is None when a later one took its place."""

    id: int
    step: str
    seq: int | None
    body: str | None


def start(connection: Connection, run: Run, body: str) -> int:
    """A new run, or an interrupted one that goes on under its number."""
    model = run.asked.model
    known = _found(connection, model, run.number)
    if known is None:
        row = {"model": model, "number": run.number, "started": to_micros(run.started), "body": body}
        return connection.insert(_NEW_RUN, row)
    if known.body != body or not _may_go_on(known):
        raise NumberTaken(model=model, noun="run", number=run.number)
    _set_end(connection, model, run.number, finished=None, outcome=None)
    return known.id


def finish_step(connection: Connection, model: str, run: int, seq: int, result: StepResult, body: str) -> int:
    """A step's result; the same one a second time changes nothing, another one takes its place."""
    _refuse_over(connection, model, run)
    before = _before(connection, _RESULTS_OF_STEP, {"model": model, "run": run, "step": result.step})
    for row in before:
        if row.body == body and row.seq is not None:
            return row.id
    return _settle(connection, model, run, seq, before, [result], [body])[0]


def finish(connection: Connection, change: RunFinished, seq: int, bodies: list[str]) -> list[int]:
    """A run's end, and all its steps in their order; the reused ones are known only from here."""
    model, run = change.model, change.run
    _refuse_over(connection, model, run)
    before = _before(connection, _RESULTS, {"model": model, "run": run})
    rows = _settle(connection, model, run, seq, before, change.steps, bodies)
    outcome = canonical(change.outcome).decode()
    _set_end(connection, model, run, finished=to_micros(change.finished), outcome=outcome)
    return rows


def _refuse_over(connection: Connection, model: str, run: int) -> None:
    known = _found(connection, model, run)
    if known is None:
        raise UnknownRun(model=model, run=run)
    if known.outcome is not None and not _may_go_on(known):
        ended = read_outcome(known.outcome)
        raise RunIsOver(model=model, run=run, outcome=str(ended.__struct_config__.tag))


def _may_go_on(known: _Known) -> bool:
    return known.outcome is not None and isinstance(read_outcome(known.outcome), Interrupted)


def _found(connection: Connection, model: str, run: int) -> _Known | None:
    row = first(connection, _FIND, {"model": model, "run": run})
    return _Known(*row) if row else None


def _before(connection: Connection, sql: str, asked: dict[str, object]) -> list[_Before]:
    return [_Before(*row) for row in connection.all(sql, asked)]


def _set_end(
    connection: Connection, model: str, run: int, *, finished: int | None, outcome: str | None
) -> None:
    connection.run(_END, [{"model": model, "run": run, "finished": finished, "outcome": outcome}])


def _settle(
    connection: Connection,
    model: str,
    run: int,
    seq: int,
    before: Sequence[_Before],
    results: Sequence[StepResult],
    bodies: Sequence[str],
) -> list[int]:
    """Let these results hold, in this order: those that are new get a row, those that they replace lose their
    place. Rows in the order of the results."""
    known = {row.body: row.id for row in before if row.body is not None}
    named = {result.step for result in results}
    given = set(bodies)
    moves = [
        {"id": row.id, "seq": None, "place": 0}
        for row in before
        if row.seq is not None and row.step in named and row.body not in given
    ]
    fresh = {
        body: _row(model, run, seq, place, result, body)
        for place, (result, body) in enumerate(zip(results, bodies, strict=True))
        if body not in known
    }
    moves += [
        {"id": known[body], "seq": seq, "place": place} for place, body in enumerate(bodies) if body in known
    ]
    known |= _inserted(connection, fresh)
    if moves:
        connection.run(_PLACE, moves)
    return [known[body] for body in bodies]


def _inserted(connection: Connection, rows: Mapping[str, Mapping[str, object]]) -> dict[str, int]:
    """Insert rows of one event by their bodies, all at once; the ids that they got."""
    if len(rows) < MANY:
        return {body: connection.insert(_INSERT, row) for body, row in rows.items()}
    connection.run(_INSERT, list(rows.values()))
    first = next(iter(rows.values()))
    ids: dict[int, int] = dict(
        connection.all(_PLACED, {name: first[name] for name in ("model", "run", "seq")})
    )
    return {body: ids[cast("int", row["place"])] for body, row in rows.items()}


def _row(model: str, run: int, seq: int, place: int, result: StepResult, body: str) -> dict[str, object]:
    reason = result.reason
    return {
        "model": model,
        "run": run,
        "step": result.step,
        "fingerprint": digest_of(result.fingerprint),
        "origin": reason.run if isinstance(reason, Reused) else f"{model}/{run}",
        "seq": seq,
        "place": place,
        "body": body,
    }
