"""Findings of one block that have one cause are one alarm: a join that is lost takes all of its columns with it.

What they have in common is the block and the kind of finding: values that are missing, far out or new, in several columns at
once; categories of one column that vanish at once; drifts that ring at once because another share is missing. Such an alarm
stands for each of its subjects: none of them is raised again while it stands, and a mute of it mutes each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from noria.records.monitoring import SEVERITIES, Alarm

NAMED = 8  # subjects that a sentence spells out; the figures hold all
ALIKE = 0.001  # of two shares that are told as one


def grouped(found: Iterable[Alarm]) -> list[Alarm]:
    """One alarm for each cause, in the order in which the causes were found."""
    kin: dict[tuple[str, ...], list[Alarm]] = {}
    for alarm in found:
        kin.setdefault(_cause(alarm), []).append(alarm)
    return [in_one(alarms) for alarms in kin.values()]


def in_one(alarms: Sequence[Alarm]) -> Alarm:
    """Alarms of one block and monitor as one that names all of their subjects, with the evidence of the strongest."""
    if len(alarms) == 1:
        return alarms[0]
    strongest = max(alarms, key=lambda one: one.e_value / one.threshold if one.threshold else 0.0)
    return replace(
        strongest,
        subject=f"{alarms[0].subject}+{len(alarms) - 1}",
        subjects=tuple(one.subject for one in alarms),
        severity=max((one.severity for one in alarms), key=SEVERITIES.index),
        why=_why(alarms, strongest),
        cause=_suspicion(alarms),
        figures={one.subject: one.figures for one in alarms},
    )


def _cause(alarm: Alarm) -> tuple[str, ...]:
    """The same for alarms of a block that are to be one."""
    if alarm.monitor in ("missing", "range", "categories"):
        return (alarm.monitor,)
    if alarm.monitor == "vanished":
        return (alarm.monitor, _column(alarm))
    if alarm.monitor == "drift" and alarm.figures.get("moved") == "missing":
        return (alarm.monitor, "missing")
    return (alarm.monitor, "of", alarm.subject)


def _column(vanished: Alarm) -> str:
    return vanished.subject.partition("=")[0]


def _why(alarms: Sequence[Alarm], strongest: Alarm) -> str:
    first, many = alarms[0], len(alarms)
    match first.monitor:
        case "missing":
            return f"{many} columns are missing in one block: {_shares(alarms)}"
        case "range":
            return f"{many} columns lie far beyond what training had seen, in one block: {_shares(alarms)}"
        case "categories":
            return (
                f"{many} columns have categories that training had not seen, in one block: {_shares(alarms)}"
            )
        case "vanished":
            levels = _named([one.subject.partition("=")[2] for one in alarms])
            rows = f"{first.figures['rows']:,.0f} rows with a {_column(first)}"
            return f"none of {rows} has {levels}, and no block of the training data was without any of them"
        case _:
            return f"{_named([one.subject for one in alarms])} ring in one block; {strongest.subject}: {strongest.why}"


def _shares(alarms: Sequence[Alarm]) -> str:
    """In how many of the rows: told once where the columns have it in common."""
    shares = [float(str(one.figures["share"])) for one in alarms]
    of = f"of {alarms[0].figures['rows']:,.0f} rows"
    if max(shares) - min(shares) <= ALIKE:
        return f"{_named([one.subject for one in alarms])}, in {max(shares):.1%} {of}"
    each = [f"{one.subject} in {share:.1%}" for one, share in zip(alarms, shares, strict=True)]
    return f"{_named(each)} {of}"


def _suspicion(alarms: Sequence[Alarm]) -> str:
    match alarms[0].monitor:
        case "missing":
            return (
                "whoever sends the requests has lost them together: a join, or the one source that fills them"
            )
        case "range" | "categories":
            return f"the one source that fills them has changed; {_named(sorted({one.cause for one in alarms}), 3)}"
        case "vanished":
            return f"these requests do not come any more, or {_column(alarms[0])} is spelt in another way"
        case _:
            return _named([one.cause for one in alarms], 3)


def _named(texts: Sequence[str], most: int = NAMED) -> str:
    told, rest = list(texts[:most]), len(texts) - most
    return ", ".join(told) + (f" and {rest} more" if rest > 0 else "")
