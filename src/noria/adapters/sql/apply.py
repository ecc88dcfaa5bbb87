"""What each change does to the tables. `apply` says which rows now hold the change's parts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from noria.adapters.sql.apply_alarms import move_alarm, see_alarm, tell_raised
from noria.adapters.sql.apply_runs import finish, finish_step, start
from noria.adapters.sql.conflicts import AliasElsewhere, BlockTaken, NumberTaken, UnregisteredVersion
from noria.adapters.sql.database import Connection, NotUnique, value
from noria.adapters.sql.outline import Outline
from noria.adapters.sql.rollouts import begin, move
from noria.adapters.sql.times import to_micros
from noria.adapters.sql.tokens import admit, revoke
from noria.records.alarms import AlarmMoved, AlarmRaised, AlarmSeen
from noria.records.events import (
    AliasMoved,
    BatchAnswered,
    BlockScored,
    Change,
    DataRefused,
    Event,
    GarbageCollected,
    GatesDrilled,
    Judged,
    Proved,
    RunFinished,
    RunStarted,
    StepFinished,
    VersionApproved,
    VersionRegistered,
)
from noria.records.monitoring import Alarm, Block, MonitorsBegun, Plan
from noria.records.rollouts import RollbackDrilled, Rollout, RolloutEnded, RolloutMoved, RolloutStarted
from noria.records.sights import BlockSeen, Sight
from noria.records.tokens import TokenMade, TokenRevoked
from noria.records.versions import Version

_ALIAS = "SELECT number FROM aliases WHERE model = :model AND alias = :alias"
_NEW_ALIAS = "INSERT INTO aliases (model, alias, number) VALUES (:model, :alias, :number)"
_MOVE_ALIAS = "UPDATE aliases SET number = :number WHERE model = :model AND alias = :alias"
_DROP_ALIAS = "DELETE FROM aliases WHERE model = :model AND alias = :alias"
_REGISTERED = "SELECT id FROM versions WHERE model = :model AND number = :number"
_REGISTER = "INSERT INTO versions (model, number, body) VALUES (:model, :number, :body)"
_JUDGE = "INSERT INTO judgements (model, version, body) VALUES (:model, :version, :body)"
_STATE = "INSERT INTO states (model, version, body) VALUES (:model, :version, :body)"
_BLOCK = "INSERT INTO blocks (model, version, start, body) VALUES (:model, :version, :start, :body)"
_BEGUN = "SELECT outline FROM events WHERE model = :model AND kind = 'monitors.begun'"
_read_begun = msgspec.json.Decoder(MonitorsBegun).decode
_SIGHT = "INSERT INTO sights (model, version, start, body) VALUES (:model, :version, :start, :body)"
_ALARM = (
    "INSERT INTO alarms (model, version, monitor, block, body) "
    "VALUES (:model, :version, :monitor, :block, :body)"
)


Rows = Mapping[str, int | list[int]]
_OfRun = RunStarted | StepFinished | RunFinished
_OfMonitor = BlockScored | BlockSeen | MonitorsBegun | AlarmRaised | AlarmSeen | AlarmMoved
_OfRollout = RolloutStarted | RolloutMoved | RolloutEnded | RollbackDrilled


def apply(connection: Connection, outline: Outline, event: Event) -> Rows:
    """Carry out one change inside a transaction; the row, or rows, by the field that they hold. `event`: the link
    that the change is about to become."""
    match outline.change:
        case RunStarted() | StepFinished() | RunFinished() as change:
            return _run(connection, change, outline, event.seq)
        case (
            BlockScored()
            | BlockSeen()
            | MonitorsBegun()
            | AlarmRaised()
            | AlarmSeen()
            | AlarmMoved() as change
        ):
            return _monitor(connection, change, outline, event)
        case RolloutStarted() | RolloutMoved() | RolloutEnded() | RollbackDrilled() as change:
            return _roll_out(connection, change, outline)
        case VersionRegistered(version=version):
            return {"version": _register(connection, version, outline.part("version"))}
        case Judged(judgement=what):
            return {"judgement": _about_version(connection, _JUDGE, what, outline.part("judgement"))}
        case AliasMoved() as moved:
            _move(connection, moved)
        case Proved(proof=about) | VersionApproved(approval=about) | BatchAnswered(batch=about):
            _need_version(connection, about.model, about.version)
        case TokenMade() as made:
            admit(connection, made)
        case TokenRevoked() as revoked:
            revoke(connection, revoked)
        case DataRefused() | GarbageCollected() | GatesDrilled():
            pass
    return {}


def _run(connection: Connection, change: _OfRun, outline: Outline, seq: int) -> Rows:
    match change:
        case RunStarted(run=run):
            return {"run": start(connection, run, outline.part("run"))}
        case StepFinished(model=model, run=number, result=result):
            body = outline.part("result")
            return {"result": finish_step(connection, model, number, seq, result, body)}
        case RunFinished():
            return {"steps": finish(connection, change, seq, outline.parts("steps"))}


def _monitor(connection: Connection, change: _OfMonitor, outline: Outline, event: Event) -> Rows:
    match change:
        case BlockScored(block=block, state=state):
            return {
                "block": _score(connection, block, outline.part("block")),
                "state": _about_version(connection, _STATE, state, outline.part("state")),
            }
        case BlockSeen(sight=sight):
            return {"sight": _see(connection, sight, outline.part("sight"))}
        case AlarmRaised(alarm=alarm):
            row = _raise_alarm(connection, alarm, outline.part("alarm"))
            tell_raised(connection, change, event)
            return {"alarm": row}
        case AlarmSeen():
            see_alarm(connection, change)
        case AlarmMoved():
            move_alarm(connection, change, event)
        case MonitorsBegun(plan=plan):
            _begin_monitors(connection, plan)
    return {}


def _roll_out(connection: Connection, change: _OfRollout, outline: Outline) -> Rows:
    match change:
        case RolloutStarted(rollout=rollout):
            _need_both(connection, rollout)
            return {"rollout": begin(connection, rollout, outline.part("rollout"))}
        case RolloutMoved(rollout=rollout) | RolloutEnded(rollout=rollout):
            return {"rollout": move(connection, rollout, outline.part("rollout"))}
        case RollbackDrilled(model=model, rehearsal=rehearsal):
            _need_version(connection, model, rehearsal.version)
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
        case VersionApproved(approval=approval):
            return approval.model
        case GatesDrilled(drill=drill):
            return drill.model
        case MonitorsBegun(plan=plan):
            return plan.model
        case BlockSeen(sight=sight):
            return sight.model
        case BatchAnswered(batch=batch):
            return batch.model
        case RolloutStarted(rollout=rollout) | RolloutMoved(rollout=rollout) | RolloutEnded(rollout=rollout):
            return rollout.model
        case StepFinished() | RunFinished() | AliasMoved() | DataRefused() | GarbageCollected():
            return change.model
        case RollbackDrilled():
            return change.model
        case TokenMade() | TokenRevoked() | AlarmSeen() | AlarmMoved():
            return change.model


def _need_both(connection: Connection, rollout: Rollout) -> None:
    for number in (rollout.version, rollout.champion):
        _need_version(connection, rollout.model, number)


def _register(connection: Connection, version: Version, body: str) -> int:
    row = {"model": version.model, "number": version.number, "body": body}
    try:
        return connection.insert(_REGISTER, row)
    except NotUnique as error:
        raise NumberTaken(model=version.model, noun="version", number=version.number) from error


def _move(connection: Connection, moved: AliasMoved) -> None:
    """Compare and set."""
    this = {"model": moved.model, "alias": moved.alias}
    found = value(connection, _ALIAS, this)
    if found != moved.before:
        raise AliasElsewhere(model=moved.model, alias=moved.alias, expected=moved.before, found=found)
    if moved.after is None:
        connection.run(_DROP_ALIAS, [this])
        return
    _need_version(connection, moved.model, moved.after)
    connection.run(_NEW_ALIAS if found is None else _MOVE_ALIAS, [{**this, "number": moved.after}])


def _score(connection: Connection, block: Block, body: str) -> int:
    try:
        return _about_version(connection, _BLOCK, block, body, start=to_micros(block.start))
    except NotUnique as error:
        raise _taken(block, block.start, "score") from error


def _see(connection: Connection, sight: Sight, body: str) -> int:
    try:
        return _about_version(connection, _SIGHT, sight, body, start=to_micros(sight.start))
    except NotUnique as error:
        raise _taken(sight, sight.start, "sight") from error


def _raise_alarm(connection: Connection, alarm: Alarm, body: str) -> int:
    keys = {"monitor": alarm.topic, "block": to_micros(alarm.block)}
    try:
        return _about_version(connection, _ALARM, alarm, body, **keys)
    except NotUnique as error:
        raise _taken(alarm, alarm.block, f"alarm of {alarm.topic}") from error


def _begin_monitors(connection: Connection, plan: Plan) -> None:
    """Raises `BlockTaken` for a version whose monitors have begun."""
    _need_version(connection, plan.model, plan.version)
    begun = (_read_begun(text).plan for (text,) in connection.all(_BEGUN, {"model": plan.model}))
    if any(one.version == plan.version for one in begun):
        raise BlockTaken(model=plan.model, version=plan.version, start=plan.begun, noun="monitors")


def _taken(what: Block | Alarm | Sight, start: datetime, noun: str) -> BlockTaken:
    return BlockTaken(model=what.model, version=what.version, start=start, noun=noun)


def _about_version(connection: Connection, insert: str, record: Any, body: str, **keys: Any) -> int:
    """A row of what is said of a version."""
    _need_version(connection, record.model, record.version)
    return connection.insert(insert, {"model": record.model, "version": record.version, "body": body, **keys})


def _need_version(connection: Connection, model: str, number: int) -> None:
    if value(connection, _REGISTERED, {"model": model, "number": number}) is None:
        raise UnregisteredVersion(model=model, version=number)
