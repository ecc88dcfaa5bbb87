"""Decisions with a guarantee: has the model become worse, and is the candidate no worse than the champion?

In come numpy arrays: event times, losses of rows, mean losses of blocks, paired differences of blocks.
Out go frozen values (block means, a monitor's state and evidence, a comparison with its verdict, interval and
assumption), and each bound on a false decision is one that `tests/property` checks by simulation.
It refuses to know models, versions, stores, clocks or any other part of Noria, and raises only `ValueError`.
"""

from noria.statistics.blocks import Blocks, Clipped, LossRange, block_means, block_width, clip_losses
from noria.statistics.drift import DriftState, advance_drift
from noria.statistics.drift_cells import Categories, Column
from noria.statistics.drift_counting import BlockCounts
from noria.statistics.drift_evidence import DriftEvidence, drift_evidence
from noria.statistics.drift_profile import drift_reference, hour_of_week
from noria.statistics.drift_reference import DriftReference, Summaries
from noria.statistics.paired import METHODS, Comparison, Method, Verdict, compare
from noria.statistics.rates import RateComparison, RateVerdict, Stretch, compare_rates, split_evidence
from noria.statistics.risk import RiskMonitor, RiskState, SourceMethod, advance, alarmed, evidence
from noria.statistics.running import RunningRisk, running_risk
from noria.statistics.symmetric import blocks_needed

__all__ = [
    "METHODS",
    "BlockCounts",
    "Blocks",
    "Categories",
    "Clipped",
    "Column",
    "Comparison",
    "DriftEvidence",
    "DriftReference",
    "DriftState",
    "LossRange",
    "Method",
    "RateComparison",
    "RateVerdict",
    "RiskMonitor",
    "RiskState",
    "RunningRisk",
    "SourceMethod",
    "Stretch",
    "Summaries",
    "Verdict",
    "advance",
    "advance_drift",
    "alarmed",
    "block_means",
    "block_width",
    "blocks_needed",
    "clip_losses",
    "compare",
    "compare_rates",
    "drift_evidence",
    "drift_reference",
    "evidence",
    "hour_of_week",
    "running_risk",
    "split_evidence",
]
