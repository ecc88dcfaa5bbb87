"""Looks at a champion whose answers are in the log and whose labels are in the records; the worker is a stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pyarrow as pa
import pytest

from noria.adapters.log_writer import LogWriter
from noria.app.alarms.standing import list_alarms
from noria.app.sights import Sighted
from noria.app.status import status
from noria.app.watch import Watch, Watched
from noria.app.wiring import App
from noria.cli.standing import left_out_lines
from noria.cli.status import status_lines
from noria.cli.watch import standing_lines
from noria.errors import StepFailed, Unavailable
from noria.ports.clock import VirtualClock
from noria.ports.engine import Ended, Happening, Job
from noria.ports.serving import Answered
from noria.records.events import AliasMoved, BlockScored, VersionRegistered
from noria.records.monitoring import Block, NewFeedback, RiskState
from noria.records.tasks import Done, Score, Scored, Task
from noria.records.versions import Quality
from unit.app.stored import START, history, opened, version

DAY = timedelta(days=1)
FIRST = datetime(2025, 3, 1, tzinfo=UTC)  # the block of START
NOW = START + 20 * DAY


class Down(Unavailable):
    code, what, next = "DOWN", "it is down", "wait"


class Broken(StepFailed):
    code, what, next = "BROKEN", "the loss raised", "mend it"


@dataclass
class Worker:
    """Scores by the absolute difference; raises what it is given, once each."""

    artifacts: Any
    failures: list[Exception] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)

    def submit(self, job: Job) -> None:
        self.jobs.append(job)

    def wait(self, seconds: float | None = None) -> list[Happening]:
        return [Ended(job.id, self._scored(job.task)) for job in self._taken()]

    def cancel(self, id: str) -> None: ...

    def _taken(self) -> list[Job]:
        jobs, self.jobs = self.jobs, []
        return jobs

    def _scored(self, task: Task) -> Done:
        assert isinstance(task, Score)
        if self.failures:
            raise self.failures.pop()
        labels = pl.DataFrame(self.artifacts.table(task.rows))["late"]
        answers = pl.DataFrame(self.artifacts.table(task.answers))["answer"]
        assert labels.dtype == pl.Boolean
        mean = float((labels.cast(pl.Float64) - answers).abs().mean())  # type: ignore[arg-type]
        return Scored(quality=Quality(loss="log_loss", range=(0, 5), mean=mean, rows=len(labels)))

    def warm(self, pipeline: str = "") -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Staffed(App):
    """An app whose workers are one stand-in."""

    worker: Worker

    def engine(self, root: Path | None = None) -> Worker:
        return self.worker


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Staffed]:
    """The champion is delay:3, with a reference of 30 days."""
    with opened(history(tmp_path), START + timedelta(hours=12)) as app:
        made = Staffed(
            **{one.name: getattr(app, one.name) for one in fields(app)}, worker=Worker(app.artifacts)
        )
        champion(made)
        yield made


def champion(app: App, number: int = 3, before: int = 1, **changes: Any) -> None:
    losses = pl.DataFrame(
        {
            "scheduled": [START - DAY * day for day in range(1, 31)],
            "loss": [0.1 + day / 300 for day in range(30)],
        },
        schema_overrides={"scheduled": pl.Datetime("us", "UTC")},
    )
    found = app.records.runs.run("delay", 1)
    assert found is not None
    steps = app.records.runs.steps("delay", 1)
    made = version(found[0], number, 0.7, steps[1].outputs["classifier"])
    rows = pl.DataFrame(
        {"scheduled": losses["scheduled"], "flight_id": range(30), "carrier": ["AA", "UA", "B6"] * 10}
    )
    quality = Quality(loss="log_loss", range=(0, 5), mean=0.15, rows=30, losses=app.artifacts.save(losses))
    made = msgspec.structs.replace(made, quality=quality, rows=app.artifacts.save(rows), **changes)
    moved = AliasMoved(model="delay", alias="champion", before=before, after=number, why="better", by="gates")
    app.records.ledger.append("delay", [VersionRegistered(version=made), moved], at=app.clock.now())


def answer(
    app: App, *times: datetime, number: int = 3, asked: datetime | None = None, way: str | None = None
) -> None:
    """Log an answer of 0.1 for a row of each time; its key is its time."""
    kind = pa.timestamp("us", tz="UTC")
    keys = [time.isoformat() for time in times]
    columns = {
        "at": pa.array([asked or time for time in times], kind),
        "time": pa.array(times, kind),
        "key": keys,
        "unit": keys,
        "answer.answer": [0.1] * len(times),
        **({} if way is None else {"way": [way] * len(times)}),
    }
    log = LogWriter(app.state / "log", "delay")
    log.append(Answered(version=number, rows=pa.RecordBatch.from_pydict(columns)))
    log.close()


def label(app: App, time: datetime, value: Any = False) -> None:
    given = NewFeedback(by="key", ref=time.isoformat(), label=value, known=time)
    app.records.feedback.add("delay", [given], at=time)


def days(app: App, count: int, value: Any = False) -> None:
    """An answer and its label at noon of each day."""
    times = [START + DAY * day for day in range(count)]
    answer(app, *times)
    for time in times:
        label(app, time, value)


def later(app: App, moment: datetime = NOW) -> None:
    assert isinstance(app.clock, VirtualClock)
    app.clock.advance(moment)


def starts(watched: Watched) -> list[int]:
    """Days of the blocks that were scored."""
    return [(block.start - FIRST) // DAY for block in watched.blocks]


def test_blocks_are_scored_once_they_are_old_enough(app: Staffed) -> None:
    days(app, 3)
    with Watch(app, "delay") as watch:
        assert (watch.look().blocks, watch.look().waiting) == ((), 3)
        later(app, FIRST + 2 * DAY + timedelta(hours=2))
        first = watch.look()
        assert starts(first) == [0, 1]
        assert [block.loss for block in first.blocks] == pytest.approx([0.1, 0.1])
        assert first.waiting == 1
        assert watch.look().blocks == ()
    later(app)
    with Watch(app, "delay") as watch:
        again = watch.look()
        assert starts(again) == [2]
        assert again.left_out.late == 0, "what was scored before is not late"


def test_what_is_scored_is_what_it_answered_as_the_champion(app: Staffed) -> None:
    """Beside a row of its own and one that it answered instead of a challenger: copies, another's share, and who tries it out."""
    ways = (None, "instead", "shadow", "canary", "asked")
    times = [START + timedelta(minutes=at) for at in range(len(ways))]
    for time, way in zip(times, ways, strict=True):
        answer(app, time, way=way)
        label(app, time, way not in (None, "instead"))
    later(app)
    for fresh in (True, False):
        with Watch(app, "delay") as watch:
            found = watch.look()
        assert [(one.predictions, one.labelled) for one in found.blocks] == [(2, 2)] * fresh
        assert [one.loss for one in found.blocks] == pytest.approx([0.1] * fresh)
        assert found.left_out.late == 0
    (stands,) = status(app)
    assert stands.labels and (stands.labels.scored, stands.labels.left_out.late) == (2, 0)
    assert sum(group.predictions for group in stands.labels.ages) == 2


