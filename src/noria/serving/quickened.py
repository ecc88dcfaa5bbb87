"""What a version's fast path makes of its graph: compiled models in the place of estimators, and single rows past it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

from noria.declare import Resolved
from noria.fast.compiled import MethodName
from noria.fast.opened import Fast, open_model, read_compiled
from noria.fast.standing import stand_in
from noria.graph.answer import Graph
from noria.graph.open import Stand
from noria.graph.rowwise import row_function
from noria.ports.objects import ObjectStore
from noria.records.fast import FastPath
from noria.records.versions import Version
from noria.serving.quick import Values
from noria.serving.rows import python_values

Few = Callable[[Sequence[Values]], Sequence[tuple[Any, ...]]]


def opened(path: FastPath | None, store: ObjectStore) -> dict[str, Fast]:
    """The compiled models of a version, by frozen output. Raises what keeps one from being opened."""
    compiled = path.compiled if path is not None else {}
    return {name: open_model(read_compiled(store.get(each.digest))) for name, each in compiled.items()}


def stands(models: Mapping[str, Fast]) -> dict[str, Stand]:
    """For `open_graph`: the estimators' stand-ins."""
    return {name: cast("Stand", partial(_stand, model)) for name, model in models.items()}


def _stand(model: Fast, load: Callable[[], Any]) -> Any:
    return stand_in(load, model)


def few_rows(version: Version, resolved: Resolved, graph: Graph, models: Mapping[str, Fast]) -> Few | None:
    """A few rows answered one by one, through row functions in the place of transforms; None where there is no such way.

    Rows as the quick reader gives them; an answer is a tuple of the answer's columns.
    """
    path = version.fast
    if path is None or path.level != "direct" or path.plan is None:
        return None
    plan = path.plan
    made = row_function(resolved, graph.frozen, graph.given, plan.table)
    if made is None:
        return None
    read, names = made, [column.name for column in version.signature.request]
    one = models[plan.estimator].method(cast(MethodName, plan.method), plan.column).one
    values, columns = python_values(version.signature), plan.columns
    single = len(version.signature.answer) == 1

    def few(rows: Sequence[Values]) -> list[tuple[Any, ...]]:
        answers = []
        for row in rows:
            features = read(dict(zip(names, values(row), strict=True)))
            answer = one([features[name] for name in columns])
            answers.append((answer,) if single else tuple(answer))
        return answers

    return few
