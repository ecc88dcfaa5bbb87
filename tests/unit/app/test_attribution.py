"""What a champion's change of loss is made of, from its holdout, the log and the labels; the worker is a stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from noria.adapters.log_writer import LogWriter
from noria.app.attribution import attribution
from noria.app.monitors import monitors
from noria.app.watch import Watch
from noria.cli.monitor import monitor_lines
from noria.ports.serving import Answered
from noria.records.events import VersionRegistered
from noria.records.monitoring import NewFeedback
from noria.records.tasks import Scored, Task
from noria.records.versions import Quality, Version
from unit.app.stored import START, history, opened
from unit.app.test_watch import DAY, FIRST, Broken, Staffed, Worker, champion, later

ROWS, BEFORE, AFTER = 40, 20, 14  # a day; days
CARRIERS = np.array(["AA", "B6", "UA", "WN"])


class Scorer(Worker):
    """Keeps the loss of each row, too."""

    def _scored(self, task: Task) -> Any:
        done = super()._scored(task)
        labels = pl.DataFrame(self.artifacts.table(task.rows))["late"].cast(pl.Float64)  # type: ignore[union-attr]
        answers = pl.DataFrame(self.artifacts.table(task.answers))["answer"]  # type: ignore[union-attr]
        losses = self.artifacts.save(pl.DataFrame({"loss": (labels - answers).abs()}))
        return Scored(quality=msgspec.structs.replace(done.quality, losses=losses))


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Staffed]:
    """The champion is delay:3; one of ten of its holdout's rows has a loss of 0.9, the others 0.1."""
    with opened(history(tmp_path), START + timedelta(hours=12)) as app:
        made = Staffed(
            **{one.name: getattr(app, one.name) for one in fields(app)}, worker=Scorer(app.artifacts)
        )
        champion(made)
        crown(made)
        yield made


def crown(app: Staffed) -> None:
    rng = np.random.default_rng(1)
    count = ROWS * BEFORE
    rows = pl.DataFrame(
        {
            "flight_id": np.arange(count),
            "scheduled": [START - DAY * (1 + at // ROWS) for at in range(count)],
            "carrier": rng.choice(CARRIERS, count),
        },
        schema_overrides={"scheduled": pl.Datetime("us", "UTC")},
    )
    losses = rows.select("flight_id", "scheduled").with_columns(
        loss=pl.Series(np.where(rng.random(count) < 0.1, 0.9, 0.1))
    )
    found = version(app)
    quality = Quality(loss="log_loss", range=(0, 1), mean=0.18, rows=count, losses=app.artifacts.save(losses))
    made = msgspec.structs.replace(found, number=4, quality=quality, rows=app.artifacts.save(rows))
    app.records.ledger.append("delay", [VersionRegistered(version=made), moved(3, 4)], at=app.clock.now())


def moved(before: int, after: int) -> Any:
    from noria.records.events import AliasMoved

    return AliasMoved(model="delay", alias="champion", before=before, after=after, why="better", by="gates")


def version(app: Staffed) -> Version:
    name = app.records.versions.aliases("delay")["champion"]
    found = app.records.versions.version("delay", name)
    assert found is not None
    return found


def days(app: Staffed, *, late: float, of_ua: float, way: str = "") -> None:
    """Two weeks of answers of 0.1 with labels: so many of them late, and of those where the carrier is UA."""
    rng = np.random.default_rng(2)
    count = ROWS * AFTER
    carriers = rng.choice(CARRIERS, count)
    truth = rng.random(count) < np.where(carriers == "UA", of_ua, late)
    times = [START + DAY * (at // ROWS) + timedelta(seconds=at) for at in range(count)]
    kind = pa.timestamp("us", tz="UTC")
    keys = [str(10**6 + at) for at in range(count)]
    columns = {
        "at": pa.array(times, kind),
        "time": pa.array(times, kind),
        "key": keys,
        "unit": keys,
        "request.carrier": carriers.tolist(),
        "answer.answer": [0.1] * count,
        "way": [way] * count,
    }
    log = LogWriter(app.state / "log", "delay")
    log.append(Answered(version=4, rows=pa.RecordBatch.from_pydict(columns)))
    log.close()
    labels = [
        NewFeedback(by="key", ref=key, label=bool(value), known=time)
        for key, value, time in zip(keys, truth, times, strict=True)
    ]
    app.records.feedback.add("delay", labels, at=START)


def test_a_segment_whose_labels_turned_is_named_in_the_alarm_and_by_noria_monitor(app: Staffed) -> None:
    days(app, late=0.1, of_ua=0.95)
    later(app, FIRST + (AFTER + 3) * DAY)
    with Watch(app, "delay") as watch:
        watch.look()
    view = monitors(app, "delay", attributed=True)
    found = view.attribution
    assert found is not None and found.change is not None and found.blocks[0] == BEFORE
    assert found.segments[0].segment == "carrier=UA"
    assert found.segments[0].losses == (pytest.approx(0.18, abs=0.06), pytest.approx(0.86, abs=0.06))
    assert all(one.share is None for one in found.mix)
    shown = "\n".join(monitor_lines(view))
    assert "comes from where carrier=UA, whose loss went from 0.1" in shown
    assert "is explained by the mix of no feature" in shown and "proves no cause" in shown


def test_an_alarm_of_the_risk_carries_it(app: Staffed) -> None:
    days(app, late=0.9, of_ua=0.9)
    later(app, FIRST + (AFTER + 3) * DAY)
    with Watch(app, "delay") as watch:
        alarm = watch.look().alarm
    assert alarm is not None
    assert alarm.cause.startswith("the loss went from 0.1")
    figures = alarm.figures["attribution"]
    assert isinstance(figures, dict) and set(figures) == {"change", "mix", "segments", "unexplained"}
    assert figures["mix"] == {} and figures["segments"] == {}
    assert figures["change"] == figures["unexplained"]


def test_copies_are_no_rows_of_the_champion(app: Staffed) -> None:
    days(app, late=0.9, of_ua=0.9, way="shadow")
    found = attribution(app, version(app), app.worker, width=DAY, until=FIRST + AFTER * DAY)
    assert found.change is None
    assert "two blocks" in found.why


def test_what_stands_in_the_way_is_said_and_stops_nothing(app: Staffed) -> None:
    days(app, late=0.1, of_ua=0.1)
    now = FIRST + AFTER * DAY
    known = version(app)
    assert known.quality is not None
    app.worker.failures.append(Broken())
    assert "cannot be scored" in attribution(app, known, app.worker, width=DAY, until=now).why
    assert "two blocks" in attribution(app, known, app.worker, width=DAY, until=FIRST + DAY).why
    without = msgspec.structs.replace(known, quality=msgspec.structs.replace(known.quality, losses=None))
    assert "a loss a row" in attribution(app, without, app.worker, width=DAY, until=now).why
    assert "has been scored yet" in getattr(monitors(app, "delay", attributed=True).attribution, "why", "")
