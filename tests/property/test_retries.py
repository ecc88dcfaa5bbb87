"""Candidates that retry on the same holdout spend one error budget together."""

import numpy as np
from scipy.stats import beta

from noria.app.judging.shares import shared
from noria.records.gates import NoWorse
from noria.statistics import compare

STREAMS, RETRIES, BLOCKS, ALPHA = 600, 5, 14, 0.1


def passed_wrongly(alphas: list[float], streams: int = STREAMS) -> int:
    """Streams in which any of several candidates, each worse by exactly the margin, passes the gate."""
    random = np.random.default_rng(11)
    wrong = 0
    for _ in range(streams):
        common = random.normal(0, 0.5, BLOCKS)  # the same days judge them all
        trials = (0.5 + common + random.normal(0, 0.5, BLOCKS) for _ in alphas)
        wrong += any(
            compare(d, margin=0.5, width=100.0, alpha=alpha).verdict in ("better", "not worse")
            for d, alpha in zip(trials, alphas, strict=True)
        )
    return wrong


def test_together_they_pass_wrongly_no_more_often_than_one_may() -> None:
    gates = [shared(NoWorse(metric="loss", alpha=ALPHA), attempts=before) for before in range(RETRIES)]
    wrong = passed_wrongly([gate.alpha for gate in gates if isinstance(gate, NoWorse)])
    assert beta.ppf(0.001, wrong, STREAMS - wrong + 1) <= ALPHA


def test_without_sharing_they_would() -> None:
    few = STREAMS // 2  # what is far off shows in few, and fewer make it only harder to show
    wrong = passed_wrongly([ALPHA] * RETRIES, few)
    assert beta.ppf(0.001, wrong, few - wrong + 1) > ALPHA
