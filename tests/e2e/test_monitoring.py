"""From answers in the log to an alarm that says where: through the command line, on a trained project."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from e2e.project import Project
from noria.adapters.log_writer import LogWriter
from noria.app.wiring import open_app
from noria.ports.serving import Answered
from noria.records.monitoring import NewFeedback

BEGAN = datetime(2024, 2, 10, tzinfo=UTC)
DAYS, A_DAY = 20, 20
MONITOR = """false_alarm = 0.3
search = false
segments = ["shop"]
"""


def answered(project: Project) -> list[NewFeedback]:
    """Some weeks of answers as the version gives them, and the labels of the days: what sells in the south has turned
    round, and from the tenth day on the temperature comes in tenths of a degree."""
    random = np.random.default_rng(7)
    count = DAYS * A_DAY
    day = np.repeat(np.arange(DAYS), A_DAY)
    times = [BEGAN + timedelta(days=int(d), minutes=7 * (i % A_DAY)) for i, d in enumerate(day)]
    warm = random.normal(15, 5, count)
    south = random.random(count) < 0.5
    told = np.where(day >= 10, warm * 10, warm)
    keys = [f"later-{i}" for i in range(count)]
    kind = pa.timestamp("us", tz="UTC")
    columns = {
        "at": pa.array(times, kind),
        "time": pa.array(times, kind),
        "key": keys,
        "unit": keys,
        "took": pa.array([800] * count, pa.int64()),
        "request.id": keys,
        "request.asked": pa.array(times, kind),
        "request.warm": told,
        "request.shop": np.where(south, "south", "north").tolist(),
        "answer.answer": 2.0 * warm,
    }
    log = LogWriter(project.folder / ".noria" / "log", "demand")
    log.append(Answered(version=1, rows=pa.RecordBatch.from_pydict(columns)))
    log.close()
    sold = np.where(south, 60.0 - 2.0 * warm, 2.0 * warm) + random.normal(0, 1, count)
    return [
        NewFeedback(by="key", ref=key, label=float(value), known=time)
        for key, value, time in zip(keys, sold, times, strict=True)
    ]


def test_the_right_alarm_names_the_cause(trained: Project) -> None:
    trained.replace("noria.toml", "[model.demand.monitor]\n", "[model.demand.monitor]\n" + MONITOR)
    trained.replace("noria.toml", 'on = ["performance", "schedule"]\nevery = "60d"\n', "")
    labels = answered(trained)
    with open_app(trained.folder) as app:
        app.records.feedback.add("demand", labels, at=app.clock.now())
    said = trained.noria("watch", "demand", "--once").stdout
    assert "ALARM" in said and "where shop=south" in said
    standing = {one["alarm"]["monitor"]: one["alarm"] for one in trained.json("alarms")}
    assert standing["segment"]["subject"] == "shop=south"
    assert "worst where shop=south" in standing["risk"]["cause"]
    assert standing["risk"]["cause"].startswith("the loss went from")
    assert standing["range"]["subject"] == "warm"
    assert "has its unit changed?" in standing["range"]["cause"]
    assert "volume" not in standing, "it was not the champion yet on those days"
    assert "segment/shop=north" not in said
    assert "nothing was due" in trained.noria("watch", "demand", "--once").stderr, (
        "each block is looked at once"
    )
    shown = trained.noria("monitor", "demand").stdout
    assert "segment shop=south  alarm" in shown
    parts = trained.json("monitor", "demand", "--attribute")["attribution"]
    assert parts["segments"][0]["segment"] == "shop=south"
    assert "unexplained" in parts and "share" not in parts["mix"][0], "the shops came as often as before"
    trained.noria(
        "alarms", "resolve", "demand:1/segment/shop=south", "--why", "the south is asked otherwise now"
    )
    lines = (trained.folder / ".noria" / "alarms.ndjson").read_text().splitlines()
    assert len({json.loads(line)["id"] for line in lines}) == len(lines) == len(standing)
    trained.noria("audit")
