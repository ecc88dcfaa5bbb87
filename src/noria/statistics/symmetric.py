"""Bounds on a centre of symmetry: exact at any number of blocks, for any tail, with no range and no variance.

Assumption of the whole module: block k is symmetric about the mean, given its size and all earlier blocks.
Then the sizes |y| tell nothing and the signs are fair coins. Normal blocks satisfy it, so do Student's t
and Cauchy blocks, of unequal spreads too; skewed ones do not, and `docs/statistics/paired.md` says by how much the
error grows with skewness.
"""

from functools import lru_cache

import numpy as np

from noria.statistics.arrays import Floats

EXACT = 14  # blocks up to which all 2^n - 1 subsets are listed; beyond, as many are drawn
SEED = 20_130_101  # of that draw: the same blocks always get the same bounds
MOST_SIGNS = (
    128  # beyond, neighbours flip together: still exact, and 10,000 blocks take no more memory than 128
)
BETS = np.array([0.4, 0.8, 1.6])  # root-mean-squares a block; 1.6 decides in 6 blocks, 0.4 sees half a sd
FADE = 14  # blocks after which bets shrink like 1/sqrt(k), so that mild skewness cannot win by persistence
_SCAN = 1024  # centres at which an interval is sought: ends are rounded out by 1/128 of the largest deviation


def blocks_needed(alpha: float) -> int:
    """The fewest blocks for which `typical_bounds` at error `alpha` is finite: 2^-n <= alpha."""
    return int(np.ceil(-np.log2(alpha)))


def typical_bounds(x: Floats, alpha: float) -> tuple[float, float]:
    """Lower and upper bound of the centre of `x` (n,), each with error `alpha`, for one look at a fixed n.

    The sign-flip test turned into an interval: the means of the non-empty subsets of a symmetric sample cut
    the line into intervals equally likely to hold the centre (Hartigan, JASA 1969). Infinite under
    `blocks_needed`.
    """
    sums, counts = _runs(x)
    members = _subsets(sums.size)
    rank = int(np.floor(alpha * (len(members) + 1) + 1e-9))
    if rank < 1:
        return -np.inf, np.inf
    means = (members @ sums) / (members @ counts)
    ordered = np.partition(means, (rank - 1, len(means) - rank))
    return float(ordered[rank - 1]), float(ordered[len(means) - rank])


def log_evidence(y: Floats) -> Floats:
    """Log e-value, after all of `y` (..., n), against "the centre is 0", betting on above; shape (...)."""
    return np.asarray(np.logaddexp.reduce(_gains(y).sum(axis=-1), axis=-1) - np.log(BETS.size))


def log_evidence_path(y: Floats) -> Floats:
    """`log_evidence` at every look: shape (..., n). Some entry reaches log(1/a) with probability at most a."""
    return np.asarray(np.logaddexp.reduce(np.cumsum(_gains(y), axis=-1), axis=-2) - np.log(BETS.size))


def composite_log_evidence(x: Floats, centre: float) -> float:
    """Log e-value against "the centre of `x` (n,) is at most `centre`": the least over a scan of those."""
    return float(log_evidence(x - _scan(x, centre)[:, None]).min())


def anytime_lower_bound(x: Floats, alpha: float, least: float) -> float:
    """Lower bound of the centre of `x` (n,), error `alpha`, valid at every look; at worst `least`."""
    centres = _scan(x, float(x.mean()))  # falls from the mean to far below it
    kept = log_evidence(x - centres[:, None]) < -np.log(alpha)
    if kept[-1]:
        return least
    return max(least, float(centres[int(np.flatnonzero(kept)[-1]) + 1]))


def _gains(y: Floats) -> Floats:
    """Log gain of each bet at each of `y` (..., n): shape (..., bets, n).

    For symmetric y and any b that depends on the past and on |y|, E[2 / (1 + exp(-2 b y))] = 1: a coin whose
    face is known up to its sign. Here b = c / rms(y_1..y_k) for c in BETS, so no scale has to be known, and
    c fades after FADE blocks. It dominates exp(b y - b^2 y^2 / 2) (de la Pena 1999).
    """
    index = np.arange(1, y.shape[-1] + 1)
    spent = np.cumsum(y * y, axis=-1)
    scale = np.sqrt(index * np.minimum(1.0, FADE / index) / np.where(spent > 0.0, spent, 1.0))
    return np.asarray(np.log(2.0) - np.logaddexp(0.0, -2.0 * BETS[:, None] * (y * scale)[..., None, :]))


def _scan(x: Floats, start: float) -> Floats:
    """Centres from `start` down: evenly for eight spreads, and one from which all of `x` look equally far
    away.
    """
    spread = max(float(np.abs(x - x.mean()).max()), 1e-9 * abs(start), 1e-15)
    near = start - spread * np.linspace(0.0, 8.0, _SCAN)
    return np.append(near, near[-1] - 1e6 * spread)


def _runs(x: Floats) -> tuple[Floats, Floats]:
    """Sums and lengths of at most MOST_SIGNS runs of neighbours in `x`, each of which flips its sign as one."""
    starts = np.unique(np.linspace(0, x.size, min(x.size, MOST_SIGNS), endpoint=False).astype(np.intp))
    return np.add.reduceat(x, starts), np.diff(np.append(starts, x.size)).astype(np.float64)


@lru_cache(maxsize=4)
def _subsets(n: int) -> Floats:
    """Members (1 or 0, by row) of subsets of n: all 2^n - 1 non-empty ones, or as many as of EXACT, drawn."""
    if n <= EXACT:
        members = (np.arange(1, 2**n)[:, None] >> np.arange(n)) & 1
    else:
        members = np.random.default_rng(SEED).integers(0, 2, size=(2**EXACT - 1, n))
        members = members[members.any(axis=1)]
    return members.astype(np.float64)
