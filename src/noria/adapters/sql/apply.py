"""What each change does to the tables. `apply` says which rows now hold the change's parts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from noria.adapters.sql import apply_runs
from noria.adapters.sql.conflicts import AliasElsewhere, BlockTaken, NumberTaken, UnregisteredVersion
from noria.adapters.sql.outline import Outline
from noria.adapters.sql.tables import alarms, aliases, blocks, judgements, states, to_micros, versions
from noria.records.events import (
    AlarmRaised,
    AliasMoved,
    BlockScored,
    Change,
    DataRefused,
    GarbageCollected,
    Judged,
    Proved,
    RunFinished,
    RunStarted,
    StepFinished,
    VersionRegistered,
)
from noria.records.monitoring import Alarm, Block
from noria.records.versions import Version

_this_alias = (aliases.c.model == bindparam("the_model"), aliases.c.alias == bindparam("the_alias"))
_alias = select(aliases.c.number).where(*_this_alias)
_registered = select(versions.c.id).where(
    versions.c.model == bindparam("the_model"), versions.c.number == bindparam("the_number")
)


def apply(connection: Connection, outline: Outline, seq: int) -> Mapping[str, int | list[int]]:
    """Carry out one change inside a transaction; the row, or rows, by the field that they hold."""
    match outline.change:
        case RunStarted(run=run):
            return {"run": apply_runs.start(connection, run, outline.part("run"))}
        case StepFinished(model=model, run=number, result=result):
            body = outline.part("result")
            return {"result": apply_runs.finish_step(connection, model, number, seq, result, body)}
        case RunFinished() as change:
            return {"steps": apply_runs.finish(connection, change, seq, outline.parts("steps"))}
        case VersionRegistered(version=version):
            return {"version": _register(connection, version, outline.part("version"))}
        case Judged(judgement=what):
            return {"judgement": _about_version(connection, judgements, what, outline.part("judgement"))}
        case AliasMoved() as moved:
            _move(connection, moved)
            return {}
        case BlockScored(block=block, state=state):
            return {
                "block": _score(connection, block, outline.part("block")),
                "state": _about_version(connection, states, state, outline.part("state")),
            }
        case AlarmRaised(alarm=alarm):
            return {"alarm": _raise_alarm(connection, alarm, outline.part("alarm"))}
        case Proved(proof=proof):
            _need_version(connection, proof.model, proof.version)
            return {}
        case DataRefused() | GarbageCollected():
            return {}


def model_of(change: Change) -> str:
    """The model whose chain a change belongs to."""
    match change:
        case RunStarted(run=run):
            return run.asked.model
        case VersionRegistered(version=version):
            return version.model
        case Judged(judgement=judgement):
            return judgement.model
        case BlockScored(block=block):
            return block.model
        case AlarmRaised(alarm=alarm):
            return alarm.model
        case Proved(proof=proof):
            return proof.model
        case StepFinished() | RunFinished() | AliasMoved() | DataRefused() | GarbageCollected():
            return change.model


def _register(connection: Connection, version: Version, body: str) -> int:
    row = {"model": version.model, "number": version.number, "body": body}
    try:
        return _insert(connection, versions, row)
    except IntegrityError as error:
        raise NumberTaken(model=version.model, noun="version", number=version.number) from error


def _move(connection: Connection, moved: AliasMoved) -> None:
    """Compare and set."""
    this = {"the_model": moved.model, "the_alias": moved.alias}
    found = connection.execute(_alias, this).scalar()
    if found != moved.before:
        raise AliasElsewhere(model=moved.model, alias=moved.alias, expected=moved.before, found=found)
    if moved.after is None:
        connection.execute(delete(aliases).where(*_this_alias), this)
        return
    _need_version(connection, moved.model, moved.after)
    if found is None:
        row = {"model": moved.model, "alias": moved.alias, "number": moved.after}
        connection.execute(insert(aliases), row)
    else:
        connection.execute(update(aliases).where(*_this_alias).values(number=moved.after), this)


def _score(connection: Connection, block: Block, body: str) -> int:
    try:
        return _about_version(connection, blocks, block, body, start=to_micros(block.start))
    except IntegrityError as error:
        raise _taken(block, block.start, "score") from error


def _raise_alarm(connection: Connection, alarm: Alarm, body: str) -> int:
    keys = {"monitor": alarm.monitor, "block": to_micros(alarm.block)}
    try:
        return _about_version(connection, alarms, alarm, body, **keys)
    except IntegrityError as error:
        raise _taken(alarm, alarm.block, f"alarm of {alarm.monitor}") from error


def _taken(what: Block | Alarm, start: datetime, noun: str) -> BlockTaken:
    return BlockTaken(model=what.model, version=what.version, start=start, noun=noun)


def _about_version(connection: Connection, table: Table, record: Any, body: str, **keys: Any) -> int:
    """A row of what is said of a version."""
    _need_version(connection, record.model, record.version)
    row = {"model": record.model, "version": record.version, "body": body, **keys}
    return _insert(connection, table, row)


def _need_version(connection: Connection, model: str, number: int) -> None:
    found = connection.execute(_registered, {"the_model": model, "the_number": number}).scalar()
    if found is None:
        raise UnregisteredVersion(model=model, version=number)


def _insert(connection: Connection, table: Table, row: Mapping[str, Any]) -> int:
    return int(connection.execute(insert(table).returning(table.c.id), row).scalar_one())
