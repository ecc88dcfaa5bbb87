"""The champion's risk as labels mature: a pure step from one matured block to the next state."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from noria.records.monitoring import Alarm, Block, RiskState
from noria.records.policy import MonitorPolicy
from noria.records.versions import Version

if TYPE_CHECKING:
    import numpy as np

RISK = "risk"  # the monitor's name in alarms


def begin(
    version: Version, reference: np.ndarray, policy: MonitorPolicy, *, false_alarm: float, usual: float = 0.0
) -> RiskState:
    """The state on a version's first day. `reference`: mean losses (n,) of its holdout's blocks; `false_alarm`: the chance
    that this monitor may ring falsely in the version's life; `usual`: rows of the median of those blocks.

    With too few blocks for the symmetric bound, or without a loss in any, the bounded one is taken, which assumes less and hears less; the
    state says which, and whether the monitor is deaf.
    """
    from noria.statistics import RiskMonitor, blocks_needed
    from noria.statistics import RiskState as Test

    if version.quality is None:
        raise ValueError(f"{version.name} has no loss to watch")
    enough = len(reference) >= blocks_needed(false_alarm / 2)
    low = version.quality.range[0]
    monitor = RiskMonitor.from_source(
        reference,
        loss_range=version.quality.range,
        tolerance=policy.tolerance,
        false_alarm=false_alarm,
        method="bounded" if not enough or spotless(reference, low, policy.tolerance) else "symmetric",
    )
    return RiskState(
        model=version.model,
        version=version.number,
        bound=monitor.bound,
        threshold=monitor.threshold,
        e_value=1.0,
        evidence={"monitor": monitor.to_dict(), "state": Test().to_dict()},
        assumption=monitor.assumption,
        deaf=monitor.deaf,
        usual=usual,
    )


def spotless(reference: np.ndarray, low: float, tolerance: float) -> bool:
    """Whether no block had any loss, and none is tolerated: that some blocks had none does not bound the risk at none, as the
    symmetric bound would have it."""
    return tolerance == 0.0 and bool((reference <= low).all())


def step(
    state: RiskState, block: Block, units: Sequence[float], now: datetime
) -> tuple[RiskState, Alarm | None]:
    """The state after a matured block, and the alarm if this block raised it; a version has one at most.

    `units`: what counts as evidence, in order of time: the block's mean loss, or each row's with `block = "row"`;
    empty for a block without labels, which moves the time and nothing else.
    """
    from noria.statistics import RiskMonitor, advance, alarmed, evidence, is_thin
    from noria.statistics import RiskState as Test

    if not units:
        return _moved(state, block), None
    monitor = RiskMonitor.from_dict(state.evidence["monitor"])  # type: ignore[arg-type]
    before = Test.from_dict(state.evidence["state"])  # type: ignore[arg-type]
    after = before
    for loss in units:
        after = advance(monitor, after, loss, thin=is_thin(block.labelled, state.usual))
    moved = _moved(
        state,
        block,
        blocks=state.blocks + len(units),
        e_value=evidence(after),
        evidence={"monitor": state.evidence["monitor"], "state": after.to_dict()},
    )
    rings = alarmed(monitor, after) and not alarmed(monitor, before)
    return moved, _alarm(moved, block, now) if rings else None


def _moved(state: RiskState, block: Block, **changes: object) -> RiskState:
    import msgspec

    return msgspec.structs.replace(state, scored_until=block.end, **changes)


def _alarm(state: RiskState, block: Block, now: datetime) -> Alarm:
    return Alarm(
        model=state.model,
        version=state.version,
        monitor=RISK,
        raised=now,
        block=block.start,
        e_value=state.e_value,
        threshold=state.threshold,
        risk=block.loss or 0.0,
        bound=state.bound,
        why=(
            f"the risk of {state.model}:{state.version} is over {state.bound:.4g}: evidence {state.e_value:.3g} after "
            f"{state.blocks} blocks reached {state.threshold:.3g}; the last block's loss is {block.loss or 0.0:.4g}"
        ),
        cause="what the model learnt does not hold any more, or its inputs have changed",
        action=f"see which features and segments moved, then train anew: noria monitor {state.model}; noria run {state.model}",
        figures={"blocks": state.blocks, "labelled": block.labelled, "predictions": block.predictions},
    )
