"""Is what a version is asked still like what it was trained on? An alarm, false with probability at most a, ever.

Each unit's summaries are ranked among those of the reference *and of all earlier units*, ties broken by chance:

    p_t = (#{s < s_t} + U_t (1 + #{s = s_t})) / (1 + #all).

As long as units are exchangeable the p_t are independent and uniform, exactly, for any distribution and any size of the
reference: a conformal test martingale (Vovk et al., "Retrain or not retrain", COPA 2021). Bets on high and on low ranks,
begun at an unknown time (`mixture`), are the evidence. Ranked against the reference alone they would not be independent; and
the chance cannot be averaged out either, though it looks free: the average is a martingale in no filtration that an alarm
could look at (docs/decisions/0027).

A tolerance above 0 asks for a second proof before the alarm: that the units lie beyond the reference *by more than the
tolerance*. A mean of a function of the row moves by at most the function's variation times the distance between the
distributions, so a unit of a distribution within the tolerance, moved back by as much, is taken to be stochastically no larger
than one of the reference (what chance adds to few rows may scatter a little otherwise). Such ranks are taken against the
reference alone, so each bet pays for what n units leave open about it (`drift_bets.fair_prices`), and what happened since
cannot hide a change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noria.statistics.arrays import Floats, Whole
from noria.statistics.drift_bets import fair_prices, row_bets
from noria.statistics.drift_counting import OpenUnits
from noria.statistics.drift_reference import CODES, GROUPS, VARIATION, DriftReference, Summaries
from noria.statistics.exact import pack, unpack

Codes = NDArray[np.uint8]

CEILING = 1e120  # of a capital: times the largest return of as many units, 1e176, it is a number still
TOGETHER = 64  # units ranked at once in row mode: each is compared with each


@dataclass(frozen=True, slots=True, eq=False)
class DriftState:
    """What has been seen since the version went live; `DriftState.first(reference)` is the first day."""

    steps: int  # blocks; in row mode calls with a whole unit
    units: int
    thin: int  # blocks left out for want of rows
    seen: Whole  # (strata, features, s, CODES): later units with each code
    capital: Floats  # (2 bets, features, s): bets on high ranks, then on low ones
    proof: Floats  # the same, against a change within the tolerance
    peak: Floats  # (features, s): highest evidence so far; an alarm, once rung, stays
    proved: Floats  # (features, s): highest proof so far, of either direction
    windows: Whole  # (w, features, GROUPS): rows since step 1, 2, 4, 8 ...
    open: OpenUnits | None  # row mode: rows that wait for more

    @classmethod
    def first(cls, reference: DriftReference) -> DriftState:
        """Before any row."""
        features, s, bets = len(reference.features), reference.summaries, len(reference.bets)
        return cls(
            steps=0,
            units=0,
            thin=0,
            seen=np.zeros((len(reference.pool), features, s, CODES), np.int64),
            capital=np.zeros((2 * bets, features, s)),
            proof=np.zeros((2 * bets, features, s)),
            peak=np.ones((features, s)),
            proved=np.ones((features, s)),
            windows=np.zeros((0, features, GROUPS), np.int64),
            open=None if reference.by_block else OpenUnits.none(features),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, to the last bit."""
        fields: dict[str, Any] = {name: pack(getattr(self, name)) for name in _ARRAYS}
        rows = self.open
        left = None if rows is None else {name: pack(getattr(rows, name)) for name in _OPEN}
        counts = {"steps": self.steps, "units": self.units, "thin": self.thin}
        return fields | counts | {"open": left}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> DriftState:
        """The state that `to_dict` wrote. KeyError or ValueError for anything else."""
        left = fields["open"]
        arrays = {name: unpack(fields[name]) for name in _ARRAYS}
        if left is not None and len(arrays["capital"]) != 2 * len(row_bets()):
            raise ValueError(
                "drift state: its bets on rows are laid no more; begin anew with DriftState.first(reference)"
            )
        return cls(
            steps=int(fields["steps"]),
            units=int(fields["units"]),
            thin=int(fields["thin"]),
            open=None if left is None else OpenUnits(**{name: unpack(left[name]) for name in _OPEN}),
            **arrays,
        )


_ARRAYS = ("seen", "capital", "proof", "peak", "proved", "windows")
_OPEN = ("strata", "rows", "sums")


def advance_drift(reference: DriftReference, state: DriftState, summaries: Summaries) -> DriftState:
    """The state after more units, each once, in order of time: a block a step, or all units of a call in row mode.

    Which units come must not depend on what is in them: a block is closed by its age.
    """
    watch = _Watch(reference, state)
    if reference.by_block:
        for at in range(len(summaries)):
            watch.step(summaries, slice(at, at + 1), summaries.groups[at])
    else:
        watch.step(summaries, slice(0, len(summaries)), summaries.groups[0])
    return watch.state(state.thin + summaries.thin, summaries.open)


