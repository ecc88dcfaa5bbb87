"""How a model stands, from what services, monitors and runs left in the records."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from noria.adapters.log_writer import LogWriter
from noria.app.monitors import monitors
from noria.app.read import find_run
from noria.app.status import Labels, status
from noria.app.wiring import App
from noria.cli.monitor import monitor_lines
from noria.cli.status import status_lines
from noria.ports.serving import Answered
from noria.records.alarms import AlarmRaised
from noria.records.events import BlockScored
from noria.records.monitoring import Alarm, Block, NewFeedback, RiskState
from noria.records.runs import Trigger
from noria.records.service import Service
from unit.app.stored import START, TOML, asked, history, opened

NOW = START + timedelta(days=5)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with opened(history(tmp_path), NOW) as app:
        yield app


def service(pid: int, id: str = "a") -> Service:
    return Service(
        id=id,
        model="delay",
        follows="champion",
        url="http://127.0.0.1:8117",
        pid=pid,
        version=1,
        seen=NOW - timedelta(seconds=3),
    )


def scored(app: App, *losses: float | None) -> None:
    """Blocks of ten predictions, eight of them labelled unless the loss is None."""
    for number, loss in enumerate(losses):
        start = START + timedelta(days=number)
        block = Block(
            model="delay",
            version=1,
            start=start,
            end=start + timedelta(days=1),
            predictions=10,
            labelled=0 if loss is None else 8,
            loss=loss,
        )
        state = RiskState(
            model="delay",
            version=1,
            bound=0.55,
            threshold=200.0,
            scored_until=block.end,
            blocks=number + 1,
            e_value=1.5,
        )
        app.records.ledger.append("delay", [BlockScored(block=block, state=state)], at=block.end)


def test_services_by_their_process(app: App) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    app.records.services.announce(service(os.getpid()))
    app.records.services.announce(service(ended.pid, "b"))
    (found,) = status(app)
    assert [(view.alive, view.age) for view in found.services] == [(True, 3.0), (False, 3.0)]
    text = "\n".join(status_lines(found))
    assert f"answers for delay@champion with delay:1, process {os.getpid()}, heard of 3.00 s ago" in text
    assert f"process {ended.pid}, gone, last heard of 3.00 s ago" in text


def test_risk_and_label_debt(app: App) -> None:
    scored(app, 0.4, None, 0.6)
    (found,) = status(app, "delay")
    assert found.labels == Labels(scored=30, labelled=16, until=START + timedelta(days=3))
    assert found.labels.debt == 14
    assert found.recent_loss == pytest.approx(0.5)
    text = "\n".join(status_lines(found))
    assert "16 of 30 scored predictions have a label, 14 do not; 0 wait for theirs" in text
    assert "0.5 in the last 2 blocks, bound 0.55; evidence 1.5 after 3 blocks, alarm at 200" in text


def answered(app: App, *days: int) -> None:
    """By both versions, a row each of these days."""
    times = pa.array([START + timedelta(days=day) for day in days], pa.timestamp("us", tz="UTC"))
    keys = pa.array([str(day) for day in days])
    columns = {"at": times, "time": times, "key": keys, "unit": keys}
    log = LogWriter(app.state / "log", "delay")
    for version in (1, 2):
        log.append(Answered(version=version, rows=pa.RecordBatch.from_pydict(columns)))
    log.close()


def test_predictions_that_wait_for_their_labels(app: App) -> None:
    scored(app, 0.4)
    answered(app, 0, 1, 2)
    (found,) = status(app)
    assert found.labels
    assert found.labels.waiting == 2


@pytest.mark.parametrize(
    ("blocks", "behind", "until"),
    [(0, 3, "nothing yet"), (1, 2, "until 2025-03-02 09:00:00Z"), (3, 0, None)],
    ids=["nothing scored yet", "a block scored", "all scored"],
)
def test_labels_that_are_stored_count_before_the_watch_has_come_to_them(
    tmp_path: Path, blocks: int, behind: int, until: str | None
) -> None:
    """The fifth day is the newest; labels take a day."""
    folder = history(tmp_path)
    (folder / "noria.toml").write_text(TOML + '\n[model.delay.monitor]\nmaturity = "1d"\n')
    with opened(folder, NOW) as app:
        scored(app, *[0.4] * blocks)
        answered(app, 0, 1, 2, 4)
        given = [NewFeedback(by="key", ref=str(day), label=True, known=NOW) for day in (0, 1, 2)]
        app.records.feedback.add("delay", given, at=NOW)
        (found,) = status(app)
        view = monitors(app, "delay")
    assert found.labels is not None
    assert (found.labels.behind, found.labels.known.labelled, found.labels.known.waiting) == (behind, 3, 1)
    shown, told = "\n".join(monitor_lines(view)), "\n".join(status_lines(found))
    assert "3 came, 0 are owed, 1 have time" in shown
    line = f"the watch is behind by {behind} predictions: it has scored {until}; noria watch"
    assert (line in shown, line in told) == (behind > 0, behind > 0)
    assert ("no block of labels has been scored yet" in told) == (blocks == 0)
    assert ("1 prediction not old enough to be scored" in told) == (blocks == 0)


def test_an_alarm_is_told(app: App) -> None:
    scored(app, 2.0)
    alarm = Alarm(
        model="delay",
        version=1,
        monitor="risk",
        raised=NOW,
        block=START,
        e_value=250.0,
        threshold=200.0,
        risk=2.0,
        bound=0.55,
        why="the risk of delay:1 is over 0.55",
    )
    app.records.ledger.append("delay", [AlarmRaised(alarm=alarm)], at=NOW)
    (found,) = status(app)
    assert found.alarms == (alarm,)
    assert "alarm     2025-03-06 09:00:00Z the risk of delay:1 is over 0.55" in "\n".join(status_lines(found))


def test_the_schedule_counts_from_the_last_run(app: App) -> None:
    (found,) = status(app)
    assert found.next_run == START + timedelta(days=7, hours=4)
    assert "2025-03-08 13:00:00Z, in 2 d 4 h" in "\n".join(status_lines(found))


def test_a_run_is_running_while_its_process_lives(app: App) -> None:
    """A run without an end was killed, unless whoever took the model's lock still lives."""
    run = app.records.ledger.begin(asked(app, 1, 0.1, at=NOW, trigger=Trigger(kind="schedule")), at=NOW)
    assert find_run(app, run.name).state == "killed"
    with app.alone("delay"):
        assert find_run(app, run.name).state == "running"


def test_the_schedule_counts_from_when_a_run_was_started(app: App) -> None:
    """A run on last year's data does not make the next one overdue."""
    app.records.ledger.begin(asked(app, 1, 0.1, at=START - timedelta(days=300)), at=NOW)
    (found,) = status(app)
    assert found.next_run == NOW + timedelta(days=7)
