"""What an expectation may say, and what it must read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, cast, get_args

from noria.declare.errors import BadOption, MissingAnnotation, WrongRole
from noria.declare.steps import ExpectSpec, Step
from noria.declare.where import Where

Holds = Literal["invariant", "not lower", "not higher"]


def expect_spec(where: Where, holds: object, within: object, share: object, answer: object) -> ExpectSpec:
    """The options as a user writes them, checked. Raises `BadOption`."""
    if holds not in get_args(Holds):
        raise _bad(where, "holds", holds, 'write "invariant", "not lower" or "not higher"')
    if not (_number(within) and 0.0 <= cast(float, within) < math.inf):
        raise _bad(where, "within", within, "give how far an answer may move, 0 or more: within=0.01")
    if not (_number(share) and 0.0 < cast(float, share) <= 1.0):
        raise _bad(where, "share", share, "give the share of rows that it must hold for: share=0.99")
    if not (answer is None or isinstance(answer, str)):
        raise _bad(where, "answer", answer, "name one column of the answers")
    return ExpectSpec(cast(Holds, holds), float(cast(float, within)), float(cast(float, share)), answer)


def check_expectations(expectations: Mapping[str, Step], request: Step | None, predict: Step | None) -> None:
    """Raises `WrongRole` where one reads anything but the request, `MissingAnnotation` where it does not say as what."""
    for step in expectations.values():
        if predict is None or request is None:
            raise _wrong(step, "has no answers to speak of", "add a @predict and a data step")
        if step.inputs != (request.name,):
            reads = ", ".join(step.inputs) or "nothing"
            fix = f"def {step.name}({request.name}: pl.DataFrame) -> pl.DataFrame"
            raise _wrong(step, f"reads {reads}, and not the rows as callers send them", fix)
        if step.wanted(request.name) is None:
            raise MissingAnnotation(where=step.where, name=request.name)


def _wrong(step: Step, problem: str, fix: str) -> WrongRole:
    return WrongRole(where=step.where, role="expect", problem=problem, fix=fix)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bad(where: Where, option: str, given: object, fix: str) -> BadOption:
    return BadOption(where=where, option=option, problem=f"is {given!r}", fix=fix)
