"""ONNX models as the protobuf that every runtime of them reads; reading one runs no code of its."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from noria.artifacts.codec import CannotStore, Shelf, spelled
from noria.artifacts.kinds import kind_of, public_name
from noria.errors import ConfigError
from noria.records.artifacts import Artifact
from noria.records.base import Digest

MODEL, SESSION = "onnx.ModelProto", "onnxruntime.InferenceSession"
LARGEST = 2**31 - 1  # bytes: protobuf's own limit for one message
ERRORS = 3  # onnxruntime's level for what went wrong; below are remarks about graphs
TRACES = "stack_trace"  # what torch writes beside each node: paths and lines of whoever exported it


@dataclass(eq=False)
class ExternalData(CannotStore):
    """Tensors in files beside the model, which are not in its bytes and so not under its digest."""

    code: ClassVar[str] = "ONNX-EXTERNAL"
    what: ClassVar[str] = "cannot store {type}{place}: {reason}"
    next: ClassVar[str] = (
        "load them into the model: onnx.load(path), or onnx.external_data_helper.load_external_data_for_model(model, folder)"
    )


@dataclass(eq=False)
class NoModel(CannotStore):
    """A session, or another thing that stands around a model."""

    code: ClassVar[str] = "ONNX-SESSION"
    what: ClassVar[str] = "cannot store {type}{place}: {reason}"
    next: ClassVar[str] = (
        "return the onnx.ModelProto (of a program of torch.onnx: its model_proto); a reader that annotates its parameter onnxruntime.InferenceSession gets a session"
    )


@dataclass(eq=False)
class CannotOpen(ConfigError):
    """A reader wants a session on a model that this environment's runtime does not take."""

    code: ClassVar[str] = "ONNX-OPEN"
    what: ClassVar[str] = "{runtime} cannot open the model: {problem}"
    next: ClassVar[str] = (
        "install a newer onnxruntime (extra onnx), or convert for this one: target_opset of skl2onnx, ir_version of the model"
    )
    runtime: str
    problem: str


class OnnxCodec:
    """A model's bytes in protobuf's deterministic form, without the traces of where it was exported."""

    name = "onnx"
    version = 1

    def fits(self, value: object) -> bool:
        return kind_of(value) in (MODEL, SESSION, "torch.ONNXProgram")

    def save(self, value: Any, shelf: Shelf) -> Artifact:
        if kind_of(value) != MODEL:
            raise NoModel(type=public_name(type(value)), reason="it is no model, but holds one", where="")
        if outside := next(_outside(value), None):
            reason = f"its tensor {outside!r} lies in a file of its own"
            raise ExternalData(type=MODEL, reason=reason, where="")
        data = _bytes_of(value)
        return Artifact(digest=shelf.store.put(data), codec=spelled(self), size=len(data), type=MODEL)

    def load(self, artifact: Artifact, shelf: Shelf) -> Any:
        import onnx

        return onnx.load_from_string(shelf.store.get(artifact.digest))

    def holds(self, artifact: Artifact, shelf: Shelf) -> Iterable[Digest]:
        return ()


def session_of(artifact: Artifact, shelf: Shelf) -> Any:
    """The model in an onnxruntime session, on the processor, with as many threads as the process has been given: a model
    of trees adds up in another order with more of them. Raises `CannotOpen`."""
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise CannotOpen(runtime="onnxruntime", problem="it is not installed") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "1").partition(",")[0])
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a core that waits is another's
    options.log_severity_level = ERRORS
    model, only = shelf.store.get(artifact.digest), ["CPUExecutionProvider"]
    try:
        return onnxruntime.InferenceSession(model, options, providers=only, enable_fallback=0)
    except Exception as error:  # onnxruntime's own have no class in common
        raise CannotOpen(runtime=f"onnxruntime {onnxruntime.__version__}", problem=str(error)) from error


def _bytes_of(model: Any) -> bytes:
    size = model.ByteSize()
    if size > LARGEST:
        raise CannotStore(type=MODEL, reason=f"its {size:,} bytes are more than protobuf takes", where="")
    data: bytes = _without_traces(model).SerializeToString(deterministic=True)
    return data


def _without_traces(model: Any) -> Any:
    """The model itself where there are none."""
    if not any(_is_trace(entry) for node in _nodes(model) for entry in node.metadata_props):
        return model
    copied = type(model)()
    copied.CopyFrom(model)
    for node in _nodes(copied):
        kept = [entry for entry in node.metadata_props if not _is_trace(entry)]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
    return copied


def _is_trace(entry: Any) -> bool:
    return bool(entry.key.endswith(TRACES))


def _outside(model: Any) -> Iterator[str]:
    """Names of tensors whose bytes are elsewhere."""
    for graph in _graphs(model):
        sparse = [part for each in graph.sparse_initializer for part in (each.values, each.indices)]
        yield from (one.name for one in (*graph.initializer, *sparse) if _is_outside(one))
    for node in _nodes(model):
        for attribute in node.attribute:
            if any(map(_is_outside, (attribute.t, *attribute.tensors))):
                yield f"{node.name or node.op_type}.{attribute.name}"


def _is_outside(tensor: Any) -> bool:
    return bool(tensor.data_location == tensor.EXTERNAL)


def _nodes(model: Any) -> Iterator[Any]:
    """Those of all graphs, and of the model's own functions."""
    for graph in _graphs(model):
        yield from graph.node
    for function in model.functions:
        yield from function.node


def _graphs(model: Any) -> Iterator[Any]:
    """The model's, and those in nodes of it and of its functions: branches and bodies of `If`, `Loop`, `Scan`."""
    yield from _with_inner(model.graph)
    for function in model.functions:
        yield from _inside(function)


def _with_inner(graph: Any) -> Iterator[Any]:
    yield graph
    yield from _inside(graph)


def _inside(owner: Any) -> Iterator[Any]:
    for node in owner.node:
        for attribute in node.attribute:
            for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _with_inner(graph)
