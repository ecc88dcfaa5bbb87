"""From what was counted to a verdict a metric, under one error budget.

The budget is split evenly over the metrics that are judged, the split of the units among them. Of errors and slow answers two
questions share their part, for each alone is blind somewhere: the ratio of both rates (Lindon & Malek 2022) sees harm, but says
nothing where hardly any unit fails; the difference of the shares among first answers bounds harm, and needs no failure.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from noria.records.rollouts import GOOD, Firsts, Judged, Losses, Observed, RolloutPolicy, Standing, Verdict
from noria.rollout.copies import may_turn_to_copies
from noria.rollout.standby import may_stand_by
from noria.rollout.units import within_reach
from noria.statistics import Stretch, compare, compare_rates, distance, share_bounds
from noria.statistics.paired import Comparison, verdict_of
from noria.statistics.rates import rate_verdict, split_log_evidence

_SIDE = 0.5  # of a metric's part of the budget: with a margin of 0 "worse" and "better" may both be wrong
_UNITS = 0.1  # of a side of the losses' part: for which units came to which version
_EVEN = 0.5  # of a unit that only one of both versions failed at, on copies of the same requests
_LARGEST = 700.0  # exp of it is a number still
_FURTHEST = 1_000.0  # times the units so far; beyond, "how many more" is no answer


def judge(policy: RolloutPolicy, seen: Observed) -> Judged:
    """All verdicts at one look. Valid however often it is called, as the units come to the versions by chance."""
    alpha = part_of(policy)
    standings = [_events("errors", policy, seen, alpha)]
    if policy.latency_ms is not None:
        standings.append(_events("slow", policy, seen, alpha))
    if policy.predictions is not None:
        standings.append(_predictions(policy.predictions, seen, alpha))
    if policy.quality is not None:
        standings.append(_quality(policy.quality, seen, alpha))
    return Judged(
        standings=within_reach(standings, seen),
        split=_split(seen),
        split_alpha=alpha,
        rate=seen.rate,
        here=seen.here[0],
        wanted=policy.units,
        labelled=seen.losses.labelled,
        waiting=seen.losses.waiting,
        took=seen.took,
        came=seen.came,
    )


def metrics_of(policy: RolloutPolicy) -> tuple[str, ...]:
    """What shares the error budget."""
    limits = {"slow": policy.latency_ms, "predictions": policy.predictions, "quality": policy.quality}
    return ("split", "errors", *(name for name, limit in limits.items() if limit is not None))


def part_of(policy: RolloutPolicy) -> float:
    """A metric's part of the error budget; of a canary that may go on as a shadow, and of a blue-green whose predecessor stands
    by, in each of both."""
    twice = may_turn_to_copies(policy) or may_stand_by(policy)
    return policy.false_alarm / len(metrics_of(policy)) / (2.0 if twice else 1.0)


def missing(policy: RolloutPolicy, judged: Judged) -> list[Standing]:
    """The metrics that keep it from being promoted. Those of labels only where the policy waits for them."""
    later = policy.labels == "later"
    return [
        one for one in judged.standings if one.verdict not in GOOD and not (later and one.metric == "quality")
    ]


def worse(judged: Judged) -> list[Standing]:
    return [one for one in judged.standings if one.verdict == "worse"]


def _split(seen: Observed) -> float:
    """The e-value of all stretches in which both versions were to answer."""
    shared = [one for one in seen.counted if 0.0 < one.share < 1.0]
    logs = (float(split_log_evidence(one.units, (one.share, 1.0 - one.share))) for one in shared)
    return math.exp(min(sum(logs), _LARGEST))


def _events(metric: str, policy: RolloutPolicy, seen: Observed, alpha: float) -> Standing:
    """ "worse" is the ratio's to say; "not worse" is said by the one or the other."""
    stretches, trials = _stretches(metric, seen), _trials(metric, seen)
    ratio = compare_rates(stretches, margin=policy.ratio, alpha=alpha / 2.0)
    lower, upper = difference_bounds(trials, alpha / 2.0)
    bounded = upper < policy.margin and ratio.verdict == "undecided"
    by_ratio = ratio.verdict != "undecided" and not bounded
    verdict: Verdict = "not worse" if bounded else ratio.verdict
    return Standing(
        metric=metric,
        verdict=verdict,
        measure="ratio" if by_ratio else "difference",
        estimate=ratio.estimate if by_ratio else _estimated(trials),
        lower=ratio.lower if by_ratio else lower,
        upper=_finite(ratio.upper) if by_ratio else upper,
        limit=policy.ratio if by_ratio else policy.margin,
        alpha=alpha,
        e_value=ratio.e_value,
        units=(trials[0][1], trials[1][1]),
        events=(sum(one.challenger for one in stretches), sum(one.champion for one in stretches)),
        needed=_needed(policy, stretches, trials, alpha / 2.0) if verdict == "undecided" else None,
    )


_Trials = tuple[tuple[int, int], tuple[int, int]]


