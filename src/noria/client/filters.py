"""Which runs somebody wants to see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args

from noria.app.read import State
from noria.client.errors import BadFilter
from noria.records.runs import TriggerKind

if TYPE_CHECKING:
    from noria.app.read import RunView

Wanted = Any | Callable[[Any], bool]
_ABSENT = object()


@dataclass(frozen=True)
class Filter:
    """What a run must be; empty: any."""

    states: frozenset[str] = frozenset()
    triggers: frozenset[str] = frozenset()
    since: datetime | None = None
    parameters: tuple[tuple[str, Wanted], ...] = ()
    """`step.name`, and the value or a test of it."""

    def fits(self, view: RunView) -> bool:
        asked = view.run.asked
        if self.since is not None and view.run.started < self.since:
            return False
        if self.states and view.state not in self.states:
            return False
        if self.triggers and asked.trigger.kind not in self.triggers:
            return False
        return all(_holds(asked.parameters, name, wanted) for name, wanted in self.parameters)

    def ends(self, view: RunView) -> bool:
        """Whether no older run can fit."""
        return self.since is not None and view.run.started < self.since


def filter_of(
    state: str | Iterable[str] | None, trigger: str | Iterable[str] | None, since: object, parameter: object
) -> Filter:
    """What a person wrote, checked. Raises `BadFilter`."""
    return Filter(
        states=_among(state, "state", get_args(State)),
        triggers=_among(trigger, "trigger", get_args(TriggerKind)),
        since=None if since is None else moment(since),
        parameters=_parameters(parameter),
    )


def moment(since: object) -> datetime:
    """A time, a date, their text, or how long ago. Without a zone it is UTC, as everywhere in Noria."""
    if isinstance(since, timedelta):
        return datetime.now(UTC) - since
    if isinstance(since, date) and not isinstance(since, datetime):
        since = datetime(since.year, since.month, since.day)
    if isinstance(since, str):
        try:
            since = datetime.fromisoformat(since)
        except ValueError as error:
            raise _no_time(since) from error
    if not isinstance(since, datetime):
        raise _no_time(since)
    return since if since.tzinfo else since.replace(tzinfo=UTC)


def _among(given: str | Iterable[str] | None, kind: str, known: Iterable[str]) -> frozenset[str]:
    wanted = frozenset([given] if isinstance(given, str) else given or ())
    for name in sorted(wanted - set(known)):
        raise BadFilter(given=repr(name), kind=kind, fix=f"known are {', '.join(sorted(known))}")
    return wanted


def _parameters(given: object) -> tuple[tuple[str, Wanted], ...]:
    fix = 'name step and parameter: parameter={"classifier.learning_rate": 0.1}; a function tests the value'
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise BadFilter(given=repr(given), kind="parameter", fix=fix)
    for name in given:
        if not (isinstance(name, str) and "." in name.strip(".")):
            raise BadFilter(given=repr(name), kind="parameter", fix=fix)
    return tuple(given.items())


def _holds(parameters: Mapping[str, Mapping[str, Any]], path: str, wanted: Wanted) -> bool:
    step, _, name = path.partition(".")
    found = parameters.get(step, {}).get(name, _ABSENT)
    if found is _ABSENT:
        return False
    return bool(wanted(found)) if callable(wanted) else bool(found == wanted)


def _no_time(given: object) -> BadFilter:
    fix = 'give since="2025-03-01", a datetime, or a timedelta for how long ago'
    return BadFilter(given=repr(given), kind="time", fix=fix)
