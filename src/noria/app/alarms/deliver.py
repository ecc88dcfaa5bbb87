"""Messages out of the outbox to their channels: at least once each, with an id that stays the same."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from noria.errors import NoriaError
from noria.records.alarms import Delivery
from noria.records.base import Record

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.ports.alerts import Alert

CLAIM = timedelta(minutes=10)  # 50 messages of which each waits for ten seconds; then another may try
FIRST, LONGEST = timedelta(seconds=10), timedelta(hours=1)  # between two attempts, doubled from the first on
PATIENCE = timedelta(days=3)  # a receiver that is away over a weekend gets its messages on Monday


class Delivered(Record, kw_only=True):
    """What one round sent."""

    sent: int = 0
    again: int = 0
    """Messages that are tried later."""
    failed: int = 0
    """Messages that are given up."""
    problems: tuple[str, ...] = ()
    """Once for each channel that did not take a message."""


def deliver(app: App) -> Delivered:
    """Send what is due. A channel that fails is left alone until its next turn; what it said stands beside its messages,
    nothing is raised. Safe to kill at any time: what was taken is due again after `CLAIM`."""
    now = app.clock.now()
    if not app.records.outbox.waits(now):
        return Delivered()
    taken = app.records.outbox.take(now, now + CLAIM)
    return _round(app, taken)


def _round(app: App, taken: Iterable[Delivery]) -> Delivered:
    channels = {channel.name: channel for channel in app.policy.alarms.channels}
    alerts: dict[str, Alert] = {}
    down: dict[str, str] = {}
    sent = again = failed = 0
    for delivery in taken:
        name = delivery.channel
        if name not in channels:
            _gone(app, delivery)
            failed += 1
        elif name in down:
            _put_off(app, delivery, down[name], tried=False)
            again += 1
        else:
            alert = alerts.setdefault(name, app.alert(channels[name]))
            problem = _send(app, alert, delivery)
            sent += not problem
            if problem:
                down[name] = problem
                given_up = _put_off(app, delivery, problem, tried=True)
                failed, again = failed + given_up, again + (not given_up)
    problems = tuple(f"{name}: {problem}" for name, problem in down.items())
    return Delivered(sent=sent, again=again, failed=failed, problems=problems)


def _send(app: App, alert: Alert, delivery: Delivery) -> str:
    """What went wrong; empty when it was taken."""
    try:
        alert.send(delivery.notice)
    except NoriaError as error:
        return f"{error} ({error.code})"
    app.records.outbox.sent(delivery.seq, app.clock.now())
    return ""


def _put_off(app: App, delivery: Delivery, problem: str, *, tried: bool) -> bool:
    """Whether it is given up instead."""
    now = app.clock.now()
    if tried and now - delivery.notice.at > PATIENCE:
        app.records.outbox.give_up(delivery.seq, now, problem)
        return True
    app.records.outbox.again(delivery.seq, now + pause(delivery.attempts), problem, tried=tried)
    return False


def pause(attempts: int) -> timedelta:
    """After so many attempts that failed before this one."""
    doubled: int = 1 << min(attempts, 20)  # 20: far over the longest, and no overflow
    return min(FIRST * doubled, LONGEST)


def _gone(app: App, delivery: Delivery) -> None:
    problem = f"noria.toml has no [alarms.to.{delivery.channel}] any more"
    app.records.outbox.give_up(delivery.seq, app.clock.now(), problem)
