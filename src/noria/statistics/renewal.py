"""The alternative for a service that never ends: not "at most one false alarm in a life", but "one in so many steps".

R_k = (R_{k-1} + 1) f_k, the Shiryaev-Roberts statistic with factors of which E[f_k | past] <= 1 while nothing changes: each
step a new unit is staked, so a late change is seen as soon as an early one. R_k - k is a supermartingale, so with an alarm
at A the mean number of steps to a false one is at least A (Shin, Ramdas & Rinaldo, "E-detectors", 2024), and the
probability of one within k steps at most k / A: within A steps it may well come. The default of Noria is the bound over a life
(`mixture`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from noria.statistics.arrays import Floats
from noria.statistics.mixture import CEILING


@dataclass(frozen=True, slots=True)
class RenewalState:
    """What has been seen; begin with `RenewalState.first(bets)`."""

    amounts: tuple[float, ...]  # R of each bet
    steps: int = 0
    alarms: int = 0  # after each, all begins anew

    @classmethod
    def first(cls, bets: int) -> RenewalState:
        return cls((0.0,) * bets)

    @property
    def evidence(self) -> float:
        """The statistic now: the mean over bets. Its mean is at most `steps` while nothing changes."""
        return float(np.mean(self.amounts))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, floats as exact hexadecimal text."""
        amounts = [amount.hex() for amount in self.amounts]
        return {"amounts": amounts, "steps": self.steps, "alarms": self.alarms}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> RenewalState:
        """The state that `to_dict` wrote, to the last bit. KeyError or ValueError for anything else."""
        amounts = tuple(float.fromhex(amount) for amount in fields["amounts"])
        return cls(amounts, int(fields["steps"]), int(fields["alarms"]))


def renew(state: RenewalState, factors: Floats, *, run_length: float) -> RenewalState:
    """The state after one more step whose bets returned `factors` (bets,); an alarm when the evidence reaches `run_length`.

    For a risk alarm give `noria.statistics.risk.factors`. ValueError unless there is a factor a bet and a length over 1.
    """
    if factors.shape != (len(state.amounts),):
        raise ValueError(f"factors: expected {len(state.amounts)}, one a bet, got shape {factors.shape}")
    if not run_length > 1.0:
        raise ValueError(f"run length: expected more than 1 step, got {run_length}")
    amounts = np.minimum((np.array(state.amounts) + 1.0) * factors, CEILING)
    if amounts.mean() >= run_length:
        return RenewalState((0.0,) * amounts.size, state.steps + 1, state.alarms + 1)
    return RenewalState(tuple(amounts.tolist()), state.steps + 1, state.alarms)


def false_alarm_within(steps: int, run_length: float) -> float:
    """The most that the probability of a false alarm within `steps` steps can be."""
    return min(1.0, steps / run_length)
