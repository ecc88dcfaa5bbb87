"""Drift of features and answers: a pure step from one block's counts to the tests' next state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from noria.monitor.quality import rescaled
from noria.records.monitoring import Alarm
from noria.records.sights import ColumnSeen, ColumnSpec, Evidence, Sight

if TYPE_CHECKING:
    import numpy as np

    from noria.statistics import BlockCounts, Column, DriftReference, DriftState

BLOCK_ROWS = 200  # rows of a block that are looked at, at most: quieter days than those of the training data count, too
DRIFT, PREDICTION = "drift", "prediction"  # the monitors' names in alarms
MOVED = {
    "location": "its values lie higher or lower",
    "shape": "its values lie further apart or closer together, or some are new",
    "missing": "another share of it is missing",
    "distance": "its distribution has another form",
}


def reference_of(
    columns: Mapping[str, Column],
    blocks: np.ndarray,
    strata: np.ndarray | None = None,
    *,
    false_alarm: float,
    tolerance: float,
    seed: int,
) -> DriftReference:
    """What later blocks are ranked among. Raises ValueError for what is no reference: one block, no row."""
    import numpy as np

    from noria.statistics import drift_reference

    _, sizes = np.unique(blocks, return_counts=True)
    rows = int(np.clip(np.median(sizes) / 2, 1, BLOCK_ROWS)) if sizes.size else 1
    return drift_reference(
        columns,
        blocks=blocks,
        strata=strata,
        false_alarm=false_alarm,
        tolerance=tolerance,
        block_rows=rows,
        seed=seed,
    )


def advanced(reference: DriftReference, state: DriftState, counts: BlockCounts) -> DriftState:
    """The state after blocks that are complete, each once."""
    from noria.statistics import advance_drift

    return advance_drift(reference, state, reference.summarise(counts))


def evidence_of(reference: DriftReference, state: DriftState) -> dict[str, Evidence]:
    """Each feature's test as it stands."""
    from noria.statistics import drift_evidence

    found = drift_evidence(reference, state)
    return {
        name: Evidence(
            e_value=float(found.now[at]),
            peak=float(found.peak[at]),
            threshold=float(found.threshold),
            moved=found.summary[at],
            distance=float(found.distance[at]),
            proved=float(found.proved[at]),
            proof=float(found.proof) if reference.tolerance else 0.0,
        )
        for at, name in enumerate(found.features)
    }


def rung(one: Evidence) -> bool:
    """Whether it has alarmed, now or before."""
    return one.peak >= one.threshold and one.proved >= one.proof


def drift_alarms(
    sight: Sight, before: Sight | None, specs: Mapping[str, ColumnSpec], now: datetime
) -> list[Alarm]:
    """An alarm for each test that this block made ring."""
    found: list[Alarm] = []
    for monitor, tests in ((DRIFT, sight.drift), (PREDICTION, sight.prediction)):
        earlier: dict[str, Evidence] = {} if before is None else getattr(before, monitor)
        for name, one in tests.items():
            if rung(one) and not (name in earlier and rung(earlier[name])):
                found.append(_alarm(sight, monitor, name, one, specs.get(name), now))
    return found


def _alarm(
    sight: Sight, monitor: str, name: str, one: Evidence, spec: ColumnSpec | None, now: datetime
) -> Alarm:
    what = "feature" if monitor == DRIFT else "answer"
    figures: dict[str, Any] = {"distance": one.distance, "moved": one.moved}
    beyond = ""
    if one.proof:
        figures |= {"proved": one.proved, "proof": one.proof}
        beyond = ", by more than is tolerated"
    return Alarm(
        model=sight.model,
        version=sight.version,
        monitor=monitor,
        subject=name,
        raised=now,
        block=sight.start,
        e_value=one.peak,
        threshold=one.threshold,
        risk=0.0,
        bound=0.0,
        severity="warning",
        why=(
            f"the {what} {name} is not distributed as in training{beyond}: evidence {one.peak:.3g} reached {one.threshold:.3g}, "
            f"{one.moved} moved most, and the newest half of the blocks is {one.distance:.2g} away"
        ),
        cause=suspicion(name, one, spec, sight.columns.get(name)),
        action=f"see how it moved: noria monitor {sight.model}; if the world has changed, train anew: noria run {sight.model}",
        figures=figures,
    )


def suspicion(name: str, one: Evidence, spec: ColumnSpec | None, seen: ColumnSeen | None) -> str:
    """The likeliest story of a change, by what the last block shows."""
    if spec is not None and seen is not None:
        if one.moved == "missing" and seen.missing > spec.missing:
            return f"{name} is missing in {seen.missing:.1%} of the last rows, and was in {spec.missing:.1%}"
        if seen.unknown > 0:
            return f"{name} has categories that training had not seen, in {seen.unknown:.1%} of the last rows"
        unit = rescaled(name, spec.mean, seen.mean)
        if unit:
            return unit
    return f"{name}: {MOVED[one.moved]}"