class _Watch:
    """A state while it advances: arrays of its own, changed in place."""

    def __init__(self, reference: DriftReference, state: DriftState) -> None:
        self.reference, self.bets = reference, reference.bets
        self.steps, self.units = state.steps, state.units
        self.windows = state.windows.copy()
        self.capital, self.proof = state.capital.copy(), state.proof.copy()
        self.peak, self.proved = state.peak.copy(), state.proved.copy()
        self.prices = _prices(reference)
        self.known = reference.pool[:, :, : reference.summaries]
        self.all = self.known + state.seen

    def state(self, thin: int, left: OpenUnits | None) -> DriftState:
        return DriftState(
            steps=self.steps,
            units=self.units,
            thin=thin,
            seen=self.all - self.known,
            capital=self.capital,
            proof=self.proof,
            peak=self.peak,
            proved=self.proved,
            windows=self.windows,
            open=left,
        )

    def step(self, summaries: Summaries, units: slice, groups: Whole) -> None:
        """One step of the mixture: a stake, then the bets on each unit."""
        if units.stop > units.start:
            self.steps += 1
            if self.steps & (self.steps - 1) == 0:  # a power of two: a window begins
                self.windows = np.concatenate([self.windows, np.zeros((1, *groups.shape), np.int64)])
            stake = self.bets.stake(self.steps)
            self.capital += stake
            self.proof += stake
            for low in range(units.start, units.stop, TOGETHER):
                self.bet(summaries, slice(low, min(low + TOGETHER, units.stop)))
        self.windows += groups

    def bet(self, summaries: Summaries, units: slice) -> None:
        values, places = summaries.values[units, :, : self.reference.summaries], summaries.strata[units]
        codes = self.reference.codes(values)
        chance = _chance(self.reference.seed, self.units, codes.shape)
        high = np.empty(codes.shape)
        for place in np.unique(places):
            here = places == place
            high[here] = ranks(self.all[place], codes[here], chance[here])
            _add(self.all[place], codes[here])
        grown = _grown(self.capital, self.bets.both(high))
        np.maximum(self.peak, self.bets.total(grown, self.steps).max(axis=0), out=self.peak)
        self.capital = np.minimum(grown[:, -1], CEILING)
        if self.reference.tolerance:
            self.prove(values, places, chance)
        self.units += len(codes)

    def prove(self, values: Floats, places: Whole, chance: Floats) -> None:
        """Bets that the units lie beyond the reference though they are moved back by the tolerance."""
        room = self.reference.tolerance * VARIATION[: self.reference.summaries]
        high, low = np.empty(values.shape), np.empty(values.shape)
        for place in np.unique(places):
            here, pool = places == place, self.known[place]
            high[here] = ranks(pool, self.reference.codes(values[here] - room), chance[here], among=False)
            low[here] = ranks(pool, self.reference.codes(values[here] + room), chance[here], among=False)
        price = self.prices[places].T[:, :, None, None]
        n = len(self.bets)
        beyond = _grown(self.proof[:n], self.bets.returns(high) / price)
        short = _grown(self.proof[n:], self.bets.returns(1.0 - low) / price)
        for each in (beyond, short):
            np.maximum(self.proved, self.bets.total(each, self.steps).max(axis=0), out=self.proved)
        self.proof = np.minimum(np.concatenate([beyond[:, -1], short[:, -1]]), CEILING)


def evidence(reference: DriftReference, state: DriftState) -> Floats:
    """As it stands, (features, s): the average over bets in both directions, whose ranks are the same."""
    return reference.bets.total(state.capital, state.steps)


def ranks(pool: Whole, codes: Codes, chance: Floats, *, among: bool = True) -> Floats:
    """Conformal ranks (n, features, s) in (0, 1) of units with `codes`, in order of time, among the counts `pool`
    (features, s, CODES) and, if `among`, each among the earlier ones of them.
    """
    n = len(codes)
    flat, table = codes.reshape(n, -1), pool.reshape(-1, CODES)
    at = np.arange(len(table)) * CODES + flat
    same = table.ravel()[at]
    upto = np.cumsum(table, axis=1)
    below = upto.ravel()[at] - same
    total = upto[:, -1] + 1.0
    if among and n > 1:
        earlier = np.tri(n, n, -1, dtype=np.bool_).T[:, :, None]
        below += ((flat[:, None] < flat[None]) & earlier).sum(axis=0, dtype=np.uint8)
        same += ((flat[:, None] == flat[None]) & earlier).sum(axis=0, dtype=np.uint8)
        total = total + np.arange(n)[:, None]
    return np.asarray((below + chance.reshape(n, -1) * (same + 1.0)) / total).reshape(codes.shape)


def _chance(seed: int, units: int, shape: tuple[int, ...]) -> Floats:
    """Uniform numbers for units `units`, `units` + 1, ...: always the same for the same unit."""
    each = int(np.prod(shape[1:]))
    ticks = -(-each // 4)  # the generator makes four numbers a count
    source = np.random.Generator(np.random.Philox(key=seed, counter=units * ticks))
    return np.asarray(source.random((shape[0], ticks * 4))[:, :each].reshape(shape))


def _add(pool: Whole, codes: Codes) -> None:
    """Units with `codes` (n, features, s), to the counts `pool` (features, s, CODES)."""
    flat = codes.reshape(len(codes), -1)
    np.add.at(pool.reshape(-1), (np.arange(flat.shape[1]) * CODES + flat).ravel(), 1)


def _grown(capital: Floats, returns: Floats) -> Floats:
    """`capital` (bets, features, s) times `returns` (bets, n, features, s), unit after unit: as it is after each of them, so that
    an alarm is not missed between two looks. `returns` is overwritten.
    """
    returns[:, 0] *= capital
    return np.asarray(np.multiply.accumulate(returns, axis=1, out=returns))


def _prices(reference: DriftReference) -> Floats:
    """Fair prices (strata, bets)."""
    bets = reference.bets
    if not reference.tolerance:
        return np.ones((len(reference.pool), len(bets)))
    return np.array([fair_prices(bets, int(units), reference.price_error) for units in reference.units])
