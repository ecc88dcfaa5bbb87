"""One test message through each channel, at once and past the outbox: does it arrive?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from noria.errors import NoriaError, NotFound
from noria.records.alarms import Notice
from noria.records.base import Record
from noria.records.monitoring import Alarm

if TYPE_CHECKING:
    from noria.app.wiring import App


@dataclass(eq=False)
class NoChannel(NotFound):
    code: ClassVar[str] = "CHANNEL-NONE"
    what: ClassVar[str] = "noria.toml has no channel {name}; it has {known}"
    next: ClassVar[str] = "write [alarms.to.{name}], or name another one"
    name: str
    known: Sequence[str]


class Tried(Record, kw_only=True):
    """What became of a test message."""

    channel: str
    kind: str
    problem: str = ""
    """Empty: it was taken."""
    next: str = ""


def try_channels(app: App, name: str | None = None) -> tuple[Tried, ...]:
    """Through the one, or each. Raises `NoChannel`."""
    channels = app.policy.alarms.channels
    if name is not None and name not in [channel.name for channel in channels]:
        raise NoChannel(name=name, known=[channel.name for channel in channels])
    notice = _notice(app)
    tried = []
    for channel in channels:
        if name in (None, channel.name):
            kind = str(channel.__struct_config__.tag)
            try:
                app.alert(channel).send(notice)
            except NoriaError as error:
                problem = f"{error} ({error.code})"
                tried.append(Tried(channel=channel.name, kind=kind, problem=problem, next=error.advice()))
            else:
                tried.append(Tried(channel=channel.name, kind=kind))
    return tuple(tried)


def _notice(app: App) -> Notice:
    now = app.clock.now()
    alarm = Alarm(
        model=app.policy.models[0].name,
        version=0,
        monitor="test",
        raised=now,
        block=now,
        e_value=0.0,
        threshold=0.0,
        risk=0.0,
        bound=0.0,
        severity="warning",
        why="this is a test of the channel: nothing is wrong",
        cause="somebody has run noria alarms test",
        action="nothing: alarms of this project will arrive here",
    )
    return Notice(id=f"test-{int(now.timestamp() * 1e6)}", kind="test", at=now, alarm=alarm)
