"""Whether predict's source is straight-line: one call of an estimator on columns of its table, one selection of the result."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

ANSWERING = frozenset({"predict_proba", "predict", "decision_function", "inplace_predict"})
MOVING = frozenset(  # these choose, reorder or repack columns, and compute nothing
    {
        "select",
        "select_seq",
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
FEEDING = (ast.Dict, ast.DictComp, ast.comprehension)  # an ONNX model takes its inputs by name
RETYPING = frozenset({"astype", "cast"})  # to the types of its inputs
DOUBLES = frozenset({"float", "float64", "Float64"})
FLOATS = DOUBLES | {"float32", "Float32"}
RESHAPING = frozenset({"reshape", "get_inputs", "get_outputs"})
STATEMENTS = (ast.Assign, ast.AnnAssign, ast.Return)


@dataclass(frozen=True)
class Allowed:
    """What a straight source may hold."""

    asking: frozenset[str] = ANSWERING
    nodes: tuple[type[ast.AST], ...] = SIMPLE + STORED
    calls: frozenset[str] = MOVING | ANSWERING
    retyping: frozenset[str] = frozenset()
    types: frozenset[str] = DOUBLES
    """What numbers may become on their way."""


ESTIMATORS = Allowed()
SESSIONS = Allowed(
    asking=frozenset({"run"}),
    nodes=SIMPLE + STORED + FEEDING,
    calls=MOVING | RESHAPING | {"run"},
    retyping=RETYPING,
    types=FLOATS,
)


def not_straight(
    function: Callable[..., Any], estimators: Sequence[str], allowed: Allowed = ESTIMATORS
) -> str:
    """Why the source leaves more to happen than that; empty when it does not."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return "its source cannot be read"
    body = getattr(tree.body[0], "body", [])
    for statement in body:
        if problem := _statement(statement, allowed):
            return problem
    asked = [node for one in body for node in ast.walk(one) if _asks(node, estimators, allowed.asking)]
    if len(asked) != 1:
        return f"it asks its estimator {len(asked)} times in its source, not once"
    return ""


def _statement(statement: ast.stmt, allowed: Allowed) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return ""
    if not isinstance(statement, STATEMENTS):
        return f"line {statement.lineno} of it is more than an assignment or a return"
    parts = [statement.value, *(statement.targets if isinstance(statement, ast.Assign) else [])]
    nodes = (node for part in parts if part for node in ast.walk(part))
    return next(filter(None, (_expression(node, allowed) for node in nodes)), "")


def _expression(node: ast.AST, allowed: Allowed) -> str:
    if isinstance(node, ast.Call):
        return _call(node, allowed)
    if isinstance(node, ast.comprehension) and node.ifs:
        return "it leaves columns out by a condition"
    if isinstance(node, allowed.nodes):
        return ""
    return f"it has a {type(node).__name__} in line {getattr(node, 'lineno', '?')}"


def _call(node: ast.Call, allowed: Allowed) -> str:
    called = ast.unparse(node.func)
    if not isinstance(node.func, ast.Attribute):
        return f"it calls {called}"
    of_numpy = isinstance(node.func.value, ast.Name) and node.func.value.id in ("np", "numpy")
    known = REPACKING if of_numpy else allowed.calls | allowed.retyping
    if node.func.attr not in known:
        return f"it calls {called}"
    changes = of_numpy or node.func.attr in allowed.retyping
    if changes and (wrong := _types(node, of_numpy) - allowed.types):
        return f"it calls {called} for {', '.join(sorted(wrong))}"
    return ""


def _types(node: ast.Call, of_numpy: bool) -> set[str]:
    """The types that a call makes of what it is given, by the last part of their names: `np.float32`, `"float32"`."""
    given = [*node.args[of_numpy:], *(one.value for one in node.keywords if one.arg in ("dtype", "dtypes"))]
    return {ast.unparse(one).rpartition(".")[2].strip("'") for one in given}


def _asks(node: ast.AST, estimators: Sequence[str], asking: frozenset[str]) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in asking
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in estimators
    )
