"""Changes in words: a line each, for whoever reads the audit trail."""

from __future__ import annotations

from noria.records.alarms import AlarmMoved, AlarmRaised, AlarmSeen
from noria.records.events import (
    AliasMoved,
    BatchAnswered,
    BlockScored,
    Change,
    DataRefused,
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
from noria.records.tokens import TokenMade, TokenRevoked

_OfRun = RunStarted | StepFinished | RunFinished | DataRefused | GatesDrilled
_OfVersion = VersionRegistered | Judged | VersionApproved | AliasMoved | Proved | BatchAnswered
_OfMonitor = BlockScored | BlockSeen | MonitorsBegun | AlarmRaised | AlarmSeen | AlarmMoved
_OfRollout = RolloutStarted | RolloutMoved | RolloutEnded | RollbackDrilled


def describe(change: Change) -> str:
    """A change in one line."""
    match change:
        case RunStarted() | StepFinished() | RunFinished() | DataRefused() | GatesDrilled():
            return _run(change)
        case VersionRegistered() | Judged() | VersionApproved() | AliasMoved() | Proved() | BatchAnswered():
            return _version(change)
        case BlockScored() | BlockSeen() | MonitorsBegun() | AlarmRaised() | AlarmSeen() | AlarmMoved():
            return _monitor(change)
        case RolloutStarted() | RolloutMoved() | RolloutEnded() | RollbackDrilled():
            return _rollout(change)
        case GarbageCollected(collected=collected):
            return f"{collected.objects} objects of {collected.runs} runs, {collected.size} bytes"
        case TokenMade(token=token):
            until = f", until {token.expires:%Y-%m-%dT%H:%MZ}" if token.expires else ""
            models = f" of {', '.join(token.models)}" if token.models else ""
            return f"{token.name} for {', '.join(token.scopes)}{models}{until}, by {token.by}"
        case TokenRevoked():
            return f"{change.name}, by {change.by}"


def _run(change: _OfRun) -> str:
    match change:
        case RunStarted(run=run):
            return f"{run.name}, asked for by {run.asked.trigger.kind} {run.asked.trigger.cause}".rstrip()
        case StepFinished(result=result):
            return f"{change.model}/{change.run} {result.step}"
        case RunFinished():
            return f"{change.model}/{change.run} {change.outcome.__struct_config__.tag}"
        case DataRefused(findings=findings):
            return f"{change.model}/{change.run} {change.step}: {'; '.join(one.what for one in findings)}"
        case GatesDrilled(drill=drill):
            return f"{drill.model}/{drill.run} {drill.killed} of {drill.planted} planted candidates caught"


def _version(change: _OfVersion) -> str:
    match change:
        case VersionRegistered(version=version):
            return f"{version.name} from run {version.model}/{version.run}"
        case Judged(judgement=judgement):
            verdicts = ", ".join(f"{verdict.gate}: {verdict.outcome}" for verdict in judgement.verdicts)
            return f"{judgement.model}:{judgement.version} {verdicts or 'no gates'}"
        case VersionApproved(approval=approval):
            word = "approved" if approval.granted else "refused"
            return f"{approval.model}:{approval.version} {word} by {approval.by}: {approval.why}"
        case AliasMoved():
            before, after = (
                f"{change.model}:{one}" if one else "nothing" for one in (change.before, change.after)
            )
            return f"{change.alias}: {before} -> {after}, by {change.by}: {change.why}"
        case Proved(proof=proof):
            return f"{proof.model}:{proof.version} rebuilt: {proof.same}"
        case BatchAnswered(batch=batch):
            return f"{batch.id}: {batch.rows} rows of {batch.input} by {batch.model}:{batch.version}"


def _monitor(change: _OfMonitor) -> str:
    match change:
        case BlockScored(block=block):
            loss = "no label" if block.loss is None else f"loss {block.loss:.5g} of {block.labelled}"
            return f"{block.model}:{block.version} {block.start:%Y-%m-%dT%H:%MZ} {loss}"
        case BlockSeen(sight=sight):
            return f"{sight.model}:{sight.version} {sight.start:%Y-%m-%dT%H:%MZ} {sight.rows} rows asked"
        case MonitorsBegun(plan=plan):
            shares = ", ".join(f"{name} {share:.3g}" for name, share in plan.shares.items())
            return f"{plan.model}:{plan.version} may ring falsely with {plan.false_alarm:.3g}: {shares}"
        case AlarmRaised(alarm=alarm):
            return f"{alarm.id}: {alarm.why}"
        case AlarmSeen():
            return f"{change.alarm}, found again: {change.why}"
        case AlarmMoved():
            until = f" until {change.until:%Y-%m-%dT%H:%MZ}" if change.until else ""
            return f"{change.alarm} {change.to}{until}, by {change.by}: {change.why}"


def _rollout(change: _OfRollout) -> str:
    match change:
        case RolloutStarted(rollout=rollout):
            told = f"{rollout.name}: {rollout.model}:{rollout.version} by {rollout.policy.strategy}, by {rollout.by}"
            return f"{told}: {change.why}" if change.why else told
        case RolloutMoved(rollout=rollout) | RolloutEnded(rollout=rollout):
            return f"{rollout.name}: {change.why}, by {change.by}"
        case RollbackDrilled(rehearsal=done):
            found = "can" if done.passed else "cannot"
            return f"{change.model}:{done.version} {found} be gone back to"
