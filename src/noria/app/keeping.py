"""What of a model's past is kept, and why: a decision over its records, without a clock or a store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from noria.app.judging.asked import anchor_of
from noria.records.events import AliasMoved
from noria.records.policy import KeepPolicy
from noria.records.runs import Interrupted, Outcome, Run
from noria.records.versions import Version
from noria.registry.moves import previous

ASIDE = ("trial", "proof")  # runs beside the wheel's own: a search of a hundred trials pushes no run out


@dataclass(frozen=True)
class Past:
    """What keeping is decided by."""

    model: str
    runs: Sequence[tuple[Run, datetime | None, Outcome | None]]
    """The newest first."""
    versions: Sequence[Version]
    """The newest first."""
    aliases: Mapping[str, int]
    moves: Sequence[tuple[datetime, AliasMoved]]
    """The oldest first."""
    serving: Collection[int] = ()
    """Versions that answer in a service now."""
    maturity: Mapping[int, timedelta] = field(default_factory=dict)
    """How long after an answer a version's label may still come and be scored; absent: it is never scored."""
    searched: Collection[str] = ()
    """Studies whose search is at work now."""
    rolled_out: Collection[int] = ()
    """Versions of the rollout that is under way."""


@dataclass(frozen=True)
class Kept:
    """Numbers of runs and versions, with the reason in a reader's words."""

    runs: dict[int, str]
    versions: dict[int, str]


def kept(past: Past, keep: KeepPolicy, now: datetime) -> Kept:
    """What the policy keeps, and what nobody can do without: unfinished runs that somebody is at or may go on with;
    versions that are named, served, waited for by labels, or that a rollback goes back to; the newest version, which
    the next candidate is compared with to know whether it is new. A version and the run that made it are kept
    together."""
    since = now - timedelta(seconds=keep.seconds)
    versions = _versions(past, since, now)
    made_by = {version.number: version.run for version in past.versions}
    runs = {made_by[number]: f"made {past.model}:{number}" for number in versions}
    runs |= _runs(past, keep, since)
    for number, run in made_by.items():
        if run in runs:
            versions.setdefault(number, f"{past.model}/{run} is kept")
    return Kept(runs, versions)


def is_unfinished(outcome: Outcome | None) -> bool:
    return outcome is None or isinstance(outcome, Interrupted)


def words(keep: KeepPolicy) -> str:
    """The policy as a sentence's part."""
    days = keep.seconds / 86_400
    span = f"{days:g} days" if days >= 1 else f"{keep.seconds:g} s"
    return (
        f"the newest {keep.runs} runs, what is younger than {span}, and what is named, served or unfinished"
    )


def _runs(past: Past, keep: KeepPolicy, since: datetime) -> dict[int, str]:
    found: dict[int, str] = {}
    newest = [run.number for run, _, _ in past.runs if run.asked.trigger.kind not in ASIDE][: keep.runs]
    for run, finished, outcome in past.runs:
        if is_unfinished(outcome) and _goes_on(past, run):
            found[run.number] = "not finished"
        elif run.number in newest:
            found[run.number] = f"among the newest {keep.runs}"
        elif (finished or run.started) >= since:
            found[run.number] = f"since {since:%Y-%m-%d}"
    return found


def _goes_on(past: Past, run: Run) -> bool:
    """Whether anybody needs an unfinished run. A trial that was broken off is never gone on with: its search, if it is
    taken up again at all, tries the values in a run of their own."""
    trigger = run.asked.trigger
    return trigger.kind != "trial" or trigger.study in past.searched


def _versions(past: Past, since: datetime, now: datetime) -> dict[int, str]:
    known = {version.number: version for version in past.versions}
    found: dict[int, str] = {}
    for alias, number in past.aliases.items():
        found.setdefault(number, f"is @{alias}")
    for alias in past.aliases:
        back = previous((moved for _, moved in past.moves), alias)
        if back is not None:
            found.setdefault(back, f"a rollback of @{alias} goes back to it")
    anchor = anchor_of(moved for _, moved in past.moves)
    if anchor is not None:
        found.setdefault(anchor, "is the anchor that candidates are compared with")
    for number in past.serving:
        found.setdefault(number, "answers in a service")
    for number in past.rolled_out:
        found.setdefault(number, "is part of a rollout")
    for at, moved in past.moves:
        left = moved.before
        if left is not None and left in past.maturity and at + past.maturity[left] >= now:
            found.setdefault(
                left, f"labels for its answers may come until {at + past.maturity[left]:%Y-%m-%d}"
            )
    for version in past.versions[:1]:
        found.setdefault(version.number, "the newest")
    for version in past.versions:
        if version.created >= since:
            found.setdefault(version.number, f"since {since:%Y-%m-%d}")
    return {number: why for number, why in found.items() if number in known}
