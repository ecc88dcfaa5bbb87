"""What starts a run by itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from noria.control.triggers import Wheel, due
from noria.records.monitoring import Alarm
from noria.records.policy import RetrainPolicy
from noria.records.runs import Trigger

NOW = datetime(2013, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY = RetrainPolicy(on=("performance", "schedule"), every=28 * 86_400.0, cooldown=7 * 86_400.0)
ALARM = Alarm(
    model="delay",
    version=1,
    monitor="risk",
    raised=NOW,
    block=NOW,
    e_value=300.0,
    threshold=200.0,
    risk=0.3,
    bound=0.2,
    why="worse",
)


@pytest.mark.parametrize(
    ("wheel", "expected"),
    [
        (Wheel(champion=1, last_run=NOW - 27 * DAY), None),
        (Wheel(champion=1, last_run=NOW - 28 * DAY), "schedule"),
        (Wheel(champion=1, last_run=NOW - 8 * DAY, alarms=(ALARM,)), "performance"),
        (Wheel(champion=1, last_run=NOW - 6 * DAY, alarms=(ALARM,)), None),
        (Wheel(champion=1, last_run=NOW - 30 * DAY, alarms=(ALARM,)), "performance"),
        (Wheel(champion=None, last_run=NOW - 99 * DAY), None),
        (Wheel(champion=None, last_run=None), None),
        (Wheel(champion=1, last_run=NOW, interrupted=Trigger(kind="schedule")), "schedule"),
    ],
)
def test_what_fires(wheel: Wheel, expected: str | None) -> None:
    trigger = due(wheel, POLICY, NOW)
    assert (trigger.kind if trigger else None) == expected


def test_an_alarm_names_itself_as_the_cause() -> None:
    trigger = due(Wheel(champion=1, last_run=NOW - 8 * DAY, alarms=(ALARM,)), POLICY, NOW)
    assert trigger is not None and trigger.cause == "delay:1/risk"


def test_nothing_fires_that_the_policy_does_not_name() -> None:
    wheel = Wheel(champion=1, last_run=NOW - 99 * DAY, alarms=(ALARM,))
    assert due(wheel, RetrainPolicy(), NOW) is None


@pytest.mark.parametrize(
    ("kind", "on", "expected"),
    [
        ("person", ("performance", "schedule"), None),
        ("commit", ("performance", "schedule"), None),
        ("schedule", ("performance",), None),
        ("schedule", (), None),
        ("performance", ("performance",), "performance"),
    ],
)
def test_the_loop_finishes_only_runs_of_its_own(kind: Any, on: Any, expected: str | None) -> None:
    wheel = Wheel(champion=1, last_run=NOW, interrupted=Trigger(kind=kind))
    trigger = due(wheel, RetrainPolicy(on=on, every=28 * 86_400.0), NOW)
    assert (trigger.kind if trigger else None) == expected


def test_a_persons_interrupted_run_does_not_stop_the_wheel() -> None:
    wheel = Wheel(champion=1, last_run=NOW - 28 * DAY, interrupted=Trigger())
    trigger = due(wheel, POLICY, NOW)
    assert trigger is not None and trigger.kind == "schedule"