def _stretches(metric: str, seen: Observed) -> list[Stretch]:
    """Units with their first such event, of each stretch in which both versions were to answer. On copies of the same
    requests, a unit that only one version fails at is either's with the same chance."""
    counts = [(one.failed if metric == "errors" else one.slow, one.share) for one in seen.counted]
    return [Stretch(x, y, share or _EVEN) for (x, y), share in counts if share < 1.0]


def _trials(metric: str, seen: Observed) -> _Trials:
    """Events and trials among the first answers: the challenger's, the champion's."""

    def of(firsts: Firsts) -> tuple[int, int]:
        return (firsts.failed if metric == "errors" else firsts.slow, firsts.units)

    return of(seen.challenger), of(seen.champion)


def difference_bounds(trials: _Trials, alpha: float) -> tuple[float, float]:
    """Of the challenger's share minus the champion's."""
    (low, high), (below, above) = (share_bounds(*each, alpha=alpha / 2.0) for each in trials)
    return low - above, high - below


def _estimated(trials: _Trials) -> float | None:
    (x, n), (y, m) = trials
    return x / n - y / m if n and m else None


def _needed(policy: RolloutPolicy, stretches: list[Stretch], trials: _Trials, alpha: float) -> int | None:
    """More first answers of the challenger until either question decides, if all goes on as it did."""

    def decides(times: float) -> bool:
        grown = [
            Stretch(round(each.challenger * times), round(each.champion * times), each.share)
            for each in stretches
        ]
        (x, n), (y, m) = trials
        more_trials = (round(x * times), round(n * times)), (round(y * times), round(m * times))
        return (
            rate_verdict(grown, margin=policy.ratio, alpha=alpha) != "undecided"
            or difference_bounds(more_trials, alpha)[1] < policy.margin
        )

    return more(trials[0][1], decides)


def more(units: int, decides: Callable[[float], bool]) -> int | None:
    """How many more of so many units, when a verdict comes with `times` as many; None out of sight."""
    if not units or not decides(_FURTHEST):
        return None
    few, many = 1.0, _FURTHEST
    while many / few > 1.02:  # two in a hundred: it is a forecast
        middle = math.sqrt(few * many)
        few, many = (few, middle) if decides(middle) else (middle, many)
    return max(1, math.ceil(units * (many - 1.0)))


def _predictions(limit: float, seen: Observed, alpha: float) -> Standing:
    found = distance(seen.answers, alpha=alpha)
    units = (sum(one for one, _ in seen.answers), sum(other for _, other in seen.answers))

    def decides(times: float) -> bool:
        grown = distance([(round(x * times), round(y * times)) for x, y in seen.answers], alpha=alpha)
        return grown.lower > limit or grown.upper < limit

    verdict: Verdict = "worse" if found.lower > limit else "not worse" if found.upper < limit else "undecided"
    return Standing(
        metric="predictions",
        verdict=verdict,
        measure="distance",
        estimate=found.estimate if min(units) else None,
        lower=found.lower,
        upper=found.upper,
        limit=limit,
        alpha=alpha,
        e_value=None,
        units=units,
        needed=more(units[0], decides) if verdict == "undecided" else None,
    )


def _quality(margin: float, seen: Observed, alpha: float) -> Standing:
    losses = seen.losses
    if not losses.differences:
        return Standing(
            metric="quality",
            verdict="undecided",
            measure="loss",
            estimate=None,
            lower=None,
            upper=None,
            limit=margin,
            alpha=alpha,
            e_value=None,
            units=(0, 0),
        )
    side, differences = alpha * _SIDE, len(losses.differences)
    found = _compared(losses, margin, side * (1.0 - _UNITS))
    apart = unit_radius(losses.spread, losses.freedom, side * _UNITS)
    lower, upper = found.lower - apart, found.upper + apart
    needed = found.needed
    if apart > 0.0:  # so much nearer the interval of the differences has to come
        nearer = margin - apart
        needed = _compared(losses, nearer, side * (1.0 - _UNITS)).needed if nearer >= 0.0 else None
    verdict = verdict_of(lower, upper, margin)
    return Standing(
        metric="quality",
        verdict=verdict,
        measure="loss",
        estimate=found.estimate,
        lower=_finite(lower),
        upper=_finite(upper),
        limit=margin,
        alpha=alpha,
        e_value=found.e_value,
        units=(differences, differences),
        needed=needed if verdict == "undecided" else None,
        apart=_finite(apart),
    )


def _compared(losses: Losses, margin: float, alpha: float) -> Comparison:
    return compare(losses.differences, margin=margin, width=losses.width, alpha=alpha, method="symmetric")


def unit_radius(spread: float, freedom: float, alpha: float) -> float:
    """How far apart two versions that are alike may lie because of which units came to which, with probability alpha a side: no
    more differences tell, only more units (`noria.statistics.unit_spread`). By the bound of a normal tail, of which the variance
    is known by so many degrees of freedom; its slack beside Student's quantile is for the looks at which the units become more."""
    if not spread or not math.isfinite(spread):
        return spread
    return spread * math.sqrt(freedom * math.expm1(2.0 * math.log(1.0 / alpha) / (freedom + 1.0)))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
