"""What is blamed when the risk of a version rings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from noria.monitor.attribution import figures_of, sentences
from noria.records.attribution import Attribution
from noria.records.monitoring import Alarm, RiskState

if TYPE_CHECKING:
    from noria.app.wiring import App

NAMED = 3  # suspects that an alarm spells out
SOME = 10.0  # evidence of drift from which a feature is a suspect: one in ten has it by chance


def blamed(app: App, alarm: Alarm, state: RiskState, parts: Attribution) -> Alarm:
    """The alarm with its suspects: what its change of loss is made of, and the segments and the features with the most evidence by
    now. Suspects, no proof: a feature may drift without harm."""
    segments = sorted(state.segments, key=lambda one: one.e_value / one.threshold, reverse=True)
    worse = [
        f"{one.name} (loss {one.loss:.3g})" for one in segments if one.e_value > 1 and one.loss is not None
    ]
    sight = app.records.monitors.last_sight(state.model, state.version)
    drifts = sorted((sight.drift if sight else {}).items(), key=lambda item: item[1].share, reverse=True)
    moved = [f"{name} (distance {one.distance:.2g})" for name, one in drifts if one.peak > SOME]
    told = [
        *sentences(parts),
        f"worst where {', '.join(worse[:NAMED])}" if worse else "",
        f"its inputs have moved most in {', '.join(moved[:NAMED])}" if moved else "no input has moved much",
    ]
    figures = alarm.figures | {"attribution": figures_of(parts)}
    return replace(alarm, cause="; ".join(one for one in told if one), figures=figures)
