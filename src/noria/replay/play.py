"""Playing history through a live service: questions, labels, and a turn of the loop, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from noria.app.watch import Watch, Watched
from noria.control.loop import Turn, turn
from noria.ports.clock import VirtualClock
from noria.replay.client import Client
from noria.replay.history import Day, History

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.pipeline.drive import Listener


@dataclass
class Played:
    """What a replay came to."""

    questions: int = 0
    labels: int = 0
    requests: int = 0
    turns: list[tuple[datetime, Turn]] = field(default_factory=list)
    """Those at which something was decided: an alarm, a run."""
    swaps: list[float] = field(default_factory=list)
    """Seconds from each promotion until the service answered as the new version."""


def play(
    app: App,
    clock: VirtualClock,
    model: str,
    history: History,
    client: Client,
    *,
    until: datetime,
    listener: Listener,
    step: timedelta = timedelta(days=1),
    on_watched: Callable[[Watched], None],
    on_step: Callable[[Day, Turn], None],
) -> Played:
    """Play from the clock's time to `until`. The service answers every question before the clock moves on; labels
    arrive in the step in which they became known; then the loop takes one turn, with production's own code."""
    played = Played()
    with Watch(app, model) as watch:
        for day in history.days(clock.now(), until, step):
            for rows in history.requests(day):
                played.questions += len(client.predict(rows)["predictions"])
            labels = history.feedback(day)
            if labels:
                client.feedback(labels)
            played.labels += len(labels)
            clock.advance(day.end)
            took = turn(app, model, watch, listener, on_watched=on_watched)
            if took.watched.alarm or took.sighted.alarms or took.trained:
                played.turns.append((day.end, took))
            if took.trained and took.trained.moved and took.trained.version:
                played.swaps.append(client.wait_for(took.trained.version.number))
            on_step(day, took)
    played.requests = client.requests
    return played
