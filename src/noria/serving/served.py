"""What answers for one version in a worker: by its graph (`by_graph`), or by its compiled model alone (`by_model`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from noria.records.versions import Version
from noria.serving.answers import Answers
from noria.serving.asked import Reader
from noria.serving.columns import ReadColumns
from noria.serving.quick import QuickReader, Values

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

Few = Callable[[Sequence[Values]], Sequence[tuple[Any, ...]]]
"""From some rows of the quick reader to a tuple of the answer's columns each."""

ByColumns = Callable[[ReadColumns], "Sequence[np.ndarray]"]
"""From the rows of a large request to the answer's columns."""


class Served(Protocol):
    """One version, ready. Its answers are those of its signature; they raise what the user's code raises."""

    @property
    def version(self) -> Version: ...

    @property
    def reader(self) -> Reader:
        """Reads what leaves a doubt, and names every fault."""
        ...

    @property
    def quick(self) -> QuickReader | None:
        """None for a version whose answers only Arrow can hold: then every request goes the careful way."""
        ...

    @property
    def answers(self) -> Answers: ...

    @property
    def example(self) -> Mapping[str, Any] | None:
        """A row of the training data as a request would send it."""
        ...

    @property
    def direct(self) -> Few | None:
        """The way of a few rows past the graph, where there is one; from any thread, and in microseconds."""
        ...

    @property
    def by_columns(self) -> ByColumns | None:
        """The way of many rows past Arrow, where there is one; from any thread."""
        ...

    def answer(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The answers to typed rows. For one thread at a time."""
        ...

    def answer_rows(self, rows: Sequence[Values]) -> Sequence[tuple[Any, ...]]:
        """The answers to rows of the quick reader. For one thread at a time."""
        ...
