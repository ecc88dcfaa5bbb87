"""Preprocessing as blocks of columns: what each column of a model's matrix is made of.

Only operations that look at one input at a time have a form; a step that mixes columns is named in the refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from noria.fast import encode
from noria.fast.compiled import Block, Change, Filled, Number, OneHot, Outcome, Scaled, Stretched
from noria.fast.compiling.levels import Filling, one_hot, ordinal
from noria.fast.compiling.refusal import NoForm, named

Column = Block | Filling
Blocks = list[Column]


def inputs(width: int) -> Blocks:
    """The inputs as they come."""
    return [Number(source=at) for at in range(width)]


def finished(blocks: Blocks, width: int) -> tuple[Block, ...]:
    """The blocks for the document; none where the model takes the inputs as they are."""
    if any(isinstance(block, Filling) for block in blocks):
        raise NoForm("it fills in texts that nothing encodes afterwards")
    made = tuple(block for block in blocks if not isinstance(block, Filling))
    return () if list(made) == inputs(width) else made


def transformed(step: Any, blocks: Blocks, names: Sequence[str] | None) -> Blocks:
    """The columns after one fitted step. Raises `NoForm`."""
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return blocks
    kind = named(step)
    if kind == "Pipeline":
        for _, inner in step.steps:
            blocks = transformed(inner, blocks, names)
            names = None
        return blocks
    if kind == "ColumnTransformer":
        return _side_by_side(step, blocks, names)
    if kind not in STEPS or not type(step).__module__.startswith("sklearn."):
        raise NoForm(f"its {kind} has no fast form")
    return STEPS[kind](step, blocks)


def _side_by_side(step: Any, blocks: Blocks, names: Sequence[str] | None) -> Blocks:
    made: Blocks = []
    for name, inner, _ in step.transformers_:
        chosen = step._transformer_to_input_indices[name]
        if (isinstance(inner, str) and inner == "drop") or not len(chosen):
            continue
        part = _chosen(blocks, [int(at) for at in chosen])
        made += transformed(inner, part, [names[at] for at in chosen] if names else None)
    return made


def _chosen(blocks: Blocks, positions: Sequence[int]) -> Blocks:
    """Whole blocks by the positions of their columns."""
    owner = [at for at, block in enumerate(blocks) for _ in range(width_of(block))]
    wanted = list(dict.fromkeys(owner[at] for at in positions))
    if [at for one in wanted for at, block in enumerate(owner) if block == one] != list(positions):
        raise NoForm("it takes a part of the columns of a OneHotEncoder")
    return [blocks[at] for at in wanted]


def width_of(block: Column) -> int:
    """How many columns of a matrix it makes."""
    return 1 if isinstance(block, Filling) else encode.width_of(block)


def _then(blocks: Blocks, changes: Iterable[Change | None]) -> Blocks:
    """Each column with a change behind it; None: unchanged."""
    waiting = list(changes)
    made: Blocks = []
    for block in blocks:
        mine = [waiting.pop(0) for _ in range(width_of(block))]
        made.append(_with(block, mine))
    return made


def _with(block: Column, changes: Sequence[Change | None]) -> Column:
    if isinstance(block, Filling):
        raise NoForm("it scales a column of texts")
    if isinstance(block, OneHot):
        before = block.changes or ((),) * block.width
        after = tuple((*old, *((new,) if new else ())) for old, new in zip(before, changes, strict=True))
        return msgspec.structs.replace(block, changes=after)
    return msgspec.structs.replace(block, changes=(*block.changes, *(one for one in changes if one)))


def _standard(step: Any, blocks: Blocks) -> Blocks:
    minus = step.mean_.tolist() if step.with_mean else None
    over = step.scale_.tolist() if step.with_std else None
    return _scaled(blocks, minus, over)


def _robust(step: Any, blocks: Blocks) -> Blocks:
    minus = step.center_.tolist() if step.with_centering else None
    over = step.scale_.tolist() if step.with_scaling else None
    return _scaled(blocks, minus, over)


def _scaled(blocks: Blocks, minus: list[float] | None, over: list[float] | None) -> Blocks:
    none: list[float | None] = [None] * sum(map(width_of, blocks))
    pairs = zip(minus or none, over or none, strict=True)
    return _then(blocks, [Scaled(minus=one, over=by) for one, by in pairs])


def _stretched(step: Any, blocks: Blocks) -> Blocks:
    low, high = (map(float, step.feature_range)) if step.clip else (None, None)
    pairs = zip(step.scale_.tolist(), step.min_.tolist(), strict=True)
    return _then(blocks, [Stretched(times=by, plus=add, low=low, high=high) for by, add in pairs])


def _imputed(step: Any, blocks: Blocks) -> Blocks:
    if step.add_indicator:
        raise NoForm("its SimpleImputer adds indicators")
    if step.missing_values is not None and step.missing_values == step.missing_values:
        raise NoForm(f"its SimpleImputer fills {step.missing_values!r}, not missing values")
    values = step.statistics_.tolist()
    if any(value != value for value in values):
        raise NoForm("its SimpleImputer drops a column that had no values")
    if all(isinstance(value, str) for value in values):
        return [_filling(block, value) for block, value in zip(blocks, values, strict=True)]
    return _then(blocks, [Filled(value=float(value)) for value in values])


def _filling(block: Column, value: str) -> Filling:
    if not isinstance(block, Number) or block.changes:
        raise NoForm("it fills in texts of a column that is none any more")
    return Filling(block.source, value)


def _ordinal(step: Any, blocks: Blocks) -> Blocks:
    if getattr(step, "_infrequent_enabled", False):
        raise NoForm("its OrdinalEncoder folds rare levels together")
    refuses = step.handle_unknown == "error"
    other: Outcome = "refuse" if refuses else _or_nan(step.unknown_value)
    missing = _or_nan(step.encoded_missing_value)
    return [
        ordinal(block, levels.tolist(), missing=missing, other=other)
        for block, levels in zip(blocks, step.categories_, strict=True)
    ]


def _or_nan(value: Any) -> float | None:
    return None if value is None or value != value else float(value)


def _one_hot(step: Any, blocks: Blocks) -> Blocks:
    if getattr(step, "_infrequent_enabled", False):
        raise NoForm("its OneHotEncoder folds rare levels together")
    dropped = [None] * len(blocks) if step.drop_idx_ is None else list(step.drop_idx_)
    return [
        one_hot(block, levels.tolist(), dropped=drop, refuses=step.handle_unknown == "error")
        for block, levels, drop in zip(blocks, step.categories_, dropped, strict=True)
    ]


def _itself(step: Any, blocks: Blocks) -> Blocks:
    if step.func is not None:
        raise NoForm(f"its FunctionTransformer calls {getattr(step.func, '__name__', 'a function')}")
    return blocks


STEPS: dict[str, Callable[[Any, Blocks], Blocks]] = {
    "StandardScaler": _standard,
    "RobustScaler": _robust,
    "MaxAbsScaler": lambda step, blocks: _scaled(blocks, None, step.scale_.tolist()),
    "MinMaxScaler": _stretched,
    "SimpleImputer": _imputed,
    "OrdinalEncoder": _ordinal,
    "OneHotEncoder": _one_hot,
    "FunctionTransformer": _itself,
}
