"""Levels of categories: encoders of scikit-learn as tables, with what becomes of None, NaN and what is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from noria.fast.compiled import Block, Number, OneHot, Ordinal, Outcome, Scalar
from noria.fast.compiling.refusal import NoForm
from noria.fast.encode import Table

MOST = 2000  # levels of a one-hot encoder; its table has the square of them


@dataclass(frozen=True)
class Filling:
    """A column of texts whose missing values were filled; an encoder must follow."""

    source: int
    value: str


def ordinal(
    block: Block | Filling, levels: Sequence[Any], *, missing: float | None, other: Outcome
) -> Ordinal:
    """An OrdinalEncoder's column. `missing`: the code of NaN, where it has learned that as a level."""
    if isinstance(block, Ordinal):
        return recoded(block, levels, missing=missing, other=other)
    known = _known(levels)
    none: Outcome = (
        float(len(known)) if _has_none(levels) else other
    )  # a level like others, sorted behind them
    nan: Outcome = missing if _has_nan(levels) else other
    if isinstance(block, Filling):
        none = nan = float(known.index(block.value)) if block.value in known else other
    elif _numeric(known):
        none = nan  # numpy holds None among numbers as NaN
    return Ordinal(source=_source(block), levels=known, none=none, nan=nan, other=other)


def recoded(block: Ordinal, levels: Sequence[Any], *, missing: float | None, other: Outcome) -> Ordinal:
    """An encoder over another one's codes, as one table from the first one's levels."""
    second = Table(ordinal(Number(source=block.source), levels, missing=missing, other=other), "")
    first = Table(block, "")
    if "refuse" in (other, block.none, block.nan, block.other):
        raise NoForm("an encoder over another one refuses unknown levels")

    def code(value: Any) -> float | None:
        found = second.numbers(first.numbers(value)[0])[0]
        return None if found != found else found

    return Ordinal(
        source=block.source,
        levels=block.levels,
        codes=tuple(code(level) for level in block.levels),
        none=code(None),
        nan=code(float("nan")),
        other=code(_Unknown()),
    )


class _Unknown:
    """A level that no encoder knows."""


def one_hot(block: Block | Filling, levels: Sequence[Any], *, dropped: Any, refuses: bool) -> OneHot:
    """A OneHotEncoder's columns."""
    if len(levels) > MOST:
        raise NoForm(f"its OneHotEncoder has {len(levels):,} levels in one column, more than {MOST:,}")
    place = _places(len(levels), dropped)
    by_level = dict(zip(_keys(levels), place, strict=True))
    other: int | Literal["refuse"] = "refuse" if refuses else -1
    known = _known(levels)
    none, nan = by_level.get(None, other), by_level.get("nan of numpy", other)
    if isinstance(block, Filling):
        none = nan = by_level.get(block.value, other)
    elif _numeric(known):
        none = nan
    return OneHot(
        source=_source(block),
        levels=known,
        places=tuple(by_level[level] for level in known),
        width=len(levels) - (dropped is not None),
        none=none,
        nan=nan,
        other=other,
    )


def _places(count: int, dropped: Any) -> list[int]:
    if dropped is None:
        return list(range(count))
    return [-1 if at == dropped else at - (at > dropped) for at in range(count)]


def _keys(levels: Sequence[Any]) -> list[Any]:
    return ["nan of numpy" if level is not None and level != level else level for level in levels]


def _known(levels: Sequence[Any]) -> tuple[Scalar, ...]:
    """The levels that are there: None and NaN are no keys of a table."""
    known = [level for level in levels if level is not None and level == level]
    strange = [level for level in known if not isinstance(level, bool | int | float | str)]
    if strange:
        raise NoForm(f"it encodes levels of type {type(strange[0]).__name__}")
    if any(isinstance(level, float) and level in (float("inf"), float("-inf")) for level in known):
        raise NoForm("it encodes an infinite number as a level")
    return tuple(known)


def _has_none(levels: Sequence[Any]) -> bool:
    return any(level is None for level in levels)


def _has_nan(levels: Sequence[Any]) -> bool:
    return any(level is not None and level != level for level in levels)


def _numeric(known: Sequence[Scalar]) -> bool:
    return not any(isinstance(level, str) for level in known)


def _source(block: Block | Filling) -> int:
    if isinstance(block, Filling):
        return block.source
    if not isinstance(block, Number) or block.changes:
        raise NoForm("an encoder stands behind a step that changes its column")
    return block.source


def with_codes_for_missing(block: Ordinal, last: float) -> Ordinal:
    """The same with the code `last` for whatever is NaN."""
    parts: dict[str, Outcome] = {
        name: last if getattr(block, name) is None else getattr(block, name)
        for name in ("none", "nan", "other")
    }
    codes = tuple(last if code is None else code for code in block.codes)
    return msgspec.structs.replace(block, codes=codes, **parts)
