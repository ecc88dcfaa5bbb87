"""Proof that what is stored is what was appended: the chain itself, and the tables against the chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from noria.records.alarms import AlarmMoved, AlarmRaised, AlarmSeen
from noria.records.base import Digest, Record
from noria.records.chain import BrokenChain, verify_chain
from noria.records.events import (
    GENESIS,
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
from noria.records.monitoring import MonitorsBegun
from noria.records.rollouts import RollbackDrilled, RolloutEnded, RolloutMoved, RolloutStarted
from noria.records.sights import BlockSeen
from noria.records.tokens import CHAIN, TokenMade, TokenRevoked

if TYPE_CHECKING:
    from noria.app.wiring import App


class Entry(Record, kw_only=True):
    """One event as a reader sees it."""

    seq: int
    at: datetime
    kind: str
    about: str
    hash: Digest


class Audit(Record, kw_only=True):
    """What one look at a model's whole chain found; no faults is good news."""

    model: str
    events: int
    head: Digest
    """The last hash: kept elsewhere, it also proves that no event was cut off at the end."""
    faults: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()

    @property
    def sound(self) -> bool:
        return not self.faults


def audit(app: App, model: str | None = None, *, entries: bool = False) -> tuple[Audit, ...]:
    """Verify every model's chain, or the one's. Faults are in the answer; raises `UnknownModel`."""
    if model is not None and model not in app.records.versions.models() and model != CHAIN:
        model = app.model(model).name
    names = [model] if model else [*app.records.versions.models(), CHAIN]
    audits = tuple(_audit(app, name, entries) for name in names)
    return tuple(one for one in audits if one.events or one.model != CHAIN)


def _audit(app: App, model: str, wanted: bool) -> Audit:
    """One pass over the chain: a long one is never held whole, unless its entries are wanted."""
    faults: list[str] = []
    entries: list[Entry] = []
    aliases: dict[str, int] = {}
    head, events = GENESIS, 0

    def noted() -> Iterator[tuple[Event, Change | None]]:
        nonlocal head, events
        for event, change in app.records.ledger.events(model):
            head, events = event.hash, events + 1
            if wanted:
                entries.append(_entry(event, change))
            if isinstance(change, AliasMoved):
                _follow(aliases, change)
            yield event, change

    try:
        verify_chain(noted())
    except BrokenChain as error:
        faults.append(str(error))
    else:
        faults += _alias_faults(model, said=aliases, stored=app.records.versions.aliases(model))
    return Audit(model=model, events=events, head=head, faults=tuple(faults), entries=tuple(entries))


def _follow(aliases: dict[str, int], moved: AliasMoved) -> None:
    aliases.pop(moved.alias, None)
    if moved.after is not None:
        aliases[moved.alias] = moved.after


def _alias_faults(model: str, *, said: Mapping[str, int], stored: Mapping[str, int]) -> Iterator[str]:
    """What an alias names is the one thing that is stored beside the events, and not under their digests."""
    for alias in sorted(said.keys() | stored.keys()):
        if said.get(alias) != stored.get(alias):
            names, by_events = (
                f"{model}:{one}" if one else "nothing" for one in (stored.get(alias), said.get(alias))
            )
            yield f"{model}@{alias} names {names}, and by the events it names {by_events}"


def _entry(event: Event, change: Change | None) -> Entry:
    about = "erased: a tombstone is left" if change is None else describe(change)
    return Entry(seq=event.seq, at=event.at, kind=event.kind, about=about, hash=event.hash)


def describe(change: Change) -> str:
    """A change in one line."""
    match change:
        case RunStarted(run=run):
            return f"{run.name}, asked for by {run.asked.trigger.kind} {run.asked.trigger.cause}".rstrip()
        case StepFinished(result=result):
            return f"{change.model}/{change.run} {result.step}"
        case RunFinished():
            return f"{change.model}/{change.run} {change.outcome.__struct_config__.tag}"
        case VersionRegistered(version=version):
            return f"{version.name} from run {version.model}/{version.run}"
        case Judged(judgement=judgement):
            verdicts = ", ".join(f"{verdict.gate}: {verdict.outcome}" for verdict in judgement.verdicts)
            return f"{judgement.model}:{judgement.version} {verdicts or 'no gates'}"
        case VersionApproved(approval=approval):
            word = "approved" if approval.granted else "refused"
            return f"{approval.model}:{approval.version} {word} by {approval.by}: {approval.why}"
        case GatesDrilled(drill=drill):
            return f"{drill.model}/{drill.run} {drill.killed} of {drill.planted} planted candidates caught"
        case AliasMoved():
            before, after = (
                f"{change.model}:{one}" if one else "nothing" for one in (change.before, change.after)
            )
            return f"{change.alias}: {before} -> {after}, by {change.by}: {change.why}"
        case BlockScored(block=block):
            loss = "no label" if block.loss is None else f"loss {block.loss:.5g} of {block.labelled}"
            return f"{block.model}:{block.version} {block.start:%Y-%m-%dT%H:%MZ} {loss}"
        case AlarmRaised(alarm=alarm):
            return f"{alarm.id}: {alarm.why}"
        case BlockSeen(sight=sight):
            return f"{sight.model}:{sight.version} {sight.start:%Y-%m-%dT%H:%MZ} {sight.rows} rows asked"
        case MonitorsBegun(plan=plan):
            shares = ", ".join(f"{name} {share:.3g}" for name, share in plan.shares.items())
            return f"{plan.model}:{plan.version} may ring falsely with {plan.false_alarm:.3g}: {shares}"
        case AlarmSeen():
            return f"{change.alarm}, found again: {change.why}"
        case AlarmMoved():
            until = f" until {change.until:%Y-%m-%dT%H:%MZ}" if change.until else ""
            return f"{change.alarm} {change.to}{until}, by {change.by}: {change.why}"
        case DataRefused(findings=findings):
            return f"{change.model}/{change.run} {change.step}: {'; '.join(one.what for one in findings)}"
        case Proved(proof=proof):
            return f"{proof.model}:{proof.version} rebuilt: {proof.same}"
        case GarbageCollected(collected=collected):
            return f"{collected.objects} objects of {collected.runs} runs, {collected.size} bytes"
        case TokenMade(token=token):
            until = f", until {token.expires:%Y-%m-%dT%H:%MZ}" if token.expires else ""
            models = f" of {', '.join(token.models)}" if token.models else ""
            return f"{token.name} for {', '.join(token.scopes)}{models}{until}, by {token.by}"
        case TokenRevoked():
            return f"{change.name}, by {change.by}"
        case RolloutStarted(rollout=rollout):
            strategy = rollout.policy.strategy
            return f"{rollout.name}: {rollout.model}:{rollout.version} by {strategy}, by {rollout.by}"
        case RolloutMoved(rollout=rollout) | RolloutEnded(rollout=rollout):
            return f"{rollout.name}: {change.why}, by {change.by}"
        case RollbackDrilled(rehearsal=done):
            found = "can" if done.passed else "cannot"
            return f"{change.model}:{done.version} {found} be gone back to"
        case BatchAnswered(batch=batch):
            return f"{batch.id}: {batch.rows} rows of {batch.input} by {batch.model}:{batch.version}"
