"""Whether predict's source is straight-line: one call of an estimator on columns of its table, one selection of the result."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

ANSWERING = frozenset({"predict_proba", "predict", "decision_function", "inplace_predict"})
MOVING = frozenset(  # these choose, reorder or repack columns, and compute nothing
    {
        "select",
        "drop",
        "to_numpy",
        "to_pandas",
        "to_arrow",
        "get_column",
        "ravel",
        "flatten",
        "squeeze",
        "copy",
    }
)
REPACKING = frozenset({"asarray", "ascontiguousarray"})  # of numpy
SIMPLE = (
    ast.Name,
    ast.Constant,
    ast.Attribute,
    ast.Subscript,
    ast.Slice,
    ast.List,
    ast.Tuple,
    ast.Starred,
    ast.Load,
)
STORED = (ast.Store, ast.keyword, ast.UnaryOp, ast.USub, ast.BinOp, ast.Add)  # lists of names may be joined
STATEMENTS = (ast.Assign, ast.AnnAssign, ast.Return)


def not_straight(function: Callable[..., Any], estimators: Sequence[str]) -> str:
    """Why the source leaves more to happen than that; empty when it does not."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return "its source cannot be read"
    body = getattr(tree.body[0], "body", [])
    for statement in body:
        if problem := _statement(statement):
            return problem
    asked = [node for one in body for node in ast.walk(one) if _asks(node, estimators)]
    if len(asked) != 1:
        return f"it asks its estimator {len(asked)} times in its source, not once"
    return ""


def _statement(statement: ast.stmt) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return ""
    if not isinstance(statement, STATEMENTS):
        return f"line {statement.lineno} of it is more than an assignment or a return"
    parts = [statement.value, *(statement.targets if isinstance(statement, ast.Assign) else [])]
    return next(filter(None, (_expression(node) for part in parts if part for node in ast.walk(part))), "")


def _expression(node: ast.AST) -> str:
    if isinstance(node, ast.Call):
        return _call(node)
    if isinstance(node, SIMPLE + STORED):
        return ""
    return f"it has a {type(node).__name__} in line {getattr(node, 'lineno', '?')}"


def _call(node: ast.Call) -> str:
    called = ast.unparse(node.func)
    if not isinstance(node.func, ast.Attribute):
        return f"it calls {called}"
    of_numpy = isinstance(node.func.value, ast.Name) and node.func.value.id in ("np", "numpy")
    allowed = REPACKING if of_numpy else MOVING | ANSWERING
    return "" if node.func.attr in allowed else f"it calls {called}"


def _asks(node: ast.AST, estimators: Sequence[str]) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ANSWERING
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in estimators
    )
