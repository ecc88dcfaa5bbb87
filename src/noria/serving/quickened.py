"""What a version's fast path makes of its graph: compiled models in the place of estimators, and single rows past it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from noria.declare import Resolved
from noria.fast.direct import Row, open_direct
from noria.fast.opened import Fast, open_model, read_compiled
from noria.fast.standing import stand_in
from noria.graph.answer import Graph
from noria.graph.open import Stand
from noria.graph.rowwise import row_function
from noria.ports.objects import ObjectStore
from noria.records.fast import FastPath
from noria.records.versions import Signature, Version
from noria.serving.by_model import few_by
from noria.serving.rows import python_readers
from noria.serving.served import Few


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
    """A few rows answered one by one, through row functions in the place of transforms; None where there is no such way."""
    path = version.fast
    if path is None or path.level != "direct" or path.plan is None:
        return None
    row = row_function(resolved, graph.frozen, graph.given, path.plan.table)
    if row is None:
        return None
    signature = version.signature
    names = [column.name for column in signature.request]
    one = open_direct(path.plan, models[path.plan.estimator], names, _of_request(row, signature)).one
    return few_by(one, single=len(signature.answer) == 1)


def _of_request(row: Callable[[Row], Row], signature: Signature) -> Callable[[dict[str, Any]], Row]:
    """A row function of rows as the quick reader gives them, which it makes Python's in their place."""
    changed = list(python_readers(signature).items())
    if not changed:
        return row

    def made(given: dict[str, Any]) -> Row:
        for name, read in changed:
            value = given[name]
            if value is not None:
                given[name] = read(value)
        return row(given)

    return made
