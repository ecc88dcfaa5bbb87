"""Decisions with a guarantee: has the model become worse, and is the candidate no worse than the champion?

In come numpy arrays: event times, losses of rows, mean losses of blocks, paired differences of blocks.
Out go frozen values (block means, a monitor's state and evidence, a comparison with its verdict, interval and
assumption), and each bound on a false decision is one that `tests/property` checks by simulation.
It refuses to know models, versions, stores, clocks or any other part of Noria, and raises only `ValueError`.
"""

from noria.statistics.blocks import Blocks, Clipped, LossRange, block_means, block_width, clip_losses
from noria.statistics.distance import Distance, band, distance
from noria.statistics.paired import METHODS, Comparison, Method, Verdict, compare
from noria.statistics.rates import RateComparison, RateVerdict, Stretch, compare_rates, split_evidence
from noria.statistics.risk import RiskMonitor, RiskState, SourceMethod, advance, alarmed, evidence
from noria.statistics.running import RunningRisk, running_risk
from noria.statistics.shares import share_bounds
from noria.statistics.symmetric import blocks_needed

__all__ = [
    "METHODS",
    "Blocks",
    "Clipped",
    "Comparison",
    "Distance",
    "LossRange",
    "Method",
    "RateComparison",
    "RateVerdict",
    "RiskMonitor",
    "RiskState",
    "RunningRisk",
    "SourceMethod",
    "Stretch",
    "Verdict",
    "advance",
    "alarmed",
    "band",
    "block_means",
    "block_width",
    "blocks_needed",
    "clip_losses",
    "compare",
    "compare_rates",
    "distance",
    "evidence",
    "running_risk",
    "share_bounds",
    "split_evidence",
]
