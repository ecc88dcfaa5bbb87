"""From the trials of a rollout to its counts: each unit once, where it first comes, first fails, is first slow."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING

from noria.app.rollouts.answers import CHALLENGER, FAILED, GIVEN, SLOW, STRETCH
from noria.ports.serving import TOOK
from noria.records.rollouts import Counted, Firsts, Losses, Observed, Quantile, Rollout
from noria.statistics.bands import quantile_bands

if TYPE_CHECKING:
    import polars as pl

LEVELS = (0.5, 0.95, 0.99)
ALPHA = 0.05  # of both versions' bands together
MS = 1_000.0  # in microseconds
BINS = 64  # of numbers: a distance between two distributions shows in far fewer


def observed(rollout: Rollout, trials: pl.DataFrame, losses: Losses, now: datetime) -> Observed:
    """All counts at one look. `trials`: as `Answers.read` gives them."""
    import polars as pl

    units = trials.unique("unit", keep="first", maintain_order=True)
    canary = rollout.policy.strategy == "canary"
    events = [_first(trials, name) if canary else _discordant(trials, name) for name in (FAILED, SLOW)]
    counted = tuple(
        Counted(
            share=one.share,
            units=_by_arm(units, at),
            failed=_by_arm(events[0], at),
            slow=_by_arm(events[1], at),
        )
        for at, one in enumerate(rollout.stretches)
    )
    firsts = trials.unique(["unit", CHALLENGER], keep="first", maintain_order=True)
    mine, own = firsts.filter(pl.col(CHALLENGER)), firsts.filter(~pl.col(CHALLENGER))
    here = _here(rollout, trials)
    return Observed(
        counted=counted,
        here=here,
        challenger=_firsts(mine),
        champion=_firsts(own),
        answers=_binned(mine, own) if rollout.policy.predictions is not None else (),
        losses=losses,
        took=(_took(mine), _took(own)),
        rate=_rate(rollout, here[0], now),
    )


def _first(trials: pl.DataFrame, event: str) -> pl.DataFrame:
    import polars as pl

    return trials.filter(pl.col(event)).unique("unit", keep="first", maintain_order=True)


def _discordant(trials: pl.DataFrame, event: str) -> pl.DataFrame:
    """Of copies of the same requests: units that one version alone fails at, and that both were asked about."""
    import polars as pl

    both = trials.group_by("unit").agg(pl.col(CHALLENGER).n_unique()).filter(pl.col(CHALLENGER) == 2)
    met = trials.filter(pl.col(event) & pl.col("unit").is_in(both["unit"].implode()))
    alone = met.group_by("unit").agg(pl.col(CHALLENGER).n_unique()).filter(pl.col(CHALLENGER) == 1)
    return _first(met.filter(pl.col("unit").is_in(alone["unit"].implode())), event)


def _by_arm(trials: pl.DataFrame, stretch: int) -> tuple[int, int]:
    import polars as pl

    arms = trials.filter(pl.col(STRETCH) == stretch)[CHALLENGER]
    mine = int(arms.sum())
    return mine, len(arms) - mine


def _here(rollout: Rollout, trials: pl.DataFrame) -> tuple[int, int]:
    """Units that came in the step that holds, also those that an earlier one knew."""
    import polars as pl

    if not rollout.stretches:
        return 0, 0
    step = rollout.stretches[-1].step
    places = [at for at, one in enumerate(rollout.stretches) if one.step == step]
    here = trials.filter(pl.col(STRETCH).is_in(places)).unique(["unit", CHALLENGER])
    mine = int(here[CHALLENGER].sum())
    return mine, here.height - mine


def _firsts(trials: pl.DataFrame) -> Firsts:
    return Firsts(units=trials.height, failed=int(trials[FAILED].sum()), slow=int(trials[SLOW].sum()))


def _took(firsts: pl.DataFrame) -> tuple[Quantile, ...]:
    """Quantiles of the first answers of a version's units, one each: draws that do not depend on one another."""
    import polars as pl

    times = firsts.filter(~pl.col(FAILED))[TOOK].drop_nulls().to_numpy() / MS
    if not times.size:
        return ()
    bands = quantile_bands(times, LEVELS, ALPHA / 2.0)
    return tuple(
        Quantile(
            level=level,
            estimate=estimate,
            lower=lower if math.isfinite(lower) else None,
            upper=upper if math.isfinite(upper) else None,
        )
        for level, (estimate, lower, upper) in zip(LEVELS, bands, strict=True)
    )


def _binned(mine: pl.DataFrame, own: pl.DataFrame) -> tuple[tuple[int, int], ...]:
    """First answers in bins of numbers, or by what was answered, in its order."""
    import polars as pl

    both = pl.concat([mine, own]).filter(~pl.col(FAILED) & pl.col(GIVEN).is_not_null())
    if not both.height:
        return ()
    numbers = both.with_columns(pl.col(GIVEN).cast(pl.Float64, strict=False).alias("number"))
    if numbers["number"].null_count() == 0:
        rank = numbers["number"].rank("max") / both.height * BINS
        both = both.with_columns(rank.ceil().cast(pl.Int64).alias("bin"))
    else:
        both = both.with_columns(pl.col(GIVEN).alias("bin"))
    counts = both.group_by("bin").agg(pl.col(CHALLENGER).sum().alias("mine"), pl.len().alias("all"))
    return tuple((mine, every - mine) for _, mine, every in counts.sort("bin").rows())


def _rate(rollout: Rollout, units: int, now: datetime) -> float:
    if not rollout.stretches or rollout.stretches[-1].until is not None:
        return 0.0
    seconds = (now - rollout.stretches[-1].since).total_seconds()
    return units / seconds if seconds > 0 else 0.0
