"""A request on the quick way, from its reading to its answer."""

from __future__ import annotations

import msgspec

from noria.serving.cause import Cause
from noria.serving.columns import ReadColumns
from noria.serving.outbox import Send
from noria.serving.quick import Read
from noria.serving.quick_tensors import ReadTensors
from noria.serving.raw import Raw


class Taken(msgspec.Struct):
    """A request that has been read."""

    read: Read | ReadTensors | ReadColumns
    raw: Raw
    at: int
    """When it was received: microseconds since 1970."""
    began: float
    """The same by `perf_counter`."""
    send: Send
    cause: Cause

    @property
    def tensors(self) -> bool:
        return type(self.read) is ReadTensors or (
            type(self.read) is ReadColumns and self.read.reply == "tensors"
        )

    @property
    def route(self) -> str:
        """As the metrics call it: what is passed on is counted at its caller's too."""
        if self.cause.passed_on:
            return "inside"
        return "infer" if self.tensors else "predict"
