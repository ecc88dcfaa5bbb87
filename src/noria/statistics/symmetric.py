"""Bounds on a centre of symmetry: exact at any number of blocks, for any tail, with no range and no variance.

Assumption of the whole module: block k is symmetric about the mean, given its size and all earlier blocks.
Then the sizes |y| tell nothing and the signs are fair coins. Normal blocks satisfy it, so do Student's t
and Cauchy blocks, of unequal spreads too; skewed ones do not, and `docs/statistics/paired.md` says by how much the
error grows with skewness.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from noria.statistics.arrays import Floats

EXACT = 14  # blocks up to which all 2^n - 1 subsets are listed; beyond, as many are drawn
SEED = 20_130_101  # of that draw: the same blocks always get the same bounds
MOST_SIGNS = (
    128  # beyond, neighbours flip together: still exact, and 10,000 blocks take no more memory than 128
)
BEYOND = (
    4  # means beyond an end, of subsets that are drawn for a smaller alpha: one would make a bound that jumps
)
FINEST = 2.0**-20  # the smallest alpha that has bounds: 4 million subsets, a second or two
BETS = np.array([0.4, 0.8, 1.6])  # root-mean-squares a block; 1.6 decides in 6 blocks, 0.4 sees half a sd
FADE = 14  # blocks after which bets shrink like 1/sqrt(k), so that mild skewness cannot win by persistence
MOST_MEANS = 1024  # beyond, neighbours of a fixed sample are one mean: as much evidence, and 200,000 rows take no minutes
_CHUNK = 2**12  # subsets at once: 4 MB at most, which a processor's cache holds
_CELLS = 2**17  # centres times blocks at once, for the same reason
_SCAN = 1024  # centres at which an interval is sought: ends are rounded out by 1/128 of the largest deviation


def blocks_needed(alpha: float) -> int:
    """The fewest blocks for which `typical_bounds` at error `alpha` is finite: 2^-n <= alpha. Under FINEST no number is
    enough.
    """
    return int(np.ceil(-np.log2(alpha)))


def typical_bounds(x: Floats, alpha: float) -> tuple[float, float]:
    """Lower and upper bound of the centre of `x` (n,), each with error `alpha`, for one look at a fixed n.

    The sign-flip test turned into an interval: the means of the non-empty subsets of a symmetric sample cut
    the line into intervals equally likely to hold the centre (Hartigan, JASA 1969). Infinite under
    `blocks_needed`, and for any `alpha` under FINEST.
    """
    lower, upper = typical_bounds_each(x[None, :], alpha)
    return float(lower[0]), float(upper[0])


def typical_bounds_each(x: Floats, alpha: float) -> tuple[Floats, Floats]:
    """`typical_bounds` of each row of `x` (m, n): shapes (m,)."""
    sums, counts = _runs(x)
    members = _subsets(counts.size)
    rank = _rank(alpha, len(members))
    if rank < 1:
        if counts.size <= EXACT or alpha < FINEST:
            return np.full(len(x), -np.inf), np.full(len(x), np.inf)
        return _finer(sums, counts, alpha)
    sizes = members @ counts
    ends = [np.partition((members @ each) / sizes, (rank - 1, len(members) - rank)) for each in sums]
    return np.array([each[rank - 1] for each in ends]), np.array([each[-rank] for each in ends])


def _rank(alpha: float, subsets: int) -> int:
    """Which of so many ordered means has error `alpha`; 0 where there are too few."""
    return int(np.floor(alpha * (subsets + 1) + 1e-9))


def _finer(sums: Floats, counts: Floats, alpha: float) -> tuple[Floats, Floats]:
    """Bounds for an `alpha` that the subsets at hand are too few for: of all 2^n, or of BEYOND / alpha that are drawn. An
    empty one, if it is drawn, is the sample as it stands, and takes a rank at both ends.
    """
    n, wanted = counts.size, int(np.ceil(BEYOND / alpha))
    total = min(2**n, wanted) - 1
    rank, empty = _rank(alpha, total), 0
    low, high = np.full((rank, len(sums)), np.inf), np.full((rank, len(sums)), -np.inf)
    for members in _listed(n) if 2**n <= wanted else _drawn(n, total):
        some = members[members.any(axis=1)]
        empty += len(members) - len(some)
        means = (some @ sums.T) / (some @ counts)[:, None]
        low = np.partition(np.concatenate([low, means]), rank - 1, axis=0)[:rank]
        high = np.partition(np.concatenate([high, means]), -rank, axis=0)[-rank:]
    if rank <= empty:
        return np.full(len(sums), -np.inf), np.full(len(sums), np.inf)
    return np.sort(low, axis=0)[rank - empty - 1], np.sort(high, axis=0)[empty - rank]


def _listed(n: int) -> Iterator[Floats]:
    """Members (1 or 0, by row) of all non-empty subsets of n, so many at a time."""
    for start in range(1, 2**n, _CHUNK):
        numbers = np.arange(start, min(start + _CHUNK, 2**n))
        yield ((numbers[:, None] >> np.arange(n)) & 1).astype(np.float64)


def _drawn(n: int, total: int) -> Iterator[Floats]:
    """Members of so many subsets of n, each as likely as any other, the empty one too."""
    random = np.random.default_rng(SEED)
    for start in range(0, total, _CHUNK):
        size = (min(_CHUNK, total - start), -(-n // 8))
        bits = np.unpackbits(random.integers(0, 256, size=size, dtype=np.uint8), axis=1)
        yield bits[:, :n].astype(np.float64)


def log_evidence(y: Floats) -> Floats:
    """Log e-value, after all of `y` (..., n), against "the centre is 0", betting on above; shape (...)."""
    return np.asarray(np.logaddexp.reduce(_gains(y).sum(axis=-1), axis=-1) - np.log(BETS.size))


def log_evidence_path(y: Floats) -> Floats:
    """`log_evidence` at every look: shape (..., n). Some entry reaches log(1/a) with probability at most a."""
    return np.asarray(np.logaddexp.reduce(np.cumsum(_gains(y), axis=-1), axis=-2) - np.log(BETS.size))


def composite_log_evidence(x: Floats, centre: float) -> float:
    """Log e-value against "the centre of `x` (n,) is at most `centre`": the least over a scan of those."""
    return float(_evidence_at(x, _scan(x, centre)).min())


def run_means(x: Floats) -> Floats:
    """At most MOST_MEANS means of neighbours in `x` (n,), symmetric about its centre as long as blocks are independent. For
    a fixed sample: of one that grows, each look would have other means."""
    if x.size <= MOST_MEANS:
        return x
    sums, counts = _runs(x[None, :], MOST_MEANS)
    return np.asarray(sums[0] / counts)


def anytime_lower_bound(x: Floats, alpha: float, least: float) -> float:
    """Lower bound of the centre of `x` (n,), error `alpha`, valid at every look; at worst `least`."""
    centres = _scan(x, float(x.mean()))  # falls from the mean to far below it
    kept = _evidence_at(x, centres) < -np.log(alpha)
    if kept[-1]:
        return least
    return max(least, float(centres[int(np.flatnonzero(kept)[-1]) + 1]))


def _evidence_at(x: Floats, centres: Floats) -> Floats:
    """`log_evidence` against each of the centres (m,): shape (m,)."""
    step = max(1, _CELLS // x.size)
    parts = [log_evidence(x - centres[at : at + step, None]) for at in range(0, centres.size, step)]
    return np.concatenate(parts)


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


def _runs(x: Floats, most: int = MOST_SIGNS) -> tuple[Floats, Floats]:
    """Sums and lengths of at most so many runs of neighbours in `x` (m, n), each of which flips its sign as one."""
    n = x.shape[-1]
    starts = np.unique(np.linspace(0, n, min(n, most), endpoint=False).astype(np.intp))
    return np.add.reduceat(x, starts, axis=-1), np.diff(np.append(starts, n)).astype(np.float64)


@lru_cache(maxsize=4)
def _subsets(n: int) -> Floats:
    """Members (1 or 0, by row) of subsets of n: all 2^n - 1 non-empty ones, or as many as of EXACT, drawn."""
    if n <= EXACT:
        members = (np.arange(1, 2**n)[:, None] >> np.arange(n)) & 1
    else:
        members = np.random.default_rng(SEED).integers(0, 2, size=(2**EXACT - 1, n))
        members = members[members.any(axis=1)]
    return members.astype(np.float64)
