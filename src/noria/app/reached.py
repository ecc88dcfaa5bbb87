"""What the records of a model reach: its past as keeping looks at it, and the objects of its runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from noria.app.drivers import study_lease
from noria.app.keeping import Kept, Past, is_unfinished
from noria.records.base import Digest
from noria.records.events import AliasMoved, GarbageCollected
from noria.records.policy import ModelPolicy, MonitorPolicy
from noria.records.runs import Outcome, Run

if TYPE_CHECKING:
    from noria.app.marking import Marks
    from noria.app.wiring import App

Runs = Sequence[tuple[Run, datetime | None, Outcome | None]]

ALL = 2**31 - 1  # runs: as many as there are
FEW = 100  # runs that are read one by one; for more, all of them are read in large parts
SEEN = timedelta(days=1)  # a service that was heard of within may still answer
EVERY = "not asked about"


def past_of(app: App, model: str) -> Past:
    """A model's past, read now."""
    from noria.monitor.blocks import block_span
    from noria.monitor.maturity import maturity

    versions = app.records.versions.versions(model)
    policy = next((one for one in app.policy.models if one.name == model), None)
    heard = datetime.now(UTC) - SEEN  # services tell the real time
    waited = {version.number: maturity(version, policy or _silent(model)) for version in versions}
    block = block_span((policy.monitor if policy else MonitorPolicy()).block)
    runs = app.records.runs.runs(model, last=ALL)
    return Past(
        model=model,
        runs=runs,
        versions=versions,
        aliases=app.records.versions.aliases(model),
        moves=[
            (event.at, change)
            for event, change in app.records.ledger.events(model, kinds=["alias.moved"])
            if isinstance(change, AliasMoved)
        ],
        serving={
            number
            for one in app.records.services.services(model)
            if one.seen >= heard
            for number in (one.version, *([int(one.follows)] if one.follows.isdecimal() else []))
        },
        maturity={number: span + block for number, span in waited.items() if span is not None},
        searched=_searched(app, model, runs),
        rolled_out={
            number
            for one in app.records.rollouts.rollouts(model)
            if one.open
            for number in (one.version, one.champion)
        },
    )


def _searched(app: App, model: str, runs: Runs) -> set[str]:
    """Studies of unfinished trials that somebody holds: their trials are under way."""
    triggers = (run.asked.trigger for run, _, outcome in runs if is_unfinished(outcome))
    studies = {trigger.study for trigger in triggers if trigger.kind == "trial"}
    return {study for study in studies if app.leases.holder(study_lease(model, study)) is not None}


def given_up_before(app: App, model: str) -> dict[int, tuple[datetime, str]]:
    """Runs that earlier collections gave up: when, and by which policy."""
    found: dict[int, tuple[datetime, str]] = {}
    for event, change in app.records.ledger.events(model, kinds=["garbage.collected"]):
        if isinstance(change, GarbageCollected):
            for first, last in change.collected.given_up:
                for number in range(first, last + 1):
                    found.setdefault(number, (event.at, change.collected.policy))
    return found


def everything(past: Past) -> Kept:
    """All of it: of a model that was not asked about."""
    return Kept(
        {run.number: EVERY for run, _, _ in past.runs}, {version.number: EVERY for version in past.versions}
    )


def mark_kept(app: App, past: Past, kept: Kept, marks: Marks) -> None:
    """Mark all that the kept runs and versions need: to serve them, to judge them, to rebuild them."""
    marks.add(version for version in past.versions if version.number in kept.versions)
    for number in kept.versions:
        marks.add(app.records.versions.judgements(past.model, number))
        sight = app.records.monitors.last_sight(past.model, number)
        marks.add([] if sight is None else [sight])
    marks.add(part for run, _, outcome in past.runs if run.number in kept.runs for part in (run, outcome))
    for result in _results(app, past, set(kept.runs)):
        marks.add([result])


def objects_of(app: App, past: Past, runs: Collection[int], marks: Marks) -> set[Digest]:
    """What some runs need, by their own records."""
    found: set[Digest] = set()
    wanted = set(runs)
    for run, _, outcome in past.runs:
        if run.number in wanted:
            found |= _named(run, marks) | _named(outcome, marks)
    for version in past.versions:
        if version.run in wanted:
            found |= _named(version, marks)
    for result in _results(app, past, wanted):
        found |= _named(result, marks)
    return found


def _results(app: App, past: Past, runs: set[int]) -> Iterable[object]:
    if len(runs) <= FEW:
        for number in sorted(runs):
            yield from app.records.runs.steps(past.model, number)
    else:
        for number, result in app.records.runs.results(past.model):
            if number in runs:
                yield result


def _named(record: object, marks: Marks) -> set[Digest]:
    return marks.of(msgspec.json.encode(record), as_far_as_known=True)


def _silent(model: str) -> ModelPolicy:
    """Of a model that noria.toml no longer has."""
    return ModelPolicy(name=model, pipeline="")
