"""Looking at what a champion is asked, before any label: drift, the state of the data, traffic, latency."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from noria.adapters.log_writer import LogWriter
from noria.app.alarms.standing import list_alarms
from noria.app.marking import Marks
from noria.app.monitors import monitors
from noria.app.reached import everything, mark_kept, past_of
from noria.app.sights import Sighted, Sights
from noria.app.version_worker import VersionWorker
from noria.app.wiring import App
from noria.cli.monitor import monitor_lines
from noria.errors import StepFailed
from noria.monitor.quality import volume
from noria.ports.clock import VirtualClock
from noria.ports.serving import Answered, Unanswered
from noria.records.artifacts import Column
from noria.records.events import AliasMoved, VersionRegistered
from noria.records.policy import LogPolicy, MonitorPolicy
from noria.records.rollouts import Ended, Rollout, RolloutEnded, RolloutPolicy, RolloutStarted, Stretch
from noria.records.versions import RequestColumn
from unit.app.stored import history, opened

DAY = timedelta(days=1)
FIRST = datetime(2025, 3, 1, tzinfo=UTC)
BEGAN = FIRST - 60 * DAY
ROWS = 250
COLUMNS = {"distance": "double", "carrier": "string", "steady": "double", "empty": "double"}
Change = Callable[[int, dict[str, Any]], dict[str, Any]]


def world(day: int, rows: int = ROWS) -> dict[str, Any]:
    """A day of rows: each day has a level of its own, as real days have."""
    rng = np.random.default_rng(day)
    return {
        "distance": rng.gamma(4.0, 250.0, rows) + 20 * rng.standard_normal(),
        "carrier": rng.choice(["AA", "UA", "B6", "DL"], rows, p=[0.4, 0.3, 0.2, 0.1]),
        "steady": np.ones(rows),
        "empty": [None] * rows,
    }


def as_it_is(day: int, rows: dict[str, Any]) -> dict[str, Any]:
    return rows


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with opened(history(tmp_path), FIRST) as app:
        crown(app, 60)
        yield app


def crown(app: App, days: int, rows: int = ROWS, number: int = 3) -> None:
    """A champion that was trained on so many days before FIRST."""
    first = app.records.versions.version("delay", 1)
    assert first is not None
    parts = [
        pl.DataFrame(
            {
                "scheduled": [FIRST - DAY * (days - day)] * rows,
                "flight_id": range(rows),
                **world(1000 + day, rows),
            },
            schema_overrides={
                "scheduled": pl.Datetime("us", "UTC"),
                "empty": pl.Float64,
                "carrier": pl.String,
            },
        )
        for day in range(days)
    ]
    columns = {"flight_id": "int64", "scheduled": "timestamp[us, tz=UTC]", **COLUMNS}
    request = tuple(RequestColumn(name=name, type=kind) for name, kind in columns.items())
    made = msgspec.structs.replace(
        first,
        number=number,
        rows=app.artifacts.save(pl.concat(parts)),
        signature=msgspec.structs.replace(
            first.signature, request=request, answer=(Column(name="answer", type="double"),)
        ),
    )
    moved = AliasMoved(
        model="delay",
        alias="champion",
        before=app.records.versions.aliases("delay")["champion"],
        after=number,
        why="better",
        by="gates",
    )
    app.records.ledger.append("delay", [VersionRegistered(version=made), moved], at=app.clock.now())


def ask(
    app: App,
    day: int,
    change: Change = as_it_is,
    *,
    rows: int = ROWS,
    took: int = 900,
    number: int = 3,
    way: str = "",
) -> None:
    """Log a day's questions and answers."""
    asked = change(day, world(day, rows))
    kind = pa.timestamp("us", tz="UTC")
    times = [FIRST + DAY * day + timedelta(hours=9, seconds=at) for at in range(rows)]
    columns = {
        "at": pa.array(times, kind),
        "time": pa.array(times, kind),
        "key": [f"{day}/{at}" for at in range(rows)],
        "unit": [f"{day}/{at}" for at in range(rows)],
        "took": pa.array([took] * rows, pa.int64()),
        "way": [way] * rows,
        **{f"request.{name}": pa.array(values, from_pandas=True) for name, values in asked.items()},
        "answer.answer": [0.1] * rows,
    }
    log = LogWriter(app.state / "log", "delay")
    log.append(Answered(version=number, rows=pa.RecordBatch.from_pydict(columns)))
    log.close()


