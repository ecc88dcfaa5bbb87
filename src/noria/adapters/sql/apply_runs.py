"""What a run's changes do to the tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, insert, select, update

from noria.adapters.sql.conflicts import NumberTaken, RunIsOver, UnknownRun
from noria.adapters.sql.decoding import reader
from noria.adapters.sql.tables import runs, steps, to_micros
from noria.records.base import canonical, digest_of
from noria.records.events import RunFinished
from noria.records.runs import Interrupted, Outcome, Reused, Run, StepResult

if TYPE_CHECKING:
    from noria.adapters.sql.tables import AnyRow

read_outcome: Callable[[str], Outcome] = reader(Outcome, "outcome")  # type: ignore[arg-type]  # a union is no type

_this_run = (runs.c.model == bindparam("the_model"), runs.c.number == bindparam("the_run"))
_find = select(runs.c.id, runs.c.outcome, runs.c.body).where(*_this_run)
_new_run = insert(runs).returning(runs.c.id)
_end = update(runs).where(*_this_run).values(finished=bindparam("end"), outcome=bindparam("how"))
_of_run = (steps.c.model == bindparam("the_model"), steps.c.run == bindparam("the_run"))
_results = select(steps.c.id, steps.c.step, steps.c.seq, steps.c.body).where(*_of_run)
_results_of_step = _results.where(steps.c.step == bindparam("the_step"))
_place = (
    update(steps)
    .where(steps.c.id == bindparam("the_id"))
    .values(seq=bindparam("new_seq"), place=bindparam("new_place"))
)
_insert = insert(steps).returning(steps.c.id, sort_by_parameter_order=True)


def start(connection: Connection, run: Run, body: str) -> int:
    """A new run, or an interrupted one that goes on under its number."""
    model = run.asked.model
    known = _found(connection, model, run.number)
    if known is None:
        row = {"model": model, "number": run.number, "started": to_micros(run.started), "body": body}
        return int(connection.execute(_new_run, row).scalar_one())
    if known.body != body or not _may_go_on(known):
        raise NumberTaken(model=model, noun="run", number=run.number)
    _set_end(connection, model, run.number, finished=None, outcome=None)
    return int(known.id)


def finish_step(connection: Connection, model: str, run: int, seq: int, result: StepResult, body: str) -> int:
    """A step's result; the same one a second time changes nothing, another one takes its place."""
    _refuse_over(connection, model, run)
    before = connection.execute(
        _results_of_step, {"the_model": model, "the_run": run, "the_step": result.step}
    ).all()
    for row in before:
        if row.body == body and row.seq is not None:
            return int(row.id)
    return _settle(connection, model, run, seq, before, [result], [body])[0]


def finish(connection: Connection, change: RunFinished, seq: int, bodies: list[str]) -> list[int]:
    """A run's end, and all its steps in their order; the reused ones are known only from here."""
    model, run = change.model, change.run
    _refuse_over(connection, model, run)
    before = connection.execute(_results, {"the_model": model, "the_run": run}).all()
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


def _may_go_on(known: AnyRow) -> bool:
    return known.outcome is not None and isinstance(read_outcome(known.outcome), Interrupted)


def _found(connection: Connection, model: str, run: int) -> AnyRow | None:
    return connection.execute(_find, {"the_model": model, "the_run": run}).one_or_none()


def _set_end(
    connection: Connection, model: str, run: int, *, finished: int | None, outcome: str | None
) -> None:
    connection.execute(_end, {"the_model": model, "the_run": run, "end": finished, "how": outcome})


def _settle(
    connection: Connection,
    model: str,
    run: int,
    seq: int,
    before: Sequence[AnyRow],
    results: Sequence[StepResult],
    bodies: Sequence[str],
) -> list[int]:
    """Let these results hold, in this order: those that are new get a row, those that they replace lose their
    place. Rows in the order of the results."""
    known = {row.body: int(row.id) for row in before if row.body is not None}
    named = {result.step for result in results}
    given = set(bodies)
    moves = [
        {"the_id": row.id, "new_seq": None, "new_place": 0}
        for row in before
        if row.seq is not None and row.step in named and row.body not in given
    ]
    new: dict[str, dict[str, object]] = {}
    for place, (result, body) in enumerate(zip(results, bodies, strict=True)):
        if body in known:
            moves.append({"the_id": known[body], "new_seq": seq, "new_place": place})
        else:
            new[body] = _row(model, run, seq, place, result, body)
    if moves:
        connection.execute(_place, moves)
    if new:
        known |= zip(new, connection.execute(_insert, list(new.values())).scalars(), strict=True)
    return [known[body] for body in bodies]


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
