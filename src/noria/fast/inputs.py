"""What a compiled model does with each of its inputs, and the way back from its thresholds to their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from noria.fast.compiled import Change, Compiled, Filled, Leaves, Number, OneHot, Onnx, Scaled, Trees, XgBoost


def places_of(compiled: Compiled, at: int) -> list[tuple[int, tuple[Change, ...]]]:
    """Where in the model's matrix a numeric input stands, and what was done to it."""
    if not compiled.blocks:
        return [(at, ())]
    found, position = [], 0
    for block in compiled.blocks:
        if isinstance(block, Number) and block.source == at:
            found.append((position, block.changes))
        position += block.width if isinstance(block, OneHot) else 1
    return found


def before(values: Any, changes: Sequence[Change]) -> Any:
    """What an input was before its changes, as near as doubles come."""
    for change in reversed(changes):
        if isinstance(change, Scaled):
            values = values * (1.0 if change.over is None else change.over)
            values = values + (0.0 if change.minus is None else change.minus)
        elif not isinstance(change, Filled):
            values = (values - change.plus) / (change.times or 1.0)
    return values


def is_used(compiled: Compiled, at: int) -> bool:
    """Whether the model looks at this input."""
    return not compiled.blocks or any(block.source == at for block in compiled.blocks)


def is_number(compiled: Compiled, at: int) -> bool:
    """Whether an input is nothing but a number to the model."""
    blocks = [block for block in compiled.blocks if block.source == at]
    return is_used(compiled, at) and all(isinstance(block, Number) for block in blocks)


def fills(compiled: Compiled, at: int) -> bool:
    """Whether a missing value of this input is filled in before the model sees it."""
    blocks = [block for block in compiled.blocks if isinstance(block, Number) and block.source == at]
    return bool(blocks) and all(any(isinstance(one, Filled) for one in block.changes) for block in blocks)


def is_single(compiled: Compiled) -> bool:
    """Whether the model compares in 32 bits."""
    model = compiled.model
    if isinstance(model, Onnx):
        return all(each.kind == "float32" for each in model.inputs)
    return isinstance(model, XgBoost | Leaves) or (isinstance(model, Trees) and model.single)
