"""Whether those who ask the champion can go on asking the candidate: requests and answers of two signatures."""

from __future__ import annotations

import re
from collections.abc import Iterator

from noria.records.base import Json
from noria.records.gates import Schema, Verdict
from noria.records.versions import RequestColumn, Signature, Version

SCHEMA = "schema"
SHOWN = 5  # categories that a sentence names
_WIDTH = re.compile(r"(u?)(int|float)(\d+)")
_FLOATS = {"halffloat": 16, "half_float": 16, "float": 32, "double": 64}


def compatible(gate: Schema, candidate: Version, champion: Version | None, *, served: bool) -> Verdict | None:
    """None where nobody asks: what is only asked while a service answers says nothing of equal schemas otherwise, and of
    others that nobody is hurt yet."""
    if champion is None:
        return None if gate.served else Verdict(gate=SCHEMA, outcome="pass", why="there is no champion yet")
    breaks = list(breaking(champion.signature, candidate.signature))
    others = list(_others(champion.signature, candidate.signature))
    faults = breaks if gate.least == "compatible" else [*breaks, *others]
    if gate.served and not served and not faults:
        return None
    evidence: dict[str, Json] = {
        "against": champion.name,
        "breaks": list(breaks),
        "differs": list(others),
        "served": served,
    }
    if not faults:
        why = f"callers of {champion.name} can ask as they do" + (f" ({'; '.join(others)})" if others else "")
        return Verdict(gate=SCHEMA, outcome="pass", why=why, evidence=evidence)
    told = f"callers of {champion.name} would be refused or misled: {'; '.join(faults)}"
    if gate.served and not served:
        why = f"no service answers with the champion now; once one does, {told}"
        return Verdict(gate=SCHEMA, outcome="pass", why=why, evidence=evidence)
    return Verdict(gate=SCHEMA, outcome="fail", why=told, evidence=evidence)


def breaking(before: Signature, now: Signature) -> Iterator[str]:
    """What of a new signature breaks those who call by the old one. The service asks for every column by name, null where
    there is nothing, and refuses names that it does not know: so both a new and a dropped column break a caller."""
    old = {column.name: column for column in before.request}
    new = {column.name: column for column in now.request}
    for name in sorted(new.keys() - old.keys()):
        yield f"requests must have a new column {name} ({new[name].type})"
    for name in sorted(old.keys() - new.keys()):
        yield f"requests may not have {name} any more"
    for name, column in new.items():
        if name in old:
            yield from _column(old[name], column)
            if before.unknown == now.unknown == "refuse":
                yield from _refused(old[name], column)
    if before.key != now.key:
        yield f"the key is {_listed(now.key)}, before {_listed(before.key)}"
    if before.unknown == "accept" and now.unknown == "refuse":
        yield "unknown categories and nulls are refused, before they were accepted"
    yield from _answers(before, now)


def _column(before: RequestColumn, now: RequestColumn) -> Iterator[str]:
    if before.type != now.type and not _takes(now.type, before.type):
        yield f"{now.name} must be {now.type}, before {before.type}"


def _refused(before: RequestColumn, now: RequestColumn) -> Iterator[str]:
    """What of one column was seen in training before and is not now, where a service refuses what was not."""
    if before.nulls and not now.nulls:
        yield f"{now.name} may not be null any more"
    if now.levels is None:
        return
    if before.levels is None:
        yield f"{now.name} must be one of {len(now.levels)} categories, before any {before.type}"
    elif gone := sorted(set(before.levels) - set(now.levels)):
        more = f" and {len(gone) - SHOWN} more" if len(gone) > SHOWN else ""
        yield f"{now.name} may not be {', '.join(gone[:SHOWN])}{more} any more"


def _answers(before: Signature, now: Signature) -> Iterator[str]:
    old, new = ({column.name: column.type for column in one.answer} for one in (before, now))
    if before.answer_kind != now.answer_kind:
        yield f"answers come as {now.answer_kind}, before as {before.answer_kind}"
    for name in old:
        if name not in new:
            yield f"answers have no {name} any more"
        elif old[name] != new[name] and not _takes(old[name], new[name]):
            yield f"answer {name} is {new[name]}, before {old[name]}"


def _others(before: Signature, now: Signature) -> Iterator[str]:
    """What differs and breaks nobody."""
    old = {column.name: column for column in before.request}
    for column in now.request:
        before_type = old[column.name].type if column.name in old else column.type
        if column.type != before_type and _takes(column.type, before_type):
            yield f"{column.name} takes {column.type}, before {before_type}"
    old_answers = {column.name for column in before.answer}
    for answer in now.answer:
        if answer.name not in old_answers:
            yield f"answers have a new {answer.name}"
    for what in ("time", "unit"):
        if getattr(before, what) != getattr(now, what):
            yield f"the {what} is {getattr(now, what)}, before {getattr(before, what)}"


def _takes(wide: str, narrow: str) -> bool:
    """Whether every value of one numeric type is one of the other."""
    a, b = _number(wide), _number(narrow)
    if wide == narrow:
        return True
    if a is None or b is None:
        return False
    (kind, signed, bits), (small, small_signed, small_bits) = a, b
    if kind == small == "int":
        return bits >= small_bits if signed == small_signed else signed and bits > small_bits
    if kind == "float":
        digits = {16: 11, 32: 24, 64: 53}[bits]
        return bits >= small_bits if small == "float" else small_bits <= digits
    return False


def _number(name: str) -> tuple[str, bool, int] | None:
    if name in _FLOATS:
        return "float", True, _FLOATS[name]
    parts = _WIDTH.fullmatch(name)
    return (parts[2], not parts[1], int(parts[3])) if parts else None


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"
