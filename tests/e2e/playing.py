"""`python playing.py PROJECT START UNTIL`: the demand project played on a virtual clock, told as lines of JSON."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path

from noria.app.asking import Wish
from noria.app.serve import serving
from noria.app.train import train
from noria.app.watch import Watched
from noria.app.wiring import open_app
from noria.control.loop import Turn
from noria.declare import resolve
from noria.graph.load import load_pipeline
from noria.pipeline.drive import Silent
from noria.ports.clock import VirtualClock
from noria.replay.client import Client
from noria.replay.compare import worth
from noria.replay.history import Day, History
from noria.replay.play import play


def tell(**what: object) -> None:
    print(json.dumps(what, default=str), flush=True)


def watched(found: Watched) -> None:
    if found.alarm:
        tell(alarm=found.alarm.id, raised=found.alarm.raised)


def stepped(day: Day, turn: Turn) -> None:
    if turn.trained:
        moved = turn.trained.moved
        tell(
            day=day.end,
            run=turn.trained.run.name,
            by=turn.trained.run.asked.trigger.kind,
            to=moved and moved.after,
        )


def main(folder: str, start: str, until: str) -> None:
    project = Path(folder)
    clock = VirtualClock(datetime.fromisoformat(start))
    end = datetime.fromisoformat(until)
    with open_app(project, clock=clock) as app:
        if not app.records.versions.aliases("demand"):
            train(app, "demand", Wish(), Silent())
        history = History(resolve(load_pipeline(project, "pipeline:demand")), end)
        with serving(app, "demand@champion", port=0) as service, Client(service.url, "demand") as client:
            tell(ready=service.pid)
            played = play(
                app,
                clock,
                "demand",
                history,
                client,
                until=end,
                listener=Silent(),
                on_watched=watched,
                on_step=stepped,
            )
        first = app.records.versions.version("demand", 1)
        assert first is not None
        result = worth(app, first, history, datetime.fromisoformat(start), end)
        tell(questions=played.questions, labels=played.labels, frozen=result.frozen, noria=result.noria)


if __name__ == "__main__":
    main(*sys.argv[1:])
