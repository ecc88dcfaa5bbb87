"""The same rows, as they were asked and as training has them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from noria.adapters.log_writer import LogWriter
from noria.app.monitors import monitors
from noria.app.skew import skew
from noria.app.wiring import App
from noria.cli.monitor import monitor_lines
from noria.ports.serving import Answered
from noria.records.events import VersionRegistered
from noria.records.versions import Version
from unit.app.stored import history, opened
from unit.app.test_sights import DAY, FIRST, crown


def asked(app: App, keys: list[str], **columns: list[object]) -> None:
    kind = pa.timestamp("us", tz="UTC")
    times = [FIRST + timedelta(minutes=at) for at in range(len(keys))]
    rows = {
        "at": pa.array(times, kind),
        "time": pa.array(times, kind),
        "key": keys,
        "unit": keys,
        **{f"request.{name}": values for name, values in columns.items()},
        "answer.answer": [0.1] * len(keys),
    }
    log = LogWriter(app.state / "log", "delay")
    log.append(Answered(version=3, rows=pa.RecordBatch.from_pydict(rows)))
    log.close()


def champion(app: App) -> Version:
    version = app.records.versions.version("delay", 3)
    assert version is not None
    return version


def test_columns_that_differ_are_told_with_an_example(tmp_path: Path) -> None:
    with opened(history(tmp_path), FIRST) as app:
        crown(app, 1, rows=20)
        had = app.artifacts.load(champion(app).rows)
        distance, carrier = had["distance"].to_list(), had["carrier"].to_list()
        distance[0], distance[1], carrier[2] = distance[0] * 1.6, None, None
        asked(
            app,
            [str(at) for at in range(20)],
            distance=distance,
            carrier=carrier,
            steady=[1.0 + 1e-9] * 20,
            empty=[None] * 20,
        )
        app.clock.advance(DAY)  # type: ignore[attr-defined]
        found = skew(app, champion(app))
        assert (found.version, found.rows) == ("delay:3", 20)
        assert {name: one.differ for name, one in found.columns.items()} == {
            "distance": pytest.approx(0.1),
            "carrier": pytest.approx(0.05),
        }
        shown = "\n".join(monitor_lines(monitors(app, "delay", skewed=True)))
        assert "distance: 10.0% differ" in shown and "20 rows as asked beside the data of delay:3" in shown


def test_where_there_is_nothing_to_compare(tmp_path: Path) -> None:
    with opened(history(tmp_path), FIRST) as app:
        crown(app, 1, rows=20)
        asked(app, ["other"], distance=[1.0])
        assert "no row that was asked about" in skew(app, champion(app)).why
        made = msgspec.structs.replace(champion(app).signature, key=())
        without = msgspec.structs.replace(champion(app), number=9, signature=made)
        app.records.ledger.append("delay", [VersionRegistered(version=without)], at=FIRST)
        assert "there is none" in skew(app, champion(app)).why
