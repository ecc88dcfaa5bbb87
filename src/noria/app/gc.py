"""Giving up what nobody needs any more: decided from the records, told in an event, and only then removed.

The order makes it safe beside running drivers. First it is read who drives: what was used since the oldest of them
began, or up to `kept` before, is not touched. Then the records are read, so that the results of a driver that had ended
just before are among them. When an object goes, the store looks at its last use once more.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar, cast

import msgspec

from noria.app.drivers import Driver, drivers
from noria.app.keeping import Kept, Past, is_unfinished, kept, words
from noria.app.leftovers import Found, Leftover, found_on_disk, remove_found, stale_checkpoints, told
from noria.app.marking import Marks
from noria.app.reached import everything, given_up_before, mark_kept, objects_of, past_of
from noria.app.users import refuse_others
from noria.errors import Conflict
from noria.records.base import Digest, Record
from noria.records.events import GarbageCollected
from noria.records.policy import KeepPolicy
from noria.records.proofs import Collected

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.ports.objects import Stored, Sweepable


@dataclass(eq=False)
class DriversAtWork(Conflict):
    code: ClassVar[str] = "GC-DRIVERS"
    what: ClassVar[str] = "--now would take objects from under what is at work: {who}"
    next: ClassVar[str] = "wait for it to end, or leave out --now: then what it may rely on stays"
    who: Sequence[str]


class Share(Record, kw_only=True):
    """What is done in the name of one model."""

    model: str
    runs: int
    """All that are recorded."""
    versions: int
    kept_runs: dict[str, str]
    """By name, with the reason."""
    kept_versions: dict[str, str]
    given_up: tuple[int, ...] = ()
    """Runs that no collection gave up before."""
    versions_given_up: tuple[int, ...] = ()
    objects: int = 0
    """Of those runs, needed by nobody else; those of an earlier share are not counted again."""
    size: int = 0


class Gathered(Record, kw_only=True):
    """One collection, planned or carried out."""

    policy: str
    shares: tuple[Share, ...]
    objects: int
    """That go, or went."""
    size: int
    waiting: int = 0
    """Objects that nobody needs, and that are too young to go: somebody may be about to record them."""
    waiting_size: int = 0
    drivers: int = 0
    """At work meanwhile."""
    leftovers: tuple[Leftover, ...] = ()
    """Beside the objects: files on this machine, and checkpoints."""
    done: bool = False


@dataclass(frozen=True)
class Planned:
    """A collection before anything is touched."""

    told: Gathered
    going: Mapping[Digest, int]
    """Their sizes."""
    unused_since: float
    lost: Sequence[str]
    """Slots of drivers that died."""
    found: Sequence[Found]


def collect(
    app: App,
    model: str | None = None,
    *,
    keep: KeepPolicy | None = None,
    at_once: bool = False,
    dry_run: bool = False,
) -> Gathered:
    """Give up what the policy does not keep, of one model or of all, and remove what nobody needs.

    `at_once`: what was stored just now, too; nothing may be at work then. Raises `UnknownModel`, `OthersUse`,
    `DriversAtWork`, `Busy`, and whatever keeps it from reading what is kept (`Unavailable`, `Corrupt`, `NoCodec`); nothing was touched
    then.
    """
    names = app.records.versions.models()
    if model is not None and model not in names:
        app.model(model)
    refuse_others(app)
    with ExitStack() as held:
        for name in names if at_once and not dry_run else ():
            held.enter_context(app.leases.hold(name, f"noria gc --now, process {os.getpid()}"))
        planned = plan(app, model, keep or app.policy.keep, at_once=at_once)
        return planned.told if dry_run else _carry_out(app, planned)


def plan(app: App, model: str | None, keep: KeepPolicy, *, at_once: bool = False) -> Planned:
    """What would go, and why the rest stays."""
    store, began = cast("Sweepable", app.store), time.time()
    living, lost = drivers(app.slots)
    if at_once and living:
        raise DriversAtWork(who=[f"{one.what} (process {one.pid} on {one.host})" for one in living])
    unused_since = began if at_once else _oldest(living, began) - store.kept
    stored = {one.digest: one for one in store.stored()}
    now = app.clock.now()
    pasts = {name: past_of(app, name) for name in app.records.versions.models()}
    chosen = {
        name: kept(past, keep, now) if model in (None, name) else everything(past)
        for name, past in pasts.items()
    }
    marks = Marks(app.artifacts)
    for name, past in pasts.items():
        mark_kept(app, past, chosen[name], marks)
    found = _found(app, pasts, chosen, stored, marks, keep, unused_since)
    unneeded = {digest: one for digest, one in stored.items() if digest not in marks.digests}
    shares = _shares(app, pasts, chosen, marks, unneeded)
    if model is not None:
        theirs = (
            objects_of(app, pasts[model], _not_in(pasts[model], chosen[model]), marks)
            if model in pasts
            else set()
        )
        unneeded = {digest: one for digest, one in unneeded.items() if digest in theirs}
    going = {digest: one.size for digest, one in unneeded.items() if one.used < unused_since}
    gathered = Gathered(
        policy=words(keep),
        shares=shares,
        objects=len(going),
        size=sum(going.values()),
        waiting=len(unneeded) - len(going),
        waiting_size=sum(one.size for one in unneeded.values()) - sum(going.values()),
        drivers=len(living),
        leftovers=told(found),
    )
    return Planned(gathered, going, unused_since, lost, found)


def _carry_out(app: App, planned: Planned) -> Gathered:
    """First what was decided is told, so that nothing is ever gone without a word; a kill later leaves only work for
    the next."""
    now = app.clock.now()
    for share in planned.told.shares:
        if share.given_up:
            collected = Collected(
                runs=len(share.given_up),
                objects=share.objects,
                size=share.size,
                policy=planned.told.policy,
                given_up=spans(share.given_up),
                versions=share.versions_given_up,
            )
            app.records.ledger.append(
                share.model, [GarbageCollected(model=share.model, collected=collected)], at=now
            )
    store = cast("Sweepable", app.store)
    removed = store.remove(planned.going, unused_since=planned.unused_since)
    store.tidy()
    remove_found(app, planned.found)
    for name in planned.lost:
        app.slots.drop(name)
    size = sum(planned.going[digest] for digest in removed)
    return msgspec.structs.replace(planned.told, objects=len(removed), size=size, done=True)


def _oldest(living: Iterable[Driver], now: float) -> float:
    return min([now, *(one.started.timestamp() for one in living)])


def _found(
    app: App,
    pasts: Mapping[str, Past],
    chosen: Mapping[str, Kept],
    stored: Mapping[Digest, Stored],
    marks: Marks,
    keep: KeepPolicy,
    since: float,
) -> list[Found]:
    """What lies beside the objects and goes; what stays of the checkpoints is marked."""
    staying = [
        (run, outcome)
        for past in pasts.values()
        for run, _, outcome in past.runs
        if run.number in chosen[past.model].runs
    ]
    unfinished = any(is_unfinished(outcome) for _, outcome in staying)
    runs = [run for run, _ in staying]
    trees = {run.asked.provenance.source.tree for run in runs}
    names = {run.name for run in runs}
    return [
        *stale_checkpoints(app, stored, marks, since=since, seconds=keep.seconds, unfinished=unfinished),
        *found_on_disk(app, trees, names, since=since, seconds=keep.seconds),
    ]


def _shares(
    app: App,
    pasts: Mapping[str, Past],
    chosen: Mapping[str, Kept],
    marks: Marks,
    unneeded: Mapping[Digest, Stored],
) -> tuple[Share, ...]:
    shares: list[Share] = []
    counted: set[Digest] = set()
    for name, past in pasts.items():
        new = sorted(_not_in(past, chosen[name]).difference(given_up_before(app, name)))
        theirs = (objects_of(app, past, new, marks) & unneeded.keys()) - counted if new else set()
        counted |= theirs
        shares.append(
            Share(
                model=name,
                runs=len(past.runs),
                versions=len(past.versions),
                kept_runs={f"{name}/{number}": why for number, why in chosen[name].runs.items()},
                kept_versions={f"{name}:{number}": why for number, why in chosen[name].versions.items()},
                given_up=tuple(new),
                versions_given_up=tuple(sorted(one.number for one in past.versions if one.run in new)),
                objects=len(theirs),
                size=sum(unneeded[digest].size for digest in theirs),
            )
        )
    return tuple(shares)


def _not_in(past: Past, kept: Kept) -> set[int]:
    return {run.number for run, _, _ in past.runs if run.number not in kept.runs}


def spans(numbers: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Ascending numbers as spans without gaps."""
    groups = groupby(enumerate(numbers), key=lambda placed: placed[1] - placed[0])
    parts = [[number for _, number in group] for _, group in groups]
    return tuple((part[0], part[-1]) for part in parts)
