"""Opening a recorded serving graph: its code, its frozen outputs, ready to answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noria.declare import Resolved
from noria.graph.answer import Graph
from noria.records.versions import ServingGraph

if TYPE_CHECKING:
    from noria.artifacts import Artifacts


def open_graph(record: ServingGraph, resolved: Resolved, artifacts: Artifacts) -> Graph:
    """Load each frozen output as its first reader's annotation wants it."""
    steps = (*resolved.served(), *((resolved.predict,) if resolved.predict else ()))
    wanted = {name: step.wanted(name) for step in reversed(steps) for name in step.inputs}
    frozen = {name: artifacts.load(artifact, wanted.get(name)) for name, artifact in record.frozen.items()}
    return Graph(resolved, frozen, record.parameters)