def test_an_event_in_the_year_9999(app: Staffed) -> None:
    days(app, 1)
    answer(app, datetime(9999, 12, 31, 10, tzinfo=UTC), asked=START)
    later(app)
    for _ in range(2):
        with Watch(app, "delay") as watch:
            seen = watch.look()
            assert (seen.waiting, seen.left_out.future) == (0, 1)
    (found,) = status(app)
    assert found.labels
    assert (found.labels.waiting, found.labels.left_out.future) == (0, 1)
    assert "1 prediction from the future" in "\n".join(status_lines(found))


@pytest.mark.parametrize("failure", [Down(), Broken()])
def test_a_block_at_which_scoring_fails_is_scored_by_the_next_look(app: Staffed, failure: Exception) -> None:
    days(app, 3)
    later(app)
    app.worker.failures.append(failure)
    with Watch(app, "delay") as watch:
        with pytest.raises(type(failure)):
            watch.look()
        assert starts(watch.look()) == [0, 1, 2]


def test_a_block_that_cannot_be_appended_is_scored_by_the_next_look(
    app: Staffed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its evidence counts once: the state is the one of a look without the failure."""
    days(app, 4, value=True)
    later(app)
    append, calls = app.records.ledger.append, 0

    def fail_at_the_second(model: str, changes: Any, **more: Any) -> Any:
        nonlocal calls
        calls += isinstance(changes[0], BlockScored)
        if calls == 2:
            raise Down()
        return append(model, changes, **more)

    monkeypatch.setattr(app.records.ledger, "append", fail_at_the_second)
    with Watch(app, "delay") as watch:
        assert starts(watch.look()) == [0], "what was scored before the failure is told"
        rest = watch.look()
    assert starts(rest) == [1, 2, 3]
    assert rest.state is not None and rest.state.blocks == 4
    assert rest.state == app.records.monitors.state("delay", 3)


def test_the_alarm_is_raised_although_its_first_append_failed(
    app: Staffed, monkeypatch: pytest.MonkeyPatch
) -> None:
    days(app, 15, value=True)
    later(app)
    append = app.records.ledger.append
    failed = []

    def fail_at_the_alarm(model: str, changes: Any, **more: Any) -> Any:
        if len(changes) == 2 and not failed:
            failed.append(changes)
            raise Down()
        return append(model, changes, **more)

    monkeypatch.setattr(app.records.ledger, "append", fail_at_the_alarm)
    with Watch(app, "delay") as watch:
        assert watch.look().alarm is None
        found = watch.look().alarm
    assert failed and found is not None
    assert [one.alarm for one in list_alarms(app, "delay", all=True)] == [found]


def test_a_read_that_fails_loses_no_row(app: Staffed, monkeypatch: pytest.MonkeyPatch) -> None:
    days(app, 2)
    answer(app, START + timedelta(hours=1))
    later(app)
    from noria.monitor.blocks import Gathered

    add, calls = Gathered.add, 0

    def fail_at_the_second(*words: Any, **more: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise MemoryError
        add(*words, **more)

    monkeypatch.setattr(Gathered, "add", fail_at_the_second)
    with Watch(app, "delay") as watch:
        with pytest.raises(MemoryError):
            watch.look()
        assert [block.predictions for block in watch.look().blocks] == [2, 1]


def test_two_watches_share_the_blocks_in_peace(app: Staffed) -> None:
    days(app, 4)
    with Watch(app, "delay") as one, Watch(app, "delay") as other:
        one.look(), other.look()
        later(app, FIRST + 2 * DAY + timedelta(hours=2))
        assert starts(one.look()) == [0, 1]
        assert other.look().blocks == ()
        later(app)
        assert starts(other.look()) == [2, 3]
        assert one.look().blocks == ()
    state = app.records.monitors.state("delay", 3)
    assert state is not None and state.blocks == 4


def test_a_block_that_another_process_appends_at_this_very_moment(
    app: Staffed, monkeypatch: pytest.MonkeyPatch
) -> None:
    days(app, 2)
    later(app)
    append, raced = app.records.ledger.append, []

    def race(model: str, changes: Any, **more: Any) -> Any:
        if not raced and isinstance(changes[0], BlockScored):
            raced.append(append(model, changes, **more))
        return append(model, changes, **more)

    monkeypatch.setattr(app.records.ledger, "append", race)
    with Watch(app, "delay") as watch:
        assert watch.look().blocks == ()
        assert starts(watch.look()) == [1]
    state = app.records.monitors.state("delay", 3)
    assert state is not None and state.blocks == 2


def test_another_process_that_scored_a_later_block_is_not_undone(app: Staffed) -> None:
    """It had not seen the row of the first day, which comes too late by now."""
    days(app, 1)
    with Watch(app, "delay") as watch:
        watch.look()
        theirs = Block(
            model="delay", version=3, start=FIRST + DAY, end=FIRST + 2 * DAY, predictions=1, labelled=0
        )
        state = RiskState(
            model="delay", version=3, bound=1.0, threshold=200.0, scored_until=theirs.end, blocks=7
        )
        app.records.ledger.append("delay", [BlockScored(block=theirs, state=state)], at=START)
        later(app)
        assert watch.look().blocks == ()
        assert watch.look().blocks == ()
    assert app.records.monitors.state("delay", 3) == state


def test_a_label_of_another_type_is_no_label(app: Staffed) -> None:
    times = [START, START + timedelta(minutes=1), START + timedelta(minutes=2), START + timedelta(minutes=3)]
    answer(app, *times)
    for time, value in zip(times, ("perhaps", True, 0.5, {"late": True}), strict=True):
        label(app, time, value)
    later(app)
    with Watch(app, "delay") as watch:
        seen = watch.look()
    (block,) = seen.blocks
    assert (block.predictions, block.labelled, block.loss) == (4, 1, pytest.approx(0.9))
    assert seen.left_out.unreadable == 3
    assert left_out_lines(seen.left_out) == [
        "3 predictions with a label that is no value of the label's column; taken as without one"
    ]


def test_only_labels_that_cannot_be_read(app: Staffed) -> None:
    days(app, 1, value="perhaps")
    later(app)
    with Watch(app, "delay") as watch:
        (block,) = watch.look().blocks
    assert (block.labelled, block.loss) == (0, None)


def test_without_a_word_on_when_labels_come_nothing_is_scored(app: Staffed) -> None:
    champion(app, 4, before=3, label_delay=None)
    answer(app, START, number=4)
    later(app)
    with Watch(app, "delay") as watch:
        seen = watch.look()
        lines = standing_lines(app, "delay", seen, Sighted(version=3, late=4))
    assert (seen.blocks, seen.needs_maturity) == ((), True)
    assert '[model.delay.monitor] maturity = "2d"' in lines[0]
    assert lines[1] == "4 rows asked after the block had been looked at; not counted"
    (found,) = status(app)
    assert found.needs_maturity
    assert '[model.delay.monitor] maturity = "2d"' in "\n".join(status_lines(found))


def test_maturity_in_the_policy_is_enough(tmp_path: Path, app: Staffed) -> None:
    text = (tmp_path / "noria.toml").read_text()
    (tmp_path / "noria.toml").write_text(f'{text}\n[model.delay.monitor]\nmaturity = "2d"\n')
    with opened(tmp_path, START) as other:
        champion(other, 4, before=3, label_delay=None)
        answer(other, START, number=4)
        later(other, FIRST + 3 * DAY)
        with Watch(other, "delay") as watch:
            assert len(watch.look().blocks) == 1
        (found,) = status(other)
        assert not found.needs_maturity


def test_what_comes_after_its_block_is_counted_and_told(app: Staffed) -> None:
    days(app, 1)
    later(app)
    with Watch(app, "delay") as watch:
        watch.look()
        answer(app, START + timedelta(minutes=5), START + timedelta(minutes=6))
        assert watch.look().left_out.late == 2
    with Watch(app, "delay") as watch:
        assert watch.look().left_out.late == 2
    (found,) = status(app)
    assert found.labels and found.labels.left_out.late == 2
    assert "2 predictions came after the block had been scored" in "\n".join(status_lines(found))


def test_torn_records_are_told(app: Staffed) -> None:
    answer(app, START)
    (path,) = (app.state / "log" / "delay").glob("*.rows")
    path.write_bytes(path.read_bytes()[:-20])
    with Watch(app, "delay") as watch:
        assert watch.look().left_out.torn == 1
        assert watch.look().left_out.torn == 1
    (found,) = status(app)
    assert "1 record of the log torn by a killed service" in "\n".join(status_lines(found))


def test_a_persons_interrupted_run_is_told_with_the_next_step(app: Staffed) -> None:
    (found,) = status(app)
    assert found.left_run is not None and found.left_run.name == "delay/4"
    assert "delay/4 was interrupted and is left to you" in "\n".join(status_lines(found))
    assert "delay/4 was interrupted" in standing_lines(app, "delay", Watched(version=3))[0]


def test_what_lasts_is_said_once(
    app: Staffed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from noria.cli.watch import look

    told: set[str] = set()
    with Watch(app, "delay") as watch:
        look(app, "delay", watch, told)
        look(app, "delay", watch, told)
    assert capsys.readouterr().out.count("delay/4 was interrupted") == 1
