"""A bet that starts at an unknown time of change, in constant memory.

S_k = (S_{k-1} + w_k) f_k with w_k = 1 / (k (k+1)) is the capital, after block k, of a gambler who stakes
the share w_j of a unit at each block j and bets it on from there; what is not yet staked is 1 / (k+1). If
every factor has E[f_k | past] <= 1 and f_k >= 0, then E_k = mean over bets of S_k + 1 / (k+1) is a
non-negative supermartingale that starts at 1, so P(some E_k >= 1/a) <= a (Ville 1939). Against knowing the
time of change k it costs 2 log k nats.
"""

import numpy as np

from noria.statistics.arrays import Floats

CEILING = 1e300  # capital is cut here: a gambler may always burn money, and infinity is no number


def step(capital: Floats, block: int, factors: Floats) -> Floats:
    """Capital after block number `block` (from 1); `capital` and `factors` are (bets, ...streams)."""
    return np.minimum((capital + 1.0 / (block * (block + 1))) * factors, CEILING)


def total(capital: Floats, block: int) -> Floats:
    """E_k over the first axis (bets) of `capital`: shape (...)."""
    return np.asarray(capital.sum(axis=0) / len(capital) + 1.0 / (block + 1))
