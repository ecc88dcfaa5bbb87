"""A turn of the loop: what it makes of what is stored, and of others at work."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from noria.app.asking import Wish
from noria.app.errors import UnknownVersion
from noria.app.sights import Sighted
from noria.app.watch import Watch, Watched
from noria.app.wiring import App
from noria.control import loop
from noria.control.loop import turn
from noria.errors import Unavailable
from noria.pipeline.drive import Silent
from noria.records.runs import Trigger
from unit.app.stored import START, asked, history, opened

LAST = START + timedelta(hours=4)  # when the newest run was started


class Idle(Watch):
    """A watch that finds nothing."""

    def see(self) -> Sighted:
        return Sighted(version=1)

    def look(self) -> Watched:
        return Watched(version=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return history(tmp_path)


@pytest.fixture
def wishes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Wish]]:
    """What the loop asks `train` for; the run itself is another test's."""
    made: list[Wish] = []

    def record(app: App, model: str, wish: Wish, listener: object) -> Any:
        made.append(wish)
        return "trained"

    monkeypatch.setattr(loop, "train", record)
    yield made


def test_a_persons_interrupted_run_is_left_alone(folder: Path, wishes: list[Wish]) -> None:
    with opened(folder) as app, Idle(app, "delay") as watch:
        took = turn(app, "delay", watch, Silent())
    assert (took.trigger, took.trained, wishes) == (None, None, [])


def test_the_schedule_begins_a_run_afresh_beside_a_persons_interrupted_one(
    folder: Path, wishes: list[Wish]
) -> None:
    with opened(folder, LAST + timedelta(days=7)) as app, Idle(app, "delay") as watch:
        turn(app, "delay", watch, Silent())
    assert [(wish.trigger.kind, wish.afresh) for wish in wishes] == [("schedule", True)]


def test_its_own_interrupted_run_is_gone_on_with(folder: Path, wishes: list[Wish]) -> None:
    with opened(folder) as app, Idle(app, "delay") as watch:
        trigger = Trigger(kind="schedule", cause="every 7 days")
        app.records.ledger.begin(asked(app, 1, 0.1, at=LAST, trigger=trigger), at=app.clock.now())
        turn(app, "delay", watch, Silent())
    assert [(wish.trigger, wish.afresh) for wish in wishes] == [(trigger, False)]


def test_the_schedule_counts_from_when_the_run_was_started(folder: Path, wishes: list[Wish]) -> None:
    """A run of today on last year's data is a run of today."""
    with opened(folder) as app, Idle(app, "delay") as watch:
        trigger = Trigger(kind="person")
        old = asked(app, 1, 0.1, at=START - timedelta(days=300), trigger=trigger)
        app.records.ledger.begin(old, at=app.clock.now())
        turn(app, "delay", watch, Silent())
    assert wishes == []


def test_while_somebody_else_holds_the_model_the_turn_does_nothing(folder: Path) -> None:
    with opened(folder, LAST + timedelta(days=7)) as app, Idle(app, "delay") as watch, app.alone("delay"):
        took = turn(app, "delay", watch, Silent())
    assert took.trigger is not None and took.trained is None


class Unread(Unavailable):
    code, what, next = "UNREAD", "the log cannot be read", "wait"


class Blind(Idle):
    """What was asked cannot be read, and labels can."""

    looks = 0

    def see(self) -> Sighted:
        raise Unread()

    def look(self) -> Watched:
        self.looks += 1
        return super().look()


def test_the_risk_is_watched_though_what_was_asked_cannot_be(folder: Path, wishes: list[Wish]) -> None:
    told: list[Watched] = []
    with opened(folder) as app, Blind(app, "delay") as watch:
        with pytest.raises(Unread):
            turn(app, "delay", watch, Silent(), on_watched=told.append)
        assert (watch.looks, told, wishes) == (1, [Watched(version=1)], [])


def test_other_conflicts_are_raised(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Any:
        raise UnknownVersion(name="delay:9", known=[])

    monkeypatch.setattr(loop, "train", fail)
    with (
        opened(folder, LAST + timedelta(days=7)) as app,
        Idle(app, "delay") as watch,
        pytest.raises(UnknownVersion),
    ):
        turn(app, "delay", watch, Silent())
