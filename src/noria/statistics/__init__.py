"""Decisions with a guarantee: is what a model is asked still like what it learned, has it become worse, and is the candidate
no worse than the champion?

In come numpy arrays: columns of rows, event times, losses of rows, mean losses of blocks, counts of events.
Out go frozen values (references, states and their evidence, comparisons with their verdict, interval and
assumption), and each bound on a false decision is one that `tests/property` checks by simulation.
It refuses to know models, versions, stores, clocks or any other part of Noria, and raises only `ValueError`.
"""

from noria.statistics.attribution import Attribution, CellPart, Cells, FeaturePart, attribute
from noria.statistics.bands import distribution_radius, quantile_band
from noria.statistics.blocks import Blocks, Clipped, LossRange, block_means, block_width, clip_losses
from noria.statistics.calibration import (
    Bin,
    Calibration,
    Reliability,
    ReliabilityBin,
    calibration,
    reliability,
)
from noria.statistics.distance import Distance, distance
from noria.statistics.drift import DriftState, advance_drift
from noria.statistics.drift_cells import Categories, Column
from noria.statistics.drift_counting import BlockCounts
from noria.statistics.drift_evidence import DriftEvidence, drift_evidence
from noria.statistics.drift_profile import drift_reference, hour_of_week
from noria.statistics.drift_reference import DriftReference, Summaries
from noria.statistics.first_events import NO_UNITS, Units, first_events
from noria.statistics.jackknife import Part
from noria.statistics.paired import METHODS, Comparison, Method, Verdict, compare
from noria.statistics.rates import RateComparison, RateVerdict, Stretch, compare_rates, split_evidence
from noria.statistics.renewal import RenewalState, false_alarm_within, renew
from noria.statistics.risk import (
    RiskMonitor,
    RiskState,
    SourceMethod,
    advance,
    alarmed,
    evidence,
    is_thin,
)
from noria.statistics.running import RunningRisk, running_risk
from noria.statistics.shares import share_bounds
from noria.statistics.symmetric import blocks_needed
from noria.statistics.unlabelled import Unlabelled, without_labels
from noria.statistics.unpaired import (
    BlockDifferences,
    UnpairedComparison,
    block_differences,
    compare_unpaired,
    even_differences,
    unit_spread,
)

__all__ = [
    "METHODS",
    "NO_UNITS",
    "Attribution",
    "Bin",
    "BlockCounts",
    "BlockDifferences",
    "Blocks",
    "Calibration",
    "Categories",
    "CellPart",
    "Cells",
    "Clipped",
    "Column",
    "Comparison",
    "Distance",
    "DriftEvidence",
    "DriftReference",
    "DriftState",
    "FeaturePart",
    "LossRange",
    "Method",
    "Part",
    "RateComparison",
    "RateVerdict",
    "Reliability",
    "ReliabilityBin",
    "RenewalState",
    "RiskMonitor",
    "RiskState",
    "RunningRisk",
    "SourceMethod",
    "Stretch",
    "Summaries",
    "Units",
    "Unlabelled",
    "UnpairedComparison",
    "Verdict",
    "advance",
    "advance_drift",
    "alarmed",
    "attribute",
    "block_differences",
    "block_means",
    "block_width",
    "blocks_needed",
    "calibration",
    "clip_losses",
    "compare",
    "compare_rates",
    "compare_unpaired",
    "distance",
    "distribution_radius",
    "drift_evidence",
    "drift_reference",
    "even_differences",
    "evidence",
    "false_alarm_within",
    "first_events",
    "hour_of_week",
    "is_thin",
    "quantile_band",
    "reliability",
    "renew",
    "running_risk",
    "share_bounds",
    "split_evidence",
    "unit_spread",
    "without_labels",
]
