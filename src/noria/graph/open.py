"""Opening a recorded serving graph: its code, its frozen outputs, ready to answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from noria.declare import Resolved
from noria.graph.answer import Graph
from noria.records.versions import ServingGraph

if TYPE_CHECKING:
    from noria.artifacts import Artifacts

Stand = Callable[[Callable[[], Any]], Any]


def open_graph(
    record: ServingGraph, resolved: Resolved, artifacts: Artifacts, stands: Mapping[str, Stand] | None = None
) -> Graph:
    """Load each frozen output as its first reader's annotation wants it. `stands`: by output, what makes a stand-in
    out of a function that loads it, which is called only when the stand-in needs it."""
    steps = (*resolved.served(), *((resolved.predict,) if resolved.predict else ()))
    wanted = {name: step.wanted(name) for step in reversed(steps) for name in step.inputs}
    frozen: dict[str, Any] = {}
    for name, artifact in record.frozen.items():
        load = partial(artifacts.load, artifact, wanted.get(name))
        frozen[name] = stands[name](load) if stands and name in stands else load()
    return Graph(resolved, frozen, record.parameters)
