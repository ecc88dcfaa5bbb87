"""An undecided canary goes on as a shadow: with copies of all requests it sees in an hour what a few per cent show in a day, and
its answers reach nobody.

Its evidence there is its own. A canary's counts come of shares, a shadow's of pairs, and a challenger that answers every copy is
under another load; so each has its counts, its verdicts and its half of the error budget.
"""

from __future__ import annotations

import msgspec

from noria.records.rollouts import Opening, Rollout, RolloutPolicy, Standby, Watching
from noria.rollout.standby import before_standby, on_standby


def may_turn_to_copies(policy: RolloutPolicy) -> bool:
    """Whether a step of it may be undecided, and is then answered as copies."""
    return policy.strategy == "canary" and policy.patience is not None and policy.undecided == "shadow"


def are_copies(rollout: Rollout) -> bool:
    """Whether it is a canary that answers copies alone for now."""
    return isinstance(rollout.phase, Opening | Watching) and rollout.phase.copies


def had_copies(rollout: Rollout, step: int) -> bool:
    """Whether a canary's step has been undecided once."""
    return any(one.step == step and one.share == 0.0 for one in rollout.stretches)


def in_evidence(rollout: Rollout) -> Rollout:
    """The rollout as whoever counts is to see it: a canary with the stretches in which it had a share; while it answers copies
    alone, a shadow with the stretches in which it did; after a blue-green's switch, the predecessor as the shadow."""
    if isinstance(rollout.phase, Standby):
        return on_standby(rollout)
    if rollout.policy.strategy != "canary":
        return before_standby(rollout)
    copies = are_copies(rollout)
    policy = msgspec.structs.replace(rollout.policy, strategy="shadow") if copies else rollout.policy
    stretches = tuple(one for one in rollout.stretches if (one.share == 0.0) == copies)
    return msgspec.structs.replace(rollout, policy=policy, stretches=stretches)
