"""After a blue-green's switch its predecessor may stand by: it answers copies of all requests, for a while.

Before the switch the challenger was judged on copies, which come when an answer is on its way already; nobody waited for it, and
its memory, its caches and its queue saw no burst of callers. Afterwards it answers for real, and who knows what the answers were
to be is still loaded. So both are compared once more, the other way about: the predecessor is the one that gets copies.

The evidence is its own, as that of an undecided canary's copies is: counts, verdicts, and half of the error budget.
"""

from __future__ import annotations

import msgspec

from noria.records.rollouts import Counted, Judged, Losses, Observed, Rollout, RolloutPolicy


def may_stand_by(policy: RolloutPolicy) -> bool:
    """Whether a predecessor stays beside the version that replaced it."""
    return policy.strategy == "blue-green" and policy.standby > 0.0


def on_standby(rollout: Rollout) -> Rollout:
    """The rollout as whoever counts is to see it: of the stretches after the switch, with the predecessor as the shadow. What is
    counted so is to be `turned`."""
    return msgspec.structs.replace(
        rollout,
        version=rollout.champion,
        champion=rollout.version,
        policy=msgspec.structs.replace(rollout.policy, strategy="shadow"),
        stretches=tuple(one for one in rollout.stretches if one.step == len(rollout.steps)),
    )


def before_standby(rollout: Rollout) -> Rollout:
    """The same rollout without the stretches after a switch."""
    kept = tuple(one for one in rollout.stretches if one.step < len(rollout.steps))
    return rollout if kept == rollout.stretches else msgspec.structs.replace(rollout, stretches=kept)


def turned(seen: Observed) -> Observed:
    """Each version's counts as the other's: what was counted of a predecessor as the shadow is judged as the champion's."""
    return msgspec.structs.replace(
        seen,
        counted=tuple(_turned(one) for one in seen.counted),
        here=seen.here[::-1],
        challenger=seen.champion,
        champion=seen.challenger,
        answers=tuple(each[::-1] for each in seen.answers),
        losses=_other_way(seen.losses),
        took=seen.took[::-1],
    )


def copies_on_standby(judged: Judged) -> str:
    return f"nothing worse beside its predecessor on {judged.here:,} units after the switch"


def _turned(one: Counted) -> Counted:
    return msgspec.structs.replace(one, units=one.units[::-1], failed=one.failed[::-1], slow=one.slow[::-1])


def _other_way(losses: Losses) -> Losses:
    return msgspec.structs.replace(losses, differences=tuple(-one for one in losses.differences))
