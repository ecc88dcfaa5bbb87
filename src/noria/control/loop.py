"""One turn of the loop for one model: score what has matured, decide, train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from noria.app.alarms.deliver import Delivered, deliver
from noria.app.alarms.standing import alarms_of
from noria.app.asking import Wish
from noria.app.open_run import Trained
from noria.app.sights import Sighted
from noria.app.train import train
from noria.app.watch import Watch, Watched
from noria.control.triggers import Wheel, due
from noria.errors import Conflict
from noria.records.runs import Trigger
from noria.registry.references import CHAMPION

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.pipeline.drive import Listener

CALLING = ("open", "acknowledged")  # an alarm that is muted or resolved trains nothing
BUSY = "RUN-BUSY"  # the code of the conflict when somebody else holds the model


@dataclass(frozen=True)
class Turn:
    """What one turn did."""

    watched: Watched
    trigger: Trigger | None
    """What is due; also when another process is at work on the model, so that nothing was trained here."""
    trained: Trained | None
    sighted: Sighted = field(default_factory=lambda: Sighted(None))
    """What was asked, before any label."""
    delivered: Delivered = field(default_factory=Delivered)
    """What was told of alarms."""


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

    Raises what `train` raises, but for a model that another process is at work on: what is due waits for a later
    turn. The run's record says what failed, and the next turn goes on.
    """
    try:
        sighted = _seen(watch, on_watched)
        watched = watch.look()
    finally:
        delivered = deliver(app)  # what an earlier look found is told, although this one failed
    on_watched(watched)
    wheel = _wheel(app, model)
    trigger = due(wheel, app.model(model).retrain, app.clock.now())
    if trigger is None:
        return Turn(watched=watched, trigger=None, trained=None, sighted=sighted, delivered=delivered)
    wish = Wish(
        trigger=trigger, afresh=trigger is not wheel.interrupted
    )  # a person's run is not ours to go on with
    trained = _trained(app, model, wish, listener)
    return Turn(watched=watched, trigger=trigger, trained=trained, sighted=sighted, delivered=delivered)


def _seen(watch: Watch, on_watched: Callable[[Watched], None]) -> Sighted:
    """Whatever becomes of it, the risk is watched beside it: what fails here fails at every turn until it is mended."""
    try:
        return watch.see()
    except Exception:  # of any kind: it is raised again
        on_watched(watch.look())
        raise


def _trained(app: App, model: str, wish: Wish, listener: Listener) -> Trained | None:
    """None when somebody else is at work on the model."""
    try:
        return train(app, model, wish, listener)
    except Conflict as error:
        if error.code != BUSY:
            raise
        return None


def _wheel(app: App, model: str) -> Wheel:
    champion = app.records.versions.aliases(model).get(CHAMPION)
    runs = app.records.runs.runs(model, last=1)
    left = app.records.runs.unfinished(model)
    standing = alarms_of(app, model).standing.values() if champion else ()
    calls = [one.alarm for one in standing if one.alarm.version == champion and one.state in CALLING]
    return Wheel(
        champion=champion,
        last_run=runs[0][0].started if runs else None,
        interrupted=left.asked.trigger if left else None,
        alarms=tuple(reversed(calls)),
    )
