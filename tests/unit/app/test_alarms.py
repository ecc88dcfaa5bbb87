"""Alarms between the monitors that find them and the people who see to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from noria.app.alarms.budget import plan_of, recorded
from noria.app.alarms.deliver import FIRST, PATIENCE, deliver, pause
from noria.app.alarms.raising import changes_for, settle
from noria.app.alarms.standing import (
    BadMute,
    NoAlarm,
    NoReason,
    acknowledge,
    list_alarms,
    mute,
    reopen,
    resolve_alarm,
    show_alarm,
)
from noria.app.wiring import App
from noria.control.loop import CALLING
from noria.errors import Conflict
from noria.ports.clock import VirtualClock
from noria.records.events import AliasMoved, VersionRegistered
from noria.records.monitoring import Alarm
from noria.records.policy import ModelPolicy, MonitorPolicy
from unit.app.stored import START, TOML, history, opened

DAY = timedelta(days=1)
CHANNELS = """
[alarms.to.ops]
kind = "webhook"
url = "http://127.0.0.1:9/alarms"
"""  # port 9 of loopback: nobody answers there


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """The champion is delay:1."""
    folder = history(tmp_path)
    (folder / "noria.toml").write_text(TOML + CHANNELS)
    with opened(folder, START + DAY) as app:
        yield app


def found(app: App, day: int = 0, *, subject: str = "origin", version: int = 1) -> Alarm:
    at = START + DAY * day
    return Alarm(
        model="delay",
        version=version,
        monitor="missing",
        subject=subject,
        raised=app.clock.now(),
        block=at,
        e_value=0.0,
        threshold=0.0,
        risk=0.0,
        bound=0.0,
        severity="warning",
        why=f"{subject} is missing in 40.0% of the rows",
    )


def raise_it(app: App, day: int = 0, **more: object) -> None:
    now = app.clock.now()
    changes = changes_for(app, "delay", [found(app, day, **more)])  # type: ignore[arg-type]
    app.records.ledger.append("delay", changes, at=now)


def wait(app: App, span: timedelta) -> None:
    assert isinstance(app.clock, VirtualClock)
    app.clock.advance(span)


def told(app: App) -> list[tuple[str, str]]:
    """What came out of the file of alarms: the kind and the alarm."""
    path = app.state / "alarms.ndjson"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(json.loads(line)["kind"], json.loads(line)["alarm"]["subject"]) for line in lines]


def test_a_cause_that_stands_is_not_raised_again(app: App) -> None:
    for day in range(3):
        raise_it(app, day)
    raise_it(app, 2, subject="carrier")
    first, second = sorted(list_alarms(app), key=lambda one: one.alarm.id, reverse=True)
    assert (first.alarm.id, first.seen, first.last) == ("delay:1/missing/origin", 3, START + 2 * DAY)
    assert second.alarm.id == "delay:1/missing/carrier"
    deliver(app)
    assert told(app) == [("raised", "origin"), ("raised", "carrier")]


def test_what_comes_back_after_it_was_resolved_is_another_alarm(app: App) -> None:
    raise_it(app)
    resolve_alarm(app, "delay:1/missing/origin", by="ada", why="mended")
    raise_it(app, 4)
    (one,) = list_alarms(app)
    assert one.alarm.id == "delay:1/missing/origin#2"
    assert len(list_alarms(app, all=True)) == 2
    deliver(app)
    assert [kind for kind, _ in told(app)] == ["raised", "resolved", "raised"]


def test_people_say_who_and_why(app: App) -> None:
    raise_it(app)
    id = "delay:1/missing/origin"
    assert acknowledge(app, id, by="ada", why="on it").state == "acknowledged"
    with pytest.raises(NoReason, match="needs its reason"):
        resolve_alarm(app, id, by="ada", why=" ")
    assert resolve_alarm(app, id, by="ada", why="mended", dry_run=True).state == "resolved"
    assert show_alarm(app, id).standing.state == "acknowledged"
    assert resolve_alarm(app, id, by="bob", why="mended").by == "bob"
    with pytest.raises(Conflict, match="resolved already, by bob: mended"):
        acknowledge(app, id, by="ada", why="late")
    with pytest.raises(NoAlarm, match="none stands"):
        acknowledge(app, "delay:1/mising/origin", by="ada", why="?")


def test_a_mute_is_silent_until_it_ends(app: App) -> None:
    raise_it(app)
    deliver(app)
    mute(app, "delay:1/missing/origin", 2 * DAY, by="ada", why="known")
    settle(app, "delay", 1)
    deliver(app)
    assert len(told(app)) == 1
    wait(app, 2 * DAY)
    settle(app, "delay", 1)
    deliver(app)
    assert told(app) == [("raised", "origin")] * 2
    assert list_alarms(app)[0].state == "open"
    with pytest.raises(BadMute):
        mute(app, "delay:1/missing/origin", 400 * DAY, by="ada", why="never again")


def test_a_mute_outlives_the_version_and_ends_by_a_word(app: App) -> None:
    raise_it(app)
    mute(app, "delay:1/missing/origin", 7 * DAY, by="ada", why="known")
    deliver(app)
    promote_second(app)
    settle(app, "delay", 3)
    raise_it(app, 5, version=3)
    deliver(app)
    assert told(app) == [("raised", "origin"), ("resolved", "origin")]
    reopen(app, "delay:3/missing/origin", by="ada", why="look again")
    resolve_alarm(app, "delay:3/missing/origin", by="ada", why="mended")
    raise_it(app, 6, version=3)
    deliver(app)
    assert told(app)[-1] == ("raised", "origin")


def test_a_mute_of_several_columns_mutes_each_and_no_other(app: App) -> None:
    """What is lost beside a muted column is told, and the muted one waits for the end of its mute."""
    lose(app, 0, "origin", "carrier")
    mute(app, "delay:1/missing/origin+1", 7 * DAY, by="ada", why="known")
    promote_second(app)
    settle(app, "delay", 3)
    lose(app, 2, "origin", "carrier", "distance", version=3)
    assert {one.alarm.id: one.state for one in list_alarms(app)} == {
        "delay:3/missing/distance": "open",
        "delay:3/missing/origin+1": "muted",
    }
    deliver(app)
    assert told(app) == [("raised", "origin+1"), ("resolved", "origin+1"), ("raised", "distance")]
    wait(app, 7 * DAY)
    settle(app, "delay", 3)
    deliver(app)
    assert told(app)[-1] == ("raised", "origin+1")


def lose(app: App, day: int, *subjects: str, version: int = 1) -> None:
    """Columns that are missing in one block."""
    share = {"share": 1.0, "rows": 900.0}
    alarms = [replace(found(app, day, subject=one, version=version), figures=share) for one in subjects]
    app.records.ledger.append("delay", changes_for(app, "delay", alarms), at=app.clock.now())


def test_the_end_of_what_nobody_was_told_of_is_told_to_nobody(app: App) -> None:
    """A cause that is muted on the version before; of another one the beginning was told, and so is its end in a mute."""
    raise_it(app)
    mute(app, "delay:1/missing/origin", 7 * DAY, by="ada", why="known")
    promote_second(app)
    settle(app, "delay", 3)
    raise_it(app, 2, version=3)
    raise_it(app, 2, version=3, subject="carrier")
    mute(app, "delay:3/missing/carrier", 7 * DAY, by="ada", why="known")
    resolve_alarm(app, "delay:3/missing/carrier", by="ada", why="mended")
    resolve_alarm(app, "delay:3/missing/origin", by="ada", why="mended")
    deliver(app)
    assert told(app) == [
        ("raised", "origin"),
        ("resolved", "origin"),
        ("raised", "carrier"),
        ("resolved", "carrier"),
    ]


def test_a_cause_found_under_a_mute_is_told_when_it_ends_and_starts_nothing_before(app: App) -> None:
    raise_it(app)
    mute(app, "delay:1/missing/origin", 7 * DAY, by="ada", why="known")
    wait(app, DAY)
    promote_second(app)
    settle(app, "delay", 3)
    wait(app, DAY)
    raise_it(app, 2, version=3)
    (one,) = list_alarms(app)
    assert (one.alarm.version, one.state, one.by) == (3, "muted", "ada")
    assert one.state not in CALLING, "it trains nothing"
    wait(app, 5 * DAY - timedelta(seconds=1))
    settle(app, "delay", 3)
    deliver(app)
    assert told(app) == [("raised", "origin"), ("resolved", "origin")]
    wait(app, timedelta(seconds=1))
    settle(app, "delay", 3)
    deliver(app)
    assert told(app)[-1] == ("raised", "origin")
    assert list_alarms(app)[0].state in CALLING


def promote_second(app: App) -> None:
    """delay:3 takes the place of delay:1."""
    first = app.records.versions.version("delay", 1)
    assert first is not None
    made = VersionRegistered(version=replace(first, number=3))
    moved = AliasMoved(model="delay", alias="champion", before=1, after=3, why="better", by="gates")
    app.records.ledger.append("delay", [made, moved], at=app.clock.now())


def test_a_new_champion_ends_the_alarms_of_the_old_one(app: App) -> None:
    raise_it(app)
    promote_second(app)
    settle(app, "delay", 3)
    assert list_alarms(app) == []
    (one,) = list_alarms(app, all=True)
    assert (one.by, one.why) == ("noria", "delay:3 is the champion now")


def test_a_channel_that_is_down_is_tried_again_and_keeps_no_other_waiting(app: App) -> None:
    raise_it(app)
    raise_it(app, subject="carrier")
    first = deliver(app)
    assert (first.sent, first.again, len(first.problems)) == (2, 2, 1)
    assert "ALERT-UNREACHED" in first.problems[0]
    assert deliver(app).again == 0, "not before its time"
    wait(app, FIRST)
    assert deliver(app).again == 2
    ops = [one for one in show_alarm(app, "delay:1/missing/origin").deliveries if one.channel == "ops"]
    assert [(one.attempts, one.state) for one in ops] == [(2, "waiting")]
    wait(app, PATIENCE)
    assert deliver(app).failed == 1
    ops = [one for one in show_alarm(app, "delay:1/missing/origin").deliveries if one.channel == "ops"]
    assert [(one.attempts, one.state) for one in ops] == [(3, "failed")]


def test_a_channel_that_the_project_gave_up(app: App) -> None:
    raise_it(app)
    (app.project / "noria.toml").write_text(TOML)
    with opened(app.project, app.clock.now()) as without:
        assert (deliver(without).failed, len(told(without))) == (1, 1)


def test_pauses_double_up_to_an_hour() -> None:
    assert [pause(n).total_seconds() for n in (0, 1, 5, 9, 1000)] == [10, 20, 320, 3600, 3600]


def models(app: App, *names: str, own: float | None = None) -> list[ModelPolicy]:
    return [
        ModelPolicy(
            name=name, pipeline="p:p", monitor=MonitorPolicy(false_alarm=own if name == "own" else None)
        )
        for name in names
    ]


def shared(app: App, *names: str, own: float | None = None) -> App:
    return replace_app(app, replace(app.policy, models=tuple(models(app, *names, own=own))))


def replace_app(app: App, policy: object) -> App:
    from dataclasses import replace as replaced

    return replaced(app, policy=policy)  # type: ignore[arg-type]


def crown(app: App, name: str, number: int = 1) -> None:
    first = app.records.versions.version("delay", 1)
    assert first is not None
    aliases = app.records.versions.aliases(name)
    moved = AliasMoved(
        model=name, alias="champion", before=aliases.get("champion"), after=number, why="first", by="gates"
    )
    made = VersionRegistered(version=replace(first, model=name, number=number))
    app.records.ledger.append(name, [made, moved], at=app.clock.now())


def part(app: App, name: str, number: int = 1) -> float:
    return plan_of(app, app.model(name), number, ["risk", "drift"]).false_alarm


def test_the_budget_is_never_spent_twice(app: App) -> None:
    """Three models, then a fourth, then a new version of the first: what is in use adds up to less than the budget."""
    three = shared(app, "a", "b", "c")
    for name in ("a", "b", "c"):
        crown(three, name)
    parts = [part(three, name) for name in ("a", "b", "c")]
    assert parts == pytest.approx([0.05 / 4] * 3)
    four = shared(app, "a", "b", "c", "d")
    crown(four, "d")
    assert part(four, "d") == pytest.approx(0.05 / 8)
    assert part(four, "a") == parts[0], "a test that runs keeps its threshold"
    crown(four, "a", 2)
    renewed = part(four, "a", 2)
    assert 0 < renewed + sum(parts[1:]) + 0.05 / 8 < 0.05


def test_a_budget_that_was_lowered_leaves_the_least_and_says_so(app: App) -> None:
    """Two models hold more than all of the new one: a third is watched all the same."""
    two = shared(app, "a", "b")
    for name in ("a", "b"):
        crown(two, name)
        part(two, name)
    three = shared(app, "a", "b", "c")
    less = replace(three.policy.alarms, false_alarm=0.01)
    lowered = replace_app(three, replace(three.policy, alarms=less))
    crown(lowered, "c")
    assert part(lowered, "c") == pytest.approx(1e-5)
    plan = recorded(lowered, "c", 1)
    assert plan is not None
    assert min(plan.shares.values()) > 0
    assert plan.over == pytest.approx(2 * 0.05 / 3 + 1e-5 - 0.01)


def test_a_model_with_a_share_of_its_own_stands_outside(app: App) -> None:
    both = shared(app, "a", "own", own=0.2)
    for name in ("a", "own"):
        crown(both, name)
    assert (part(both, "own"), part(both, "a")) == (0.2, pytest.approx(0.025))
    plan = recorded(both, "own", 1)
    assert plan is not None
    assert (plan.budget, sum(plan.shares.values())) == (None, pytest.approx(0.2))


def test_somebody_resolves_it_at_this_very_moment(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    raise_it(app)
    promote_second(app)
    append = app.records.ledger.append

    def race(model: str, changes: Any, **more: Any) -> Any:
        monkeypatch.setattr(app.records.ledger, "append", append)
        resolve_alarm(app, "delay:1/missing/origin", by="ada", why="mended")
        return append(model, changes, **more)

    monkeypatch.setattr(app.records.ledger, "append", race)
    assert settle(app, "delay", 3) == ()
    (one,) = list_alarms(app, all=True)
    assert one.by == "ada"
