"""Has the model become worse than it was? An alarm, false with probability at most a in a version's life.

Half of a pays for an upper bound of the source risk, from the blocks on which the model was accepted; the
other half for an e-process against "no block's risk, given the past, is over that bound plus the
tolerance". If the bound holds and the risk stays within the tolerance, the process is a supermartingale
from 1 and reaches 2/a with probability at most a/2; that the bound fails has probability at most a/2;
together a, at every look, for ever.

What is assumed. Of the source blocks: independent draws of one distribution and, by default, symmetric (see
`RiskMonitor.from_source`); their seasons must be the seasons to come. Of the blocks watched: only that the conditional mean E[L_k | source, past]
respects the bound; they need be neither identical nor bounded above. Blocks that follow one another (a bad
week after a bad week) break it when the conditional mean of a day wanders over the bound while the long-run
risk does not: then take longer blocks, or watch loss minus a baseline's loss, whose range may have a
negative end and needs nothing else.

The floor. A bet 1 + r ((L - floor) / (bound - floor) - 1) can gain in proportion to how near the floor lies
to the bound. So losses under the floor count as the floor: a good day cannot pay for a bad one, and a
change is seen in half the time. Bound and process are both about that floored loss: a shift of all blocks
by up to the tolerance stays silent, as it should; a doubled spread about the same mean counts, in part, as
a rise. A block of far fewer rows than those of the source has such a spread by chance alone: it is *thin*, and counts
without the floor. That needs no other bound, for the floored risk of the source is no less than its risk.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

import noria.statistics.betting as betting
import noria.statistics.mixture as mixture
from noria.statistics.arrays import Floats, check_error_rate, finite_vector
from noria.statistics.blocks import LossRange, checked_range
from noria.statistics.symmetric import blocks_needed, typical_bounds

SourceMethod = Literal["symmetric", "bounded"]

FRACTIONS = np.array([0.9, 0.225, 0.05625])  # of the largest bet: from a collapse to a slow rise in noise
FLOOR_QUANTILE = 0.1  # of the source blocks; lower is slower, higher takes mere spread for risk
THIN = 0.5  # of the source's usual rows: a mean of half as many scatters 1.4 times as much at most

_ASSUMPTIONS: dict[SourceMethod, str] = {
    "symmetric": "source blocks independent and symmetric about their mean; later blocks free under the bound",
    "bounded": "source blocks independent and within the loss range; later blocks free under the bound",
}


@dataclass(frozen=True, slots=True)
class RiskMonitor:
    """What one version is held to, fixed on the day it was accepted; in the unit of the loss."""

    loss_range: LossRange  # block losses out of it are clipped and counted
    tolerance: float  # a rise that nobody minds
    false_alarm: float  # probability of a false alarm over the version's whole life
    floor: float  # block losses under it count as it
    source_bound: float  # upper bound of the source's floored risk, error false_alarm / 2
    source_blocks: int  # how many blocks that bound rests on
    method: SourceMethod  # how it was found

    def __post_init__(self) -> None:
        low, _ = checked_range(self.loss_range)
        check_error_rate(self.false_alarm, "false_alarm")
        if not (np.isfinite(self.tolerance) and self.tolerance >= 0.0):
            raise ValueError(f"tolerance: expected a finite number of at least 0, got {self.tolerance}")
        if self.method not in _ASSUMPTIONS:
            raise ValueError(f'method: expected "symmetric" or "bounded", got {self.method!r}')
        if not low <= self.floor < self.bound:
            raise ValueError(f"floor: expected {low} <= floor < bound {self.bound}, got {self.floor}")

    @classmethod
    def from_source(
        cls,
        block_losses: ArrayLike,
        *,
        loss_range: LossRange,
        tolerance: float,
        false_alarm: float = 0.01,
        method: SourceMethod = "symmetric",
        floor: float | None = None,
    ) -> "RiskMonitor":
        """The monitor of a version accepted on blocks with the mean losses `block_losses` (n,).

        "symmetric" bounds the source risk by the sign-flip test: exact for symmetric blocks; positively
        skewed ones, and the floor, leave it somewhat too low, which the process has been measured to absorb
        from 14 source blocks on. "bounded" bets within the range alone and is right for any independent
        blocks: it takes hundreds of them where the range is many times the spread, and until then a `bound`
        far from the risk, or `deaf`, says that the alarm can hardly ring.
        `floor`: by default the lower decile of the source blocks for "symmetric", the low end of the range
        for "bounded", whose guarantee would not survive a floor chosen by the same blocks.
        ValueError for no blocks, too few for "symmetric" (`blocks_needed(false_alarm / 2)`), blocks out of
        the range, or blocks that are all equal to the low end while the tolerance is 0.
        """
        low, high = checked_range(loss_range)
        check_error_rate(false_alarm, "false_alarm")
        losses = _source_losses(block_losses, low, high)
        if floor is not None and not low <= floor < high:
            raise ValueError(f"floor: expected {low} <= floor < {high}, got {floor}")
        if floor is None:
            floor = float(np.quantile(losses, FLOOR_QUANTILE)) if method == "symmetric" else low
        bound = _source_bound(np.maximum(losses, floor), floor, high, false_alarm / 2.0, method)
        if floor >= bound + tolerance:  # no spread and no tolerance: nothing to floor
            floor = low
        return cls((low, high), tolerance, false_alarm, floor, bound, int(losses.size), method)

    @property
    def bound(self) -> float:
        """The risk that the process tests: source bound plus tolerance."""
        return self.source_bound + self.tolerance

    @property
    def threshold(self) -> float:
        """Evidence at which the alarm rings: the other half of the error paid for the source bound."""
        return 2.0 / self.false_alarm

    @property
    def deaf(self) -> bool:
        """No loss can ring this alarm: its bound is at the top of the range. More source blocks lower it."""
        return self.bound >= self.loss_range[1]

    @property
    def assumption(self) -> str:
        """What the bound on false alarms rests on, in a sentence for the reader of an alarm."""
        return _ASSUMPTIONS[self.method]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, floats as exact hexadecimal text."""
        fields = asdict(self)
        fields["loss_range"] = [end.hex() for end in self.loss_range]
        return {name: value.hex() if isinstance(value, float) else value for name, value in fields.items()}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "RiskMonitor":
        """The monitor that `to_dict` wrote, to the last bit. KeyError or ValueError for anything else."""
        low, high = (float.fromhex(end) for end in fields["loss_range"])
        return cls(
            loss_range=(low, high),
            tolerance=float.fromhex(fields["tolerance"]),
            false_alarm=float.fromhex(fields["false_alarm"]),
            floor=float.fromhex(fields["floor"]),
            source_bound=float.fromhex(fields["source_bound"]),
            source_blocks=int(fields["source_blocks"]),
            method=fields["method"],
        )