def until(app: App, day: float) -> None:
    assert isinstance(app.clock, VirtualClock)
    app.clock.advance(FIRST + DAY * day)


def sights_of(app: App) -> Sights:
    return Sights(app, "delay", VersionWorker(app))


def seen(app: App, days: int, change: Change = as_it_is, *, first: int = 0) -> list[str]:
    """Ask for some days, look at them all, and give the alarms that were raised."""
    for day in range(first, first + days):
        ask(app, day, change)
    until(app, first + days)
    return [alarm.topic for alarm in sights_of(app).look().alarms]


def test_a_world_that_stays_as_it_was_raises_nothing(app: App) -> None:
    assert seen(app, 30) == []
    sights = app.records.monitors.sights("delay", 3)
    assert [one.rows for one in sights] == [ROWS] * 30
    last = sights[-1]
    assert last.columns["empty"].missing == 1.0
    assert last.took_ms == pytest.approx(0.9)
    assert {name: one.e_value < 20 for name, one in last.drift.items()} == dict.fromkeys(COLUMNS, True)


def test_a_value_far_from_what_training_had_seen_is_told_at_once(app: App) -> None:
    def metres(day: int, rows: dict[str, Any]) -> dict[str, Any]:
        return rows | {"distance": rows["distance"] * 1609.344}

    assert seen(app, 1) == []
    assert seen(app, 1, metres, first=1) == ["range/distance"]
    (one,) = list_alarms(app)
    assert "has its unit changed?" in one.alarm.cause


def test_a_change_of_unit_is_seen_and_named(app: App) -> None:
    def kilometres(day: int, rows: dict[str, Any]) -> dict[str, Any]:
        return rows | {"distance": rows["distance"] * 1.609344}

    assert seen(app, 10) == []
    found = seen(app, 20, kilometres, first=10)
    assert found == ["drift/distance"]
    causes = {one.alarm.topic: one.alarm.cause for one in list_alarms(app)}
    assert "has its unit changed?" in causes["drift/distance"]
    drift = next(one.alarm for one in list_alarms(app) if one.alarm.monitor == "drift")
    assert drift.e_value >= drift.threshold
    assert "by more than is tolerated" in drift.why and "the newest half of the blocks is 0." in drift.why
    assert (drift.block - FIRST) // DAY < 10 + 12, "within the evidence that the theory needs"


def test_a_category_that_vanishes_is_named(app: App) -> None:
    def without(day: int, rows: dict[str, Any]) -> dict[str, Any]:
        return rows | {"carrier": np.where(rows["carrier"] == "B6", "AA", rows["carrier"])}

    assert seen(app, 1) == []
    assert seen(app, 1, without, first=1) == ["vanished/carrier=B6"]


def test_a_caller_that_drops_a_column_is_told_once(app: App) -> None:
    """No category has vanished: nothing is known of any."""

    def without(day: int, rows: dict[str, Any]) -> dict[str, Any]:
        return {name: values for name, values in rows.items() if name != "carrier"}

    def nearly(day: int, rows: dict[str, Any]) -> dict[str, Any]:
        carrier = rows["carrier"].astype(object)
        carrier[40:] = None
        return rows | {"carrier": carrier}

    assert seen(app, 1) == []
    assert seen(app, 1, without, first=1) == ["missing/carrier"]
    assert seen(app, 1, nearly, first=2) == [], "forty rows are too few to miss a tenth among"


