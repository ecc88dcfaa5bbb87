"""A person's word on a version, where a gate waits for one; it promotes what passed everything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace

from noria.app.consequence import consequence
from noria.app.gone import require_whole
from noria.app.judging.asked import asked_by
from noria.app.promote import find_version
from noria.errors import Conflict, UsageError
from noria.gates.approval import APPROVAL, approved
from noria.records.base import Record
from noria.records.events import AliasMoved, Change, Judged, VersionApproved
from noria.records.gates import Approval, Approved, Judgement
from noria.records.rollouts import RolloutStarted
from noria.records.versions import Version
from noria.registry.moves import move
from noria.registry.references import CHAMPION

if TYPE_CHECKING:
    from noria.app.wiring import App


@dataclass(eq=False)
class NotAsked(UsageError):
    code: ClassVar[str] = "APPROVAL-NOT-ASKED"
    what: ClassVar[str] = "no gate of {model} waits for a person"
    next: ClassVar[str] = (
        'approval = "required" in [model.{model}.gates] of noria.toml, then noria gate {version}; or noria promote {version}'
    )
    model: str
    version: str


@dataclass(eq=False)
class NoReason(UsageError):
    code: ClassVar[str] = "APPROVAL-WHY"
    what: ClassVar[str] = "a word on {version} needs a reason"
    next: ClassVar[str] = 'noria approve {version} --why "looked at the card, fine in all segments"'
    version: str


@dataclass(eq=False)
class NeverJudged(Conflict):
    code: ClassVar[str] = "APPROVAL-UNJUDGED"
    what: ClassVar[str] = "{version} was never judged"
    next: ClassVar[str] = "noria gate {version}"
    version: str


@dataclass(eq=False)
class OutOfDate(Conflict):
    code: ClassVar[str] = "APPROVAL-OUT-OF-DATE"
    what: ClassVar[str] = "{version} was judged beside {then}, and {now} is champion now"
    next: ClassVar[str] = "noria gate {version}, then approve what that says"
    version: str
    then: str
    now: str


@dataclass(eq=False)
class GatesChanged(Conflict):
    code: ClassVar[str] = "APPROVAL-GATES"
    what: ClassVar[str] = "{version} was judged by other gates than noria.toml asks for now"
    next: ClassVar[str] = "noria gate {version}, then approve what that says"
    version: str


class Approving(Record, kw_only=True):
    """What came of somebody's word."""

    approval: Approval
    judgement: Judgement
    moved: AliasMoved | None = None
    """The promotion, if there was one."""
    rollout: str = ""
    """The rollout that began in its stead, where the project rolls out."""
    held: str = ""
    """Why that could not begin."""
    champion: int | None = None
    """Who was the champion when it was said."""


def approve(
    app: App, text: str, *, why: str, by: str, granted: bool = True, dry_run: bool = False
) -> Approving:
    """Append the word, the judgement that follows from it and, when all else passed and promotion is automatic, what
    follows from that (the champion's move, or a rollout): one transaction.

    Raises `UnknownVersion`, `VersionGone`, `NoReason`, `NotAsked`, `NeverJudged`, `OutOfDate` where the champion that
    the version was compared with has given way to another, and `GatesChanged` where it was judged by other gates than today's.
    """
    version = find_version(app, text)
    last = _last(app, version, why, granted)
    approval = Approval(
        model=version.model,
        version=version.number,
        granted=granted,
        by=by,
        why=why.strip(),
        at=app.clock.now(),
    )
    judgement = _with_word(last, version, approval)
    champion = app.records.versions.aliases(version.model).get(CHAMPION)
    promotion = _promotion(app, version, judgement, approval)
    then, held = consequence(app, version, promotion) if promotion else ((), "")
    if not dry_run:
        changes: list[Change] = [VersionApproved(approval=approval), Judged(judgement=judgement)]
        app.records.ledger.append(version.model, [*changes, *then], at=approval.at)
    return Approving(
        approval=approval,
        judgement=judgement,
        moved=next((one for one in then if isinstance(one, AliasMoved)), None),
        rollout=next((one.rollout.name for one in then if isinstance(one, RolloutStarted)), ""),
        held=held,
        champion=champion,
    )


def waits(judgement: Judgement | None) -> bool:
    """Whether nothing but a person's word is missing."""
    if judgement is None or judgement.passed:
        return False
    missing = [verdict for verdict in judgement.verdicts if verdict.outcome != "pass"]
    return all(verdict.gate == APPROVAL and verdict.outcome == "undecided" for verdict in missing)


def _last(app: App, version: Version, why: str, granted: bool) -> Judgement:
    """The newest judgement, when a word on it means something."""
    if not why.strip():
        raise NoReason(version=version.name)
    if not any(isinstance(gate, Approved) for gate in app.model(version.model).gates):
        raise NotAsked(model=version.model, version=version.name)
    if granted:
        require_whole(app, version)
    judgements = app.records.versions.judgements(version.model, version.number)
    if not judgements:
        raise NeverJudged(version=version.name)
    now = app.records.versions.aliases(version.model).get(CHAMPION)
    if granted and now not in (judgements[0].champion, version.number):
        then = f"{version.model}:{judgements[0].champion}" if judgements[0].champion else "no champion"
        raise OutOfDate(version=version.name, then=then, now=f"{version.model}:{now}" if now else "none")
    if granted and judgements[0].asked != asked_by(app.model(version.model)):
        raise GatesChanged(version=version.name)
    return judgements[0]


def _with_word(last: Judgement, version: Version, approval: Approval) -> Judgement:
    others = tuple(verdict for verdict in last.verdicts if verdict.gate != APPROVAL)
    return replace(
        last, judged=approval.at, verdicts=(*others, approved(version.name, approval)), cause="approval"
    )


def _promotion(app: App, version: Version, judgement: Judgement, approval: Approval) -> AliasMoved | None:
    if not judgement.passed or app.model(version.model).promotion != "automatic":
        return None
    return move(
        app.records.versions.aliases(version.model),
        model=version.model,
        alias=CHAMPION,
        to=version.number,
        why=approval.why,
        by=approval.by,
    )
