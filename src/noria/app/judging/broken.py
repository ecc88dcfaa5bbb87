"""Known-bad models: weights that are NaN, and answers that take too long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from noria.app.judging.plants import CannotPlant
from noria.records.artifacts import Artifact
from noria.records.base import Digest, canonical, parse
from noria.records.sources import Tree, TreeFile
from noria.records.versions import ServingGraph, Version

if TYPE_CHECKING:
    from noria.app.wiring import App

DEEP = 12  # levels of objects that are looked into; a pipeline of ensembles of trees has seven
WEIGHTLESS = frozenset({"arrow", "bytes", "png", "list", "json"})  # tables, files and settings
SLOW = 0.1  # s that each answer takes longer
MODULE = "noria_planted_slow"  # in the planted source tree

_SLOWED = '''"""Planted by `noria drill gates`: the same pipeline, whose answers take {seconds} s longer."""

import functools
import time
from dataclasses import replace

from {module} import {name} as pipeline


def _slowed(step):
    @functools.wraps(step.function)
    def slow(*given, **named):
        time.sleep({seconds})
        return step.function(*given, **named)

    return replace(step, function=slow)


pipeline.steps.update(
    {{name: _slowed(step) for name, step in pipeline.steps.items() if step.role == "predict"}}
)
'''


def nan_weights(app: App, version: Version) -> tuple[dict[str, Artifact], str]:
    """Frozen outputs with NaN in the place of every weight that can be reached, by name. Raises `CannotPlant`."""
    made: dict[str, Artifact] = {}
    told: list[str] = []
    for name, artifact in version.graph.frozen.items():
        kind = artifact.codec.split("/")[0]
        if kind in WEIGHTLESS:
            continue
        count, value = _poisoned(app.artifacts.load(artifact), DEEP, set())
        if count:
            made[name] = app.artifacts.save(value, codec="pickle" if kind == "pickle" else None)
            told.append(f"{count} {'array' if count == 1 else 'arrays'} of {name} ({artifact.codec})")
    if not made:
        codecs = ", ".join(sorted({one.codec for one in version.graph.frozen.values()})) or "nothing"
        raise CannotPlant(f"has no weights that can be reached: {codecs} is frozen")
    return made, f"NaN in {', '.join(told)}"


def _poisoned(value: Any, depth: int, seen: set[int]) -> tuple[int, Any]:
    """How many arrays of floating numbers hold NaN alone now, and the value, which is changed in place where it can be."""
    import numpy as np

    if isinstance(value, np.ndarray):
        return _poisoned_array(value, depth, seen)
    if depth == 0 or id(value) in seen or isinstance(value, str | bytes | type) or callable(value):
        return 0, value
    seen.add(id(value))
    if isinstance(value, list | tuple):
        found = [_poisoned(one, depth - 1, seen) for one in value]
        count = sum(each for each, _ in found)
        return count, (
            type(value)(one for _, one in found) if count and type(value) in (list, tuple) else value
        )
    places = value if isinstance(value, dict) else getattr(value, "__dict__", None)
    if not isinstance(places, dict):
        return 0, value
    count = 0
    for name, inner in list(places.items()):
        each, changed = _poisoned(inner, depth - 1, seen)
        if each:
            places[name], count = changed, count + each
    return count, value


def _poisoned_array(array: Any, depth: int, seen: set[int]) -> tuple[int, Any]:
    """Floating numbers become NaN; of records (the nodes of trees) what they answer, the field `value`; objects in an array
    are looked into."""
    import numpy as np

    if array.dtype.names and "value" in array.dtype.names:
        copy = array.copy()
        copy["value"] = np.nan
        return 1, copy
    if array.dtype.kind == "f" and array.size:
        return 1, np.full_like(array, np.nan)
    if array.dtype == object and depth:
        return sum(_poisoned(one, depth - 1, seen)[0] for one in array.flat), array
    return 0, array


def slow_model(app: App, version: Version) -> tuple[Version, str]:
    """The version with a source tree of its own, in which predict waits. It is served by its graph: no compiled model would
    wait. Nothing of what it answers is another."""
    module, _, name = version.graph.pipeline.partition(":")
    text = _SLOWED.format(seconds=SLOW, module=module, name=name or "pipeline")
    tree = _with_file(app, version.code, f"{MODULE}.py", text)
    graph: ServingGraph = replace(version.graph, pipeline=f"{MODULE}:pipeline")
    slowed = replace(version, graph=graph, fast=None, source=replace(version.source, tree=tree))
    return slowed, f"each answer takes {SLOW * 1e3:g} ms longer"


def _with_file(app: App, tree: Digest, path: str, text: str) -> Digest:
    """The tree with one more file at its top."""
    files = parse(app.store.get(tree), Tree).files
    planted = TreeFile(path=path, digest=app.store.put(text.encode()))
    whole = sorted([*(file for file in files if file.path != path), planted], key=lambda file: file.path)
    return app.store.put(canonical(Tree(files=tuple(whole))))
