"""From one answer back to all that made it: version, run, commit, data, environment, verdicts, and who answered then."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from noria.app.batch.found import find_batch, is_batch
from noria.app.predictions import as_object, predictions, with_labels
from noria.app.read import VersionDetail, read_version
from noria.errors import NotFound
from noria.ports.serving import UnknownPrediction
from noria.records.base import Json, Record
from noria.records.batches import Batch
from noria.records.events import AliasMoved
from noria.records.gates import Judgement
from noria.records.predictions import opened_at, parse_id
from noria.records.runs import DataVersion
from noria.records.sources import Environment, Source

if TYPE_CHECKING:
    from noria.app.wiring import App


@dataclass(eq=False)
class NoSuchKey(NotFound):
    code: ClassVar[str] = "PREDICTION-KEY"
    what: ClassVar[str] = "no answer of {model} that is in its log has the key {key}"
    next: ClassVar[str] = "noria predictions {model}"
    model: str
    key: str


class Alias(Record, kw_only=True):
    """What an alias named when the request came, and since when."""

    alias: str
    version: int
    since: datetime
    why: str
    by: str


class Trace(Record, kw_only=True):
    """One answer and where it came from."""

    id: str
    model: str
    version: str
    prediction: dict[str, Json] | None = None
    """As `noria predictions --json` has it, with its label; None: the log does not hold the row (any more)."""
    batch: Batch | None = None
    """Of a batch's id: its input, its output, and how many rows."""
    others: int = 0
    """Of a key: how many more answers it had; this is the newest."""
    run: str
    trigger: str
    created: datetime
    as_of: datetime
    source: Source
    data_step: str
    data: DataVersion
    environment: Environment
    judgement: Judgement | None = None
    """What its gates had said when the request came; else what they said first."""
    aliases: tuple[Alias, ...] = ()
    """Where they stood when the request came."""


def trace(app: App, *, id: str | None = None, key: str | None = None, model: str | None = None) -> Trace:
    """The way of an answer, by its id or by the key of its row, or of a batch by its id. Raises `UnknownPrediction`,
    `UnknownBatch`, `NoSuchKey`, `UnknownModel`, `UnknownVersion` for an answer of a version that the records do not know."""
    if id is not None and is_batch(id):
        return _of_batch(app, find_batch(app, id, None if model is None else app.model(model).name))
    if id is None:
        return _by_key(app, app.model(model).name, key or "")
    name = None if model is None else app.model(model).name
    found = app.predictions.find(id, name)
    if found is None:
        raise UnknownPrediction(model=name or "any model", ids=[id])
    row = None if found.row is None else _row(app, found.model, found.row)
    return _traced(app, found.model, found.version, id, row)


def _by_key(app: App, model: str, key: str) -> Trace:
    frame = predictions(app, model, key=key)
    if not frame.height:
        raise NoSuchKey(model=model, key=key)
    row = frame.row(0, named=True)
    return _traced(app, model, row["version"], row["id"], row, others=frame.height - 1)


def _of_batch(app: App, batch: Batch) -> Trace:
    return _traced(app, batch.model, batch.version, batch.id, None, batch=batch)


def _row(app: App, model: str, table: Any) -> dict[str, Any]:
    import polars as pl

    return with_labels(app, model, pl.DataFrame(table)).row(0, named=True)


def _traced(
    app: App,
    model: str,
    number: int,
    id: str,
    row: dict[str, Any] | None,
    *,
    others: int = 0,
    batch: Batch | None = None,
) -> Trace:
    detail = read_version(app, f"{model}:{number}")
    version = detail.view.version
    asked = batch.began if batch else row["at"] if row else _asked(id)
    trigger = detail.run.run.asked.trigger if detail.run else None
    return Trace(
        id=id,
        model=model,
        version=version.name,
        prediction=as_object(row) if row else None,
        batch=batch,
        others=others,
        run=f"{model}/{version.run}",
        trigger=f"{trigger.kind} {trigger.cause}".rstrip() if trigger else "",
        created=version.created,
        as_of=version.as_of,
        source=version.source,
        data_step=version.graph.data,
        data=version.data,
        environment=version.environment,
        judgement=_judged(detail, asked),
        aliases=tuple(_aliases(app, model, asked)),
    )


def _asked(id: str) -> datetime:
    """About when an answer was given whose row is gone: its segment was opened before."""
    segment, _ = parse_id(id) or ("", 0)
    return opened_at(segment)


def _judged(detail: VersionDetail, asked: datetime) -> Judgement | None:
    before = [one for one in detail.judgements if one.judged <= asked]
    return before[0] if before else detail.judgements[-1] if detail.judgements else None


def _aliases(app: App, model: str, asked: datetime) -> Iterable[Alias]:
    """Each alias as the last move before the request left it."""
    stood: dict[str, Alias | None] = {}
    for event, change in app.records.ledger.events(model, kinds=["alias.moved"]):
        if not isinstance(change, AliasMoved) or event.at > asked:
            continue
        stood[change.alias] = (
            None
            if change.after is None
            else Alias(alias=change.alias, version=change.after, since=event.at, why=change.why, by=change.by)
        )
    return [alias for _, alias in sorted(stood.items()) if alias is not None]
