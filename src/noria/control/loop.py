"""One turn of the loop for one model: score what has matured, decide, train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noria.app.train import Trained, Wish, train
from noria.app.watch import Watch, Watched
from noria.control.triggers import Wheel, due
from noria.records.runs import Trigger

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.pipeline.drive import Listener


@dataclass(frozen=True)
class Turn:
    """What one turn did."""

    watched: Watched
    trigger: Trigger | None
    trained: Trained | None


def turn(
    app: App,
    model: str,
    watch: Watch,
    listener: Listener,
    *,
    on_watched: Callable[[Watched], None] = lambda watched: None,
) -> Turn:
    """Look once, at the app's own time. Safe to repeat and to kill: everything it does is a durable verb.
    `on_watched` hears what the look found before a run begins.

    Raises what `train` raises; the run's record says what failed, and the next turn goes on.
    """
    watched = watch.look()
    on_watched(watched)
    trigger = due(_wheel(app, model), app.model(model).retrain, app.clock.now())
    trained = train(app, model, Wish(trigger=trigger), listener) if trigger else None
    return Turn(watched=watched, trigger=trigger, trained=trained)


def _wheel(app: App, model: str) -> Wheel:
    champion = app.records.versions.aliases(model).get("champion")
    runs = app.records.runs.runs(model, last=1)
    left = app.records.runs.unfinished(model)
    alarms = app.records.monitors.alarms(model, champion) if champion else ()
    return Wheel(
        champion=champion,
        last_run=runs[0][0].asked.as_of if runs else None,
        interrupted=left.asked.trigger if left else None,
        alarm=alarms[0] if alarms else None,
    )
