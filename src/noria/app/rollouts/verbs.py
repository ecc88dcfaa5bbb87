"""What a person says of a rollout: begin, pause, go on, take the next step, take it all back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec

from noria.app.errors import GatesRefuse
from noria.app.gone import require_whole
from noria.app.promote import find_version
from noria.app.rollout_settings import USUAL
from noria.errors import Conflict, NotFound, UsageError
from noria.records.events import Change
from noria.records.gates import Verdict
from noria.records.rollouts import (
    Judged,
    Owing,
    Rollout,
    RolloutEnded,
    RolloutMoved,
    RolloutPolicy,
    RolloutStarted,
)
from noria.records.versions import Version
from noria.registry.references import CHAMPION
from noria.rollout import machine
from noria.rollout.words import phase_words

if TYPE_CHECKING:
    from noria.app.wiring import App


@dataclass(eq=False)
class NoRollout(NotFound):
    code: ClassVar[str] = "ROLLOUT-NONE"
    what: ClassVar[str] = "no rollout of {model} is under way"
    next: ClassVar[str] = "noria rollout start {model}:N, or noria rollout list {model}"
    model: str


@dataclass(eq=False)
class NothingToReplace(Conflict):
    code: ClassVar[str] = "ROLLOUT-CHAMPION"
    what: ClassVar[str] = "{version} cannot be rolled out: {why}"
    next: ClassVar[str] = "{fix}"
    version: str
    why: str
    fix: str


@dataclass(eq=False)
class Unseen(UsageError):
    code: ClassVar[str] = "ROLLOUT-UNSEEN"
    what: ClassVar[str] = "a rollout of {version} by {strategy} would never see its evidence: {why}"
    next: ClassVar[str] = "{fix}"
    version: str
    strategy: str
    why: str
    fix: str


@dataclass(eq=False)
class NotNow(Conflict):
    code: ClassVar[str] = "ROLLOUT-PHASE"
    what: ClassVar[str] = "rollout {name} cannot {verb} now: {standing}"
    next: ClassVar[str] = "{fix}"
    name: str
    verb: str
    standing: str
    fix: str = "noria rollout status"


@dataclass(frozen=True)
class Standing:
    """A rollout as a person sees it."""

    rollout: Rollout
    judged: Judged | None
    """At this look; as it was at its last change, where nothing more can be seen."""
    waiting: str = ""


def policy_of(app: App, model: str, strategy: str | None, steps: Sequence[float] = ()) -> RolloutPolicy:
    """That of noria.toml, with another strategy or other steps where a person wants them."""
    policy = app.model(model).rollout or USUAL
    changes: dict[str, object] = {} if strategy is None else {"strategy": strategy}
    return msgspec.structs.replace(policy, **changes, **({"steps": tuple(steps)} if steps else {}))


def begun(app: App, version: Version, policy: RolloutPolicy, *, by: str, why: str = "") -> list[Change]:
    """The changes with which a rollout begins; one that only waited for labels ends. Raises `NothingToReplace`, `Unseen`."""
    champion = app.records.versions.aliases(version.model).get(CHAMPION)
    if champion is None:
        fix = f"noria promote {version.name}"
        raise NothingToReplace(version.name, f"{version.model} has no champion that it would replace", fix)
    if champion == version.number:
        raise NothingToReplace(version.name, "it is the champion already", f"noria show {version.name}")
    _require_seen(app, version, policy)
    now, last = app.clock.now(), app.records.rollouts.last(version.model)
    rollout = Rollout(
        model=version.model,
        number=last.number + 1 if last else 1,
        version=version.number,
        champion=champion,
        policy=policy,
        started=now,
        by=by,
    )
    changes: list[Change] = []
    if last is not None and isinstance(last.phase, Owing):
        why = f"rollout {rollout.name} began before all labels came"
        ended = machine.superseded(last, why, now)
        changes.append(RolloutEnded(rollout=ended, why=phase_words(ended), by=by))
    return [*changes, RolloutStarted(rollout=rollout, why=why)]


def start(
    app: App,
    text: str,
    policy: RolloutPolicy,
    *,
    by: str,
    why: str = "",
    force: bool = False,
    dry_run: bool = False,
) -> Rollout:
    """Begin a rollout; what gates were forced stands in its event. Raises `GatesRefuse` unless forced, `VersionGone`, `NothingToReplace`, `Unseen`, and `RolloutOpen`
    where one is under way."""
    version = find_version(app, text)
    against = _not_passed(app, version)
    if against and not force:
        refused = "; ".join(f"{one.gate}: {one.outcome}, {one.why}" for one in against)
        raise GatesRefuse(version=version.name, why=refused)
    require_whole(app, version)
    forced = "by force, " + ", ".join(f"{one.gate}: {one.outcome}" for one in against) if against else ""
    changes = begun(app, version, policy, by=by, why="; ".join(told for told in (why, forced) if told))
    if not dry_run:
        app.records.ledger.append(version.model, changes, at=app.clock.now())
    started = changes[-1]
    assert isinstance(started, RolloutStarted)
    return started.rollout


def _not_passed(app: App, version: Version) -> list[Verdict]:
    """Of the newest judgement the verdicts that are against it; none for one that was never judged."""
    judgements = app.records.versions.judgements(version.model, version.number)
    return [one for one in judgements[0].verdicts if one.outcome != "pass"] if judgements else []


def current(app: App, model: str) -> Rollout:
    """The one that is under way. Raises `NoRollout`."""
    last = app.records.rollouts.last(model)
    if last is None or not last.open:
        raise NoRollout(model)
    return last


def pause(app: App, model: str, *, by: str, why: str) -> Rollout:
    """Let nothing go forward. What is found worse is taken back all the same."""
    rollout = current(app, model)
    new = machine.paused(rollout, by, why or "a person wants it so", app.clock.now())
    return _said(app, rollout, new, verb="be paused", why=f"paused: {why}".rstrip(": "), by=by)


def resume(app: App, model: str, *, by: str, why: str = "") -> Rollout:
    rollout = current(app, model)
    told = f"goes on: {why}".rstrip(": ")
    return _said(app, rollout, machine.resumed(rollout), verb="go on", why=told, by=by)


def step(app: App, model: str, *, by: str, why: str) -> Rollout:
    """The next step, whatever is known; after the last one the version is promoted. Raises `NotNow` unless a step holds."""
    rollout = current(app, model)
    new = machine.stepped(rollout, app.clock.now())
    told = "the next step, by a person's word" + (f": {why}" if why else "")
    return _said(app, rollout, new, verb="take a step", why=told, by=by)


def abort(app: App, model: str, *, by: str, why: str) -> Rollout:
    """Let the champion answer everything again. Raises `NotNow` for one that has been promoted."""
    rollout = current(app, model)
    fix = f"noria rollback {model}" if rollout.switched else "noria rollout status"
    new = machine.aborted(rollout, why or "a person wants it so", app.clock.now())
    return _said(app, rollout, new, verb="be aborted", why=f"aborted: {why}".rstrip(": "), by=by, fix=fix)


def _said(
    app: App,
    rollout: Rollout,
    new: Rollout,
    *,
    verb: str,
    why: str,
    by: str,
    fix: str = "noria rollout status",
) -> Rollout:
    """Write down what a person said. Raises `NotNow` where it changes nothing, `RolloutMovedOn` where it came too late."""
    if new is rollout:
        raise NotNow(rollout.name, verb, phase_words(rollout), fix)
    app.records.ledger.append(rollout.model, [RolloutMoved(rollout=new, why=why, by=by)], at=app.clock.now())
    return new


def _require_seen(app: App, version: Version, policy: RolloutPolicy) -> None:
    service = app.policy.service
    if policy.strategy != "replace" and service.durability == "off":
        why, fix = '[service] durability is "off", so no answer is logged', 'write durability = "async"'
        raise Unseen(version.name, policy.strategy, why, fix)
    if policy.quality is not None and (version.label is None or version.quality is None):
        why, fix = "quality is to be judged, and it has no loss", "leave quality out of [model.x.rollout]"
        raise Unseen(version.name, policy.strategy, why, fix)