def test_a_join_that_is_lost_is_one_alarm_that_names_its_columns(app: App) -> None:
    """For as long as any of them is missing; then it is over as one."""

    def lost(*names: str) -> Change:
        return lambda day, rows: rows | dict.fromkeys(names, [None] * ROWS)

    assert seen(app, 1) == []
    assert seen(app, 1, lost("distance", "carrier"), first=1) == ["missing/distance+1"]
    (one,) = list_alarms(app)
    assert one.said == "2 columns are missing in one block: distance, carrier, in 100.0% of 250 rows"
    assert one.alarm.cause.startswith("whoever sends the requests has lost them together")
    assert one.alarm.figures["carrier"]["share"] == 1.0
    assert seen(app, 1, lost("carrier"), first=2) == [], "it stands for this column, too"
    assert seen(app, 1, lost("carrier", "steady"), first=3) == ["missing/steady"]
    stands = {one.alarm.id: one for one in list_alarms(app)}["delay:3/missing/distance+1"]
    assert (stands.seen, stands.said.partition(" is")[0]) == (3, "carrier")
    assert seen(app, 3, first=4) == []
    assert list_alarms(app) == []


def test_what_one_look_finds_and_sees_end_was_raised_before_it_was_over(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each question for the time is a second later, as where a look at a year of days takes a while."""

    def lost(day: int, rows: dict[str, Any]) -> dict[str, Any]:
        return rows | {"carrier": [None] * ROWS} if day == 1 else rows

    for day in range(5):
        ask(app, day, lost)
    until(app, 5)
    stands, ticks = app.clock.now(), iter(range(10_000))
    monkeypatch.setattr(VirtualClock, "now", lambda _: stands + timedelta(seconds=next(ticks)))
    sights_of(app).look()
    (one,) = list_alarms(app, all=True)
    assert (one.state, one.alarm.raised <= one.since) == ("resolved", True)


def test_categories_that_vanish_at_once_are_one_alarm_a_column(app: App) -> None:
    def in_small_letters(day: int, rows: dict[str, Any]) -> dict[str, Any]:
        return rows | {"carrier": [name.lower() for name in rows["carrier"]]}

    assert seen(app, 1) == []
    assert sorted(seen(app, 1, in_small_letters, first=1)) == [
        "categories/carrier",
        "vanished/carrier=AA+2",
    ]
    (gone,) = [one.said for one in list_alarms(app) if one.alarm.monitor == "vanished"]
    assert gone.startswith("none of 250 rows with a carrier has AA, B6, UA, and no block")


def test_values_that_are_missing_new_or_too_many(app: App) -> None:
    def broken(day: int, rows: dict[str, Any]) -> dict[str, Any]:
        distance = rows["distance"].astype(object)
        distance[::2] = None
        carrier = rows["carrier"].astype(object)
        carrier[::3] = "ZZ"
        return {**rows, "distance": distance, "carrier": carrier}

    assert seen(app, 1) == []
    assert sorted(seen(app, 1, broken, first=1)) == ["categories/carrier", "missing/distance"]
    (unknown,) = [one.alarm for one in list_alarms(app) if one.alarm.monitor == "categories"]
    assert unknown.figures["share"] == pytest.approx(1 / 3, abs=0.01)
    assert seen(app, 3, first=2) == []
    assert list_alarms(app) == [], "after some good blocks it is over"


def test_traffic_that_stops_and_traffic_that_doubles(app: App) -> None:
    assert seen(app, 9) == []
    ask(app, 9, rows=ROWS * 2)
    until(app, 10)
    assert [alarm.topic for alarm in sights_of(app).look().alarms] == ["volume"]
    until(app, 13)
    looked = sights_of(app).look()
    assert [one.rows for one in looked.sights] == [0, 0, 0]
    assert looked.alarms == (), "it stands already"
    (standing,) = list_alarms(app)
    assert (standing.seen, "no row was asked" in standing.said) == (4, True)


@pytest.mark.parametrize(("rows", "less"), [(10, True), (0, True), (600, False)])
def test_who_asks_less_is_not_suspected_of_asking_more(rows: int, less: bool) -> None:
    found = volume(rows, [ROWS] * 7, 0.5)
    assert found is not None
    assert ("asks less" in found.cause, "as well" in found.cause) == (less, not less)


def move(app: App, before: int, after: int) -> None:
    moved = AliasMoved(model="delay", alias="champion", before=before, after=after, why="said", by="ada")
    app.records.ledger.append("delay", [moved], at=app.clock.now())


def test_a_version_that_comes_back_is_not_blamed_for_days_that_were_anothers(app: App) -> None:
    """Days without a row of it, and the half ones before and after: it was not asked, because it was not the champion."""
    assert seen(app, 9) == []
    ask(app, 9, rows=100)
    until(app, 9.5)
    move(app, 3, 1)
    until(app, 12.5)
    move(app, 1, 3)
    ask(app, 12, rows=100)
    ask(app, 13)
    until(app, 15)
    looked = sights_of(app).look()
    assert [(one.start - FIRST) // DAY for one in looked.sights] == [9, 12, 13, 14]
    (volume,) = looked.alarms
    assert (volume.block, volume.severity) == (FIRST + 14 * DAY, "critical")
    assert "no row was asked" in volume.why


def test_a_rollback_between_two_looks_of_one_watcher(app: App) -> None:
    sights = sights_of(app)
    for day in range(9):
        ask(app, day)
    until(app, 9)
    assert len(sights.look().sights) == 9
    move(app, 3, 1)
    until(app, 11)
    move(app, 1, 3)
    until(app, 11.5)
    assert sights.look().sights == ()


def test_what_a_version_answers_beside_the_champion_is_not_its_traffic(app: App) -> None:
    """As a challenger or a shadow, or for who asks for it by name; what it answers instead of a challenger is."""
    for day in range(8):
        ask(app, day, rows=200)
        ask(app, day, rows=50, way="instead")
        for way in ("canary", "shadow", "asked"):
            ask(app, day, rows=ROWS * (1 + day // 7), way=way)
    until(app, 8)
    looked = sights_of(app).look()
    assert [one.rows for one in looked.sights] == [250] * 8
    assert looked.alarms == ()


def canary(app: App, number: int, *stretches: Stretch) -> None:
    """Of delay:2 in the place of delay:3; it is over."""
    begun = Rollout(
        model="delay",
        number=number,
        version=2,
        champion=3,
        policy=RolloutPolicy(),
        started=stretches[0].since,
        by="ada",
        stretches=stretches,
    )
    over = msgspec.structs.replace(begun, revision=2, phase=Ended(result="aborted", why="said", at=FIRST))
    app.records.ledger.append("delay", [RolloutStarted(rollout=begun)], at=FIRST)
    app.records.ledger.append("delay", [RolloutEnded(rollout=over, why="said", by="ada")], at=FIRST)


def test_what_a_canary_answers_in_its_place_is_asked_all_the_same(app: App) -> None:
    """Nine of ten rows come to the challenger: nobody asks less, and a day on which nobody asks is told."""
    tenth = FIRST + 9 * DAY
    canary(app, 1, Stretch(step=0, share=0.9, since=tenth, until=tenth + DAY))
    canary(app, 2, Stretch(step=0, share=0.9, since=tenth + DAY))
    for day in range(12):
        few = ROWS if day < 9 else ROWS // 10
        ask(app, day, rows=few)
        ask(app, day, rows=ROWS - few, way="canary", number=2)
        ask(app, day, rows=ROWS, way="shadow", number=2)
    until(app, 12)
    looked = sights_of(app).look()
    assert [(one.rows, one.beside) for one in looked.sights[8:]] == [(250, 0), *[(25, 225)] * 3]
    assert looked.alarms == ()
    shown = "\n".join(monitor_lines(monitors(app, "delay")))
    assert "25 rows in the block of 2025-03-12 00:00:00Z, and 225 that a canary answered" in shown
    ask(app, 12, rows=ROWS // 10)
    until(app, 13)
    assert [alarm.topic for alarm in sights_of(app).look().alarms] == ["volume"]


def test_a_block_that_a_promotion_cut_is_none_to_the_tests_of_drift(app: App) -> None:
    assert seen(app, 1) == []
    until(app, 1.5)
    move(app, 3, 1)
    until(app, 2.5)
    move(app, 1, 3)
    for day in range(1, 4):
        ask(app, day, lambda _, rows: rows | {"distance": rows["distance"] * 9.0})
    until(app, 4)
    before, *after = [app.records.monitors.sights("delay", 3)[0], *sights_of(app).look().sights]
    assert [one.cut for one in after] == [True, True, False]
    first, second, third = (one.drift["distance"].e_value for one in after)
    assert first == second == before.drift["distance"].e_value != third
    (test,) = [
        one for one in monitors(app, "delay").tests if (one.family, one.subject) == ("drift", "distance")
    ]
    assert test.blocks == 2


def with_settings(app: App, *, log: LogPolicy | None = None, **monitor: Any) -> App:
    """The same project, with other settings from now on."""
    model = app.policy.models[0]
    watched = msgspec.structs.replace(model.monitor, **monitor)
    service = msgspec.structs.replace(app.policy.service, log=log or app.policy.service.log)
    models = (msgspec.structs.replace(model, monitor=watched),)
    return dataclasses.replace(
        app, policy=msgspec.structs.replace(app.policy, models=models, service=service)
    )


def test_another_block_is_for_the_next_version(app: App) -> None:
    """References that were made of days say nothing of weeks."""
    assert seen(app, 2) == []
    changed = with_settings(app, block="7d")
    for day in range(2, 5):
        ask(app, day)
    until(app, 5)
    looked = sights_of(changed).look()
    assert [(one.end - one.start, one.rows) for one in looked.sights] == [(DAY, ROWS)] * 3
    assert looked.alarms == ()


def test_a_column_that_is_hidden_later_is_left_out_and_said(app: App) -> None:
    def hashed(day: int, rows: dict[str, Any]) -> dict[str, Any]:
        return rows | {"carrier": [f"#{at}" for at in range(len(rows["carrier"]))]}

    assert seen(app, 2) == []
    secret = with_settings(app, log=LogPolicy(hash=("carrier",)))
    for day in range(2, 12):
        ask(app, day, hashed)
    until(app, 12)
    looked = sights_of(secret).look()
    assert looked.alarms == ()
    assert "carrier" not in looked.sights[-1].columns
    said = "carrier is not watched: the log does not hold it as it was"
    assert said in looked.why and said in monitors(secret, "delay").why
    ask(app, 12)
    until(app, 13)
    open_again = sights_of(app).look()
    assert open_again.alarms == (), "its test has counted what were not its values"
    assert "carrier" in open_again.sights[-1].columns
    assert "drift of carrier is not watched: the log hid it for a time" in open_again.why


def test_no_traffic_at_all(app: App) -> None:
    until(app, 30)
    assert sights_of(app).look() == Sighted(
        3, why=("nothing is known of drift of the answers: the version has no holdout",)
    )


def test_slow_answers(app: App) -> None:
    policy = msgspec.structs.replace(app.policy.models[0], monitor=MonitorPolicy(latency_ms=5.0, slow=0.05))
    slow = dataclasses.replace(app, policy=msgspec.structs.replace(app.policy, models=(policy,)))
    ask(slow, 0)
    ask(slow, 1, took=9_000)
    until(slow, 2)
    (alarm,) = sights_of(slow).look().alarms
    assert "100.0% of 250 answers took longer than 5 ms" in alarm.why
    assert "noria service scale delay N" in alarm.action, "a command that can be typed"


def fail(
    app: App, day: int, times: int, *, code: str = "GRAPH-FAILED", number: int = 3, hour: int = 9
) -> None:
    """Requests of a day that got no answer."""
    at = int((FIRST + DAY * day + timedelta(hours=hour, seconds=30)).timestamp()) * 1_000_000
    app.failure_counts("delay").note(Unanswered(at=at, version=number, codes={code: times}))


def test_requests_without_an_answer(app: App) -> None:
    for day in range(6):
        ask(app, day)
    fail(app, 0, 2)  # under one in a hundred
    fail(app, 1, 10)
    fail(app, 1, 30, code="OVERLOADED")
    fail(app, 1, 500, number=2)  # another version's
    until(app, 2)
    looked = sights_of(app).look()
    (alarm,) = looked.alarms
    assert alarm.monitor == "errors" and "13.8% of 290 requests got no answer, and 1.0% may" in alarm.why
    assert alarm.cause == "errors told: OVERLOADED (30), GRAPH-FAILED (10)"
    assert [sight.unanswered for sight in looked.sights] == [
        {"GRAPH-FAILED": 2},
        {"GRAPH-FAILED": 10, "OVERLOADED": 30},
    ]
    assert [sight.requests for sight in looked.sights] == [ROWS, ROWS]
    until(app, 6)
    assert [one.alarm.monitor for one in list_alarms(app)] == ["errors"]
    sights_of(app).look()
    assert list_alarms(app) == [], "three blocks have kept the limit"


def test_failures_between_two_blocks_are_the_later_one_s_and_counted_once(app: App) -> None:
    ask(app, 0)
    fail(app, 0, 5, hour=23)
    until(app, 1)
    assert sights_of(app).look().sights[0].unanswered == {}
    ask(app, 1)
    until(app, 2)
    assert sights_of(app).look().sights[0].unanswered == {"GRAPH-FAILED": 5}
    ask(app, 2)
    until(app, 3)
    assert sights_of(app).look().sights[0].unanswered == {}


def test_nothing_but_failures_is_told_too(app: App) -> None:
    for day in range(8):
        ask(app, day)
    until(app, 8)
    watch = sights_of(app)
    watch.look()
    fail(app, 8, 200)
    until(app, 9)
    found = {alarm.monitor: alarm.why for alarm in watch.look().alarms}
    assert "100.0% of 200 requests got no answer" in found["errors"] and "no row was asked" in found["volume"]


def test_a_champion_that_only_fails_is_told_of_however_young_it_is(app: App) -> None:
    fail(app, 0, 300)
    until(app, 1)
    looked = sights_of(app).look()
    assert [alarm.monitor for alarm in looked.alarms] == ["errors"]
    assert [(sight.rows, sight.unanswered) for sight in looked.sights] == [(0, {"GRAPH-FAILED": 300})]
    until(app, 2)
    assert sights_of(app).look().sights == (), "a day without requests has nothing to tell"
    ask(app, 2)
    fail(app, 2, 1)
    for day in (3, 4):
        fail(app, day, 5000)
    until(app, 5)
    looked = sights_of(app).look()
    assert [sum(sight.unanswered.values()) for sight in looked.sights] == [1, 5000, 5000]
    assert [sight.rows for sight in looked.sights] == [ROWS, 0, 0]


def state(app: App) -> Any:
    last = app.records.monitors.last_sight("delay", 3)
    assert last is not None
    return last.memory, last.drift


def test_each_row_counts_once_however_often_one_begins_anew(tmp_path: Path) -> None:
    """One process that looks once, and one for each half of a day: the same state to the last bit."""
    memories = []
    for name in ("one", "many"):
        (tmp_path / name).mkdir()
        with opened(history(tmp_path / name), FIRST) as app:
            crown(app, 30)
            for day in range(6):
                ask(app, day)
                if name == "many":
                    assert isinstance(app.clock, VirtualClock)
                    app.clock.advance(FIRST + DAY * day + timedelta(hours=12))
                    sights_of(app).look()
            until(app, 6)
            sights_of(app).look()
            memories.append(state(app))
    assert memories[0] == memories[1]


def test_two_watchers_share_the_blocks(app: App) -> None:
    one, other = sights_of(app), sights_of(app)
    for day in range(4):
        ask(app, day)
    one.look(), other.look()
    until(app, 2)
    assert len(one.look().sights) == 2
    assert other.look().sights == ()
    until(app, 4)
    assert len(other.look().sights) == 2
    assert one.look().sights == ()
    assert len(app.records.monitors.sights("delay", 3)) == 4


def test_an_append_that_fails_loses_no_block(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in range(3):
        ask(app, day)
    until(app, 3)
    append, failed = app.records.ledger.append, []

    def fail_once(model: str, changes: Any, **more: Any) -> Any:
        if not failed and type(changes[0]).__name__ == "BlockSeen":
            failed.append(changes)
            raise OSError("the disk")
        return append(model, changes, **more)

    monkeypatch.setattr(app.records.ledger, "append", fail_once)
    sights = sights_of(app)
    with pytest.raises(OSError):
        sights.look()
    assert [one.rows for one in sights.look().sights] == [ROWS] * 3


def test_rows_that_come_late_or_from_the_future(app: App) -> None:
    ask(app, 0)
    ask(app, 1)
    ask(app, 4000)
    until(app, 2)
    sights = sights_of(app)
    assert len(sights.look().sights) == 2
    ask(app, 1, rows=7)
    assert sights.look().late == 7


@pytest.mark.parametrize(("rows", "deaf"), [(6, True), (30, False)])
def test_a_reference_of_some_rows_is_deaf_and_says_so(app: App, rows: int, deaf: bool) -> None:
    """A row a day: six days can never prove anything, thirty can."""
    crown(app, rows, rows=1, number=4)
    for day in range(3):
        ask(app, day, rows=40, number=4)
    until(app, 3)
    looked = sights_of(app).look()
    assert len(looked.sights) == 3
    said = "deaf to drift of distance, carrier, steady, empty: "
    assert any(why.startswith(said) and why.endswith("too few") for why in looked.why) == deaf
    assert looked.alarms == () or {alarm.monitor for alarm in looked.alarms} <= {"range"}


def test_a_million_categories(app: App) -> None:
    """A column that names its rows has nothing to compare; one that begins to is told as new categories, in time."""

    def names(day: int, rows: dict[str, Any]) -> dict[str, Any]:
        return rows | {"carrier": [f"{day}-{at}" for at in range(len(rows["carrier"]))]}

    ask(app, 0)
    ask(app, 1, names, rows=30_000)
    until(app, 2)
    topics = {alarm.topic for alarm in sights_of(app).look().alarms}
    assert "categories/carrier" in topics


def test_a_version_with_other_columns(app: App) -> None:
    """What the champion before was asked is not held against the new one, and a column that a caller leaves out is missing."""
    assert seen(app, 2) == []
    crown(app, 30, number=4)

    def less(day: int, rows: dict[str, Any]) -> dict[str, Any]:
        return {name: values for name, values in rows.items() if name != "steady"}

    for day in range(2, 4):
        ask(app, day, less, number=4)
    until(app, 4)
    looked = sights_of(app).look()
    assert [one.version for one in looked.sights] == [4, 4]
    assert [alarm.topic for alarm in looked.alarms] == ["missing/steady"]


def test_a_clock_that_went_back(app: App) -> None:
    """Another machine's clock is behind: it looks at nothing twice, and nothing is lost."""
    assert seen(app, 3) == []
    ask(app, 3)
    with opened(app.project, FIRST + DAY) as behind:
        assert sights_of(behind).look().sights == ()
    until(app, 4)
    assert [one.rows for one in sights_of(app).look().sights] == [ROWS]


def test_what_the_tests_remember_is_needed(app: App) -> None:
    """`noria gc` keeps the newest state of a version that it keeps, and what it is held against."""
    assert seen(app, 2) == []
    first, last = app.records.monitors.sights("delay", 3)
    marks = Marks(app.artifacts)
    past = past_of(app, "delay")
    mark_kept(app, past, everything(past), marks)
    assert {last.memory, last.baseline} <= marks.digests
    assert first.memory not in marks.digests


class Broken(StepFailed):
    code, what, next = "BROKEN", "predict raised", "mend it"


@dataclasses.dataclass(frozen=True)
class Understaffed(App):
    """An app whose workers cannot answer."""

    def engine(self, *_: Any, **__: Any) -> Any:
        raise Broken()

    def code(self, tree: Any) -> Path:
        return self.project


def test_a_holdout_that_is_not_answered_any_more(app: App) -> None:
    """What else can be watched is watched, and the lack is said."""
    crown(app, 30, number=4)
    made = msgspec.structs.replace(
        app.records.versions.version("delay", 4),
        number=5,
        holdout=app.artifacts.save(pl.DataFrame({"x": [1]})),
    )
    moved = AliasMoved(model="delay", alias="champion", before=4, after=5, why="better", by="gates")
    app.records.ledger.append("delay", [VersionRegistered(version=made), moved], at=app.clock.now())
    ask(app, 0, number=5)
    until(app, 1)
    short = Understaffed(**{one.name: getattr(app, one.name) for one in dataclasses.fields(app)})
    looked = sights_of(short).look()
    assert [one.rows for one in looked.sights] == [ROWS]
    assert "its own holdout is not answered any more: predict raised" in looked.why[0]
