"""ONNX models for tests, and their digests as another process prints them."""

# mypy: ignore-errors
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from noria.adapters.folder import FolderStore
from noria.artifacts import Artifacts


def doubling(trace: str = "") -> onnx.ModelProto:
    """`y = 2 x`, exported, if at all, from the place that `trace` says."""
    node = helper.make_node("Mul", ["x", "two"], ["y"], name="times")
    if trace:
        node.metadata_props.add(key="pkg.torch.onnx.stack_trace", value=trace)
        node.metadata_props.add(key="namespace", value="top")
    graph = helper.make_graph(
        [node],
        "doubling",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def choosing() -> onnx.ModelProto:
    """A model whose branches hold tensors of their own."""
    branches = {
        name: helper.make_graph(
            [helper.make_node("Add", ["x", f"by_{name}"], [name])],
            name,
            [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2])],
            [helper.make_tensor(f"by_{name}", TensorProto.FLOAT, [1], [1.0])],
        )
        for name in ("yes", "no")
    }
    node = helper.make_node("If", ["ask"], ["y"], then_branch=branches["yes"], else_branch=branches["no"])
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2]),
        helper.make_tensor_value_info("ask", TensorProto.BOOL, []),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])]
    return helper.make_model(helper.make_graph([node], "choosing", inputs, outputs), ir_version=10)


def converted() -> onnx.ModelProto:
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    rows = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    model = LogisticRegression().fit(rows, rows[:, 0] > 0)
    return to_onnx(model, rows[:1], options={"zipmap": False})


def every() -> tuple[onnx.ModelProto, ...]:
    return doubling(), choosing(), converted()


if __name__ == "__main__":
    shelf = Artifacts(FolderStore(Path(sys.argv[1]), durable=False))
    print(*(shelf.save(model).digest for model in every()))
