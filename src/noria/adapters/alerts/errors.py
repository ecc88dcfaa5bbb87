"""What may keep an alarm from being told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from noria.errors import BackendError, Unavailable


@dataclass(eq=False)
class AlertUnreached(Unavailable):
    code: ClassVar[str] = "ALERT-UNREACHED"
    what: ClassVar[str] = "the channel {channel} could not be reached at {where}: {why}"
    next: ClassVar[str] = "it is tried again by itself; to try it now: noria alarms test {channel}"
    channel: str
    where: str
    why: str


@dataclass(eq=False)
class AlertRefused(BackendError):
    code: ClassVar[str] = "ALERT-REFUSED"
    what: ClassVar[str] = "the channel {channel} refused an alarm at {where}: {why}"
    next: ClassVar[str] = (
        "mend [alarms.to.{channel}] in noria.toml or the receiver, then: noria alarms test {channel}"
    )
    channel: str
    where: str
    why: str


@dataclass(eq=False)
class AlertUnset(BackendError):
    code: ClassVar[str] = "ALERT-UNSET"
    what: ClassVar[str] = "the channel {channel} needs the environment variable {variable}, which {problem}"
    next: ClassVar[str] = (
        "set {variable} for whoever runs noria serve or noria watch, then: noria alarms test {channel}"
    )
    channel: str
    variable: str
    problem: str = "is not set"


def said_of(error: ValueError) -> str:
    """What is wrong with a name, an address or a password; without the character, which may be a secret's."""
    return f"not to be encoded: {error.reason}" if isinstance(error, UnicodeEncodeError) else str(error)
