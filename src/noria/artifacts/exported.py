"""torch's exported programs, by explicit word alone: torch reads them with pickle and by evaluating expressions."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from noria.artifacts.codec import CannotStore, Shelf, spelled
from noria.artifacts.kinds import kind_of, public_name
from noria.artifacts.pickled import NotMarkedUnsafe
from noria.records.artifacts import Artifact
from noria.records.base import Digest

PROGRAM, MODULE = "torch.ExportedProgram", "torch.Module"
TRACES = "stack_trace"  # of each node: paths and lines of whoever exported it


@dataclass(eq=False)
class NotAsked(CannotStore):
    """A program of torch.export from a step that does not say that it may be stored unsafely."""

    code: ClassVar[str] = "TORCH-UNSAFE"
    what: ClassVar[str] = "cannot store {type}{place}: {reason}"
    next: ClassVar[str] = (
        'codec="torch-export" on the step stores it, and is recorded as unsafe; '
        "torch.onnx.export(program, dynamo=True).model_proto is stored safely, and served faster"
    )


@dataclass(eq=False)
class NotExported(CannotStore):
    """A module of torch: numbers whose meaning is in Python code."""

    code: ClassVar[str] = "TORCH-MODULE"
    what: ClassVar[str] = "cannot store {type}{place}: {reason}"
    next: ClassVar[str] = (
        "return torch.onnx.export(model, args, dynamo=True).model_proto, or torch.export.export(model, args) from a step "
        'with codec="torch-export"; codec="pickle" keeps the module itself; the last two are recorded as unsafe'
    )


class ExportCodec:
    """`torch.export.save` and `load`, which unpickles samples and constants. Never chosen, only asked for by name."""

    name = "torch-export"
    version = 1

    def fits(self, value: object) -> bool:
        return False

    def save(self, value: Any, shelf: Shelf) -> Artifact:
        if kind_of(value) != PROGRAM:
            reason = 'codec="torch-export" takes what torch.export.export gives'
            raise NotExported(type=public_name(type(value)), reason=reason, where="")
        import torch

        written = io.BytesIO()
        with _without_traces(value):
            torch.export.save(value, written)
        data = written.getvalue()
        digest = shelf.store.put(data)
        return Artifact(digest=digest, codec=spelled(self), size=len(data), type=PROGRAM, unsafe=True)

    def load(self, artifact: Artifact, shelf: Shelf) -> Any:
        if not artifact.unsafe:
            raise NotMarkedUnsafe(digest=artifact.digest)
        import torch

        return torch.export.load(io.BytesIO(shelf.store.get(artifact.digest)))

    def holds(self, artifact: Artifact, shelf: Shelf) -> Iterable[Digest]:
        return ()


def refused(value: object) -> CannotStore | None:
    """Why what torch made is not stored unasked, and what to return instead; None for what is not torch's."""
    kind, named = kind_of(value), public_name(type(value))
    if kind == MODULE:
        return NotExported(
            type=named, reason="a module is Python code, which only pickle could name", where=""
        )
    if kind == PROGRAM:
        return NotAsked(type=named, reason="torch reads it with pickle, which may run code", where="")
    return None


@contextmanager
def _without_traces(program: Any) -> Iterator[None]:
    """The program's nodes without what tells of the place where it was exported, until it is written."""
    modules = program.graph_module.modules()
    nodes = [node for module in modules if hasattr(module, "graph") for node in module.graph.nodes]
    taken = [(node.meta, node.meta.pop(TRACES)) for node in nodes if TRACES in node.meta]
    try:
        yield
    finally:
        for meta, trace in taken:
            meta[TRACES] = trace