@dataclass(frozen=True, slots=True)
class RiskState:
    """What has been seen since the version went live; `RiskState()` is the first day."""

    blocks: int = 0
    capital: tuple[float, ...] = (0.0,) * len(FRACTIONS)  # one a bet, see `mixture`
    peak: float = 1.0  # highest evidence so far: an alarm, once rung, stays
    clipped: int = 0  # blocks whose loss was out of the range

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, floats as exact hexadecimal text."""
        return {
            "blocks": self.blocks,
            "capital": [amount.hex() for amount in self.capital],
            "peak": self.peak.hex(),
            "clipped": self.clipped,
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "RiskState":
        """The state that `to_dict` wrote, to the last bit. KeyError or ValueError for anything else."""
        capital = tuple(float.fromhex(amount) for amount in fields["capital"])
        if len(capital) != len(FRACTIONS):
            raise ValueError(f"capital: expected {len(FRACTIONS)} bets, got {len(capital)}")
        return cls(int(fields["blocks"]), capital, float.fromhex(fields["peak"]), int(fields["clipped"]))


def is_thin(rows: int, usual: float) -> bool:
    """Whether a block has too few rows for the floor, where the source's usual block had so many."""
    return rows < THIN * usual


def advance(monitor: RiskMonitor, state: RiskState, block_loss: float, *, thin: bool = False) -> RiskState:
    """The state after one more block, whose rows had the mean loss `block_loss`; each block once, in time
    order. `thin`: it has too few rows for the floor (`is_thin`).

    Which blocks are counted must not depend on their losses: a cohort is closed by its age, not by its
    labels. ValueError for NaN or infinity.
    """
    if not np.isfinite(block_loss):
        raise ValueError(f"block loss: expected a finite number, got {block_loss}")
    low, high = monitor.loss_range
    outside = not low <= block_loss <= high
    block = state.blocks + 1
    returned = factors(monitor, np.float64(block_loss), thin=thin)
    capital = mixture.step(np.array(state.capital), block, returned)
    peak = max(state.peak, float(mixture.total(capital, block)))
    return RiskState(block, tuple(capital.tolist()), peak, state.clipped + outside)


def factors(monitor: RiskMonitor, block_losses: Floats | np.float64, *, thin: bool = False) -> Floats:
    """What each bet of FRACTIONS is multiplied by: (bets, ...) for `block_losses` of shape (...). Never
    negative. `thin`: without the floor.
    """
    low, high = monitor.loss_range
    floor = low if thin else monitor.floor
    surprise = (np.clip(block_losses, floor, high) - floor) / (monitor.bound - floor) - 1.0
    return np.asarray(1.0 + np.multiply.outer(FRACTIONS, surprise))


def evidence(state: RiskState) -> float:
    """The e-value now: 1 at the start, on average at most 1 while all is well, `threshold` at the alarm."""
    return float(mixture.total(np.array(state.capital), state.blocks))


def alarmed(monitor: RiskMonitor, state: RiskState) -> bool:
    """Whether the alarm has rung, now or before."""
    return state.peak >= monitor.threshold


def _source_bound(floored: Floats, low: float, high: float, alpha: float, method: SourceMethod) -> float:
    """Upper bound, error `alpha`, of the mean of independent blocks `floored` (n,) in [low, high]."""
    if method == "bounded":
        return low + (high - low) * betting.upper_bound((floored - low) / (high - low), alpha)
    needed = blocks_needed(alpha)
    if floored.size < needed:
        raise ValueError(f"source blocks: {floored.size} are too few to bound the risk, it takes {needed}")
    return min(high, typical_bounds(floored, alpha)[1])


def _source_losses(block_losses: ArrayLike, low: float, high: float) -> Floats:
    losses = finite_vector(block_losses, "source blocks")
    if losses.size == 0:
        raise ValueError("source blocks: there are none")
    if losses.min() < low or losses.max() > high:
        raise ValueError(f"source blocks: some are out of the range ({low}, {high}); clip them first")
    return losses
