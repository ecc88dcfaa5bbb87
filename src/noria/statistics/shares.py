"""Which share of independent trials meets an event: an interval that holds at every look.

The mixture over a Beta(1/2, 1/2) prior,

    M(p) = B(x + 1/2, n - x + 1/2) / (B(1/2, 1/2) p^x (1 - p)^(n - x)),

is an e-process if the share is p (Robbins 1970; Ville's inequality), so that the p with M(p) < 1/a hold the true one at all
looks together with probability at least 1 - a. Without an event among n it ends near (log(1/a) + log(n) / 2) / n.
"""

from __future__ import annotations

import math

from noria.statistics.arrays import check_error_rate

_HALVINGS = 60  # of the unit interval: beyond what a float tells apart


def share_bounds(events: int, trials: int, *, alpha: float) -> tuple[float, float]:
    """Lower and upper bound of the share, both at once with probability at least 1 - alpha, at every look.

    ValueError for more events than trials, counts under 0, or a senseless alpha."""
    check_error_rate(alpha, "alpha")
    if not 0 <= events <= trials:
        raise ValueError(f"events: expected from 0 to the {trials} trials, got {events}")
    if trials == 0:
        return 0.0, 1.0
    room = -math.log(alpha) - _log_mixture(events, trials)
    best = events / trials
    lower = 0.0 if events == 0 else _edge(0.0, best, events, trials, room)
    upper = 1.0 if events == trials else _edge(1.0, best, events, trials, room)
    return lower, upper


def _log_mixture(events: int, trials: int) -> float:
    """Log of the numerator: what the prior makes of the events."""
    x, n = events + 0.5, trials + 1.0
    return math.lgamma(x) + math.lgamma(n - x) - math.lgamma(n) - math.log(math.pi)


def _edge(outside: float, inside: float, events: int, trials: int, room: float) -> float:
    """Where refuted shares end, between one that may be and one that is not."""
    for _ in range(_HALVINGS):
        middle = (outside + inside) / 2.0
        likelihood = events * math.log(middle) + (trials - events) * math.log1p(-middle)
        outside, inside = (middle, inside) if -likelihood >= room else (outside, middle)
    return outside
