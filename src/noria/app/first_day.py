"""The tests of a version's risk on its first day, out of its holdout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from noria.app.baseline import hidden
from noria.monitor.blocks import block_span
from noria.monitor.columns import block_numbers, kinds_of
from noria.monitor.risk import begin
from noria.monitor.segments import begin_segments
from noria.records.monitoring import Plan, RiskState, SegmentRisk
from noria.records.policy import ModelPolicy
from noria.records.versions import Version

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from noria.app.wiring import App


def begun(app: App, policy: ModelPolicy, version: Version, plan: Plan) -> RiskState:
    """The state before any block."""
    import polars as pl

    if version.quality is None or version.quality.losses is None:
        raise ValueError(f"{version.name} has no losses to take as its reference")
    losses = pl.DataFrame(app.artifacts.table(version.quality.losses))
    means, usual = _reference(losses, version, plan)
    state = begin(version, means, policy.monitor, false_alarm=plan.shares["risk"], usual=usual)
    return replace(state, segments=_segments(app, policy, version, losses, plan))


def _reference(losses: pl.DataFrame, version: Version, plan: Plan) -> tuple[np.ndarray, float]:
    """Mean losses of the blocks of the version's own holdout, and the rows of their median."""
    import numpy as np
    import polars as pl

    from noria.statistics import block_means

    each: np.ndarray = losses["loss"].to_numpy()
    if version.signature.time is None:
        return each, 1.0
    times = (
        losses[version.signature.time].cast(pl.Datetime("us", "UTC")).dt.replace_time_zone(None).to_numpy()
    )
    blocks = block_means(times, each, plan.block)
    return blocks.means, float(np.median(blocks.counts))


def _segments(
    app: App, policy: ModelPolicy, version: Version, losses: pl.DataFrame, plan: Plan
) -> tuple[SegmentRisk, ...]:
    """Of the holdout's rows, which the key finds in the training data; none without a key, a time or any error to spend."""
    import polars as pl

    signature, watched = version.signature, policy.monitor
    false_alarm = plan.shares.get("segments", 0.0)
    wanted = bool(watched.segments) or watched.search
    if (
        not wanted
        or not signature.key
        or signature.time is None
        or false_alarm <= 0
        or version.quality is None
    ):
        return ()
    if not {*signature.key} <= {*losses.columns}:
        return ()
    rows = pl.DataFrame(app.artifacts.table(version.rows))
    frame = losses.select(*signature.key, "loss").join(
        rows, on=signature.key, how="inner", maintain_order="left"
    )
    leave = {*signature.key, signature.time, *hidden(app.policy.service.log)}
    kinds = kinds_of(frame, [one.name for one in signature.request], leave)
    return begin_segments(
        frame,
        frame["loss"].to_numpy(),
        block_numbers(frame[signature.time], block_span(plan.block)),
        kinds,
        declared=watched.segments,
        search=watched.search,
        false_alarm=false_alarm,
        tolerance=watched.tolerance,
        loss_range=version.quality.range,
    )
