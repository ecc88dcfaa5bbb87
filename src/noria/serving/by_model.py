"""A version that answers without its pipeline: a request's values go to the compiled model.

Such a worker imports none of the libraries that trained the model and no dataframe; Arrow only for a request that the quick
reader leaves to the careful one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import msgspec

from noria.fast.direct import Direct, open_direct
from noria.fast.errors import CannotAnswer
from noria.fast.leaf_masks import FEWEST
from noria.fast.opened import open_model, read_compiled
from noria.graph.columns import floats
from noria.ports.objects import ObjectStore
from noria.records.fast import FastPath, Plan
from noria.records.versions import Version
from noria.serving.answers import Answers
from noria.serving.asked import Reader
from noria.serving.columns import ReadColumns, read_columns
from noria.serving.quick import QuickReader, Values
from noria.serving.served import Few
from noria.serving.service_errors import TrialFailed

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def direct_of(version: Version) -> FastPath | None:
    """The fast path of a version whose requests go to the model as they are; None for any other."""
    path = version.fast
    if path is None or path.level != "direct" or path.plan is None or path.plan.table != version.graph.data:
        return None
    return path


def open_by_model(version: Version, path: FastPath, store: ObjectStore, *, max_rows: int) -> ModelServed:
    """The version, ready to answer. Raises what keeps its compiled model from being opened."""
    plan = cast("Plan", path.plan)
    model = open_model(read_compiled(store.get(path.compiled[plan.estimator].digest)))
    answers = Answers(version.signature, version=version.name)
    return ModelServed(
        version=version,
        reader=Reader(version.signature, model=version.model, max_rows=max_rows),
        answers=answers,
        quick=QuickReader(version.signature, max_rows=max_rows) if answers.plain else None,
        by=open_direct(plan, model, [column.name for column in version.signature.request]),
    )


@dataclass(frozen=True)
class ModelServed:
    """One version, answering by its compiled model alone; see `served.Served`. For any thread."""

    version: Version
    reader: Reader
    answers: Answers
    quick: QuickReader | None
    by: Direct
    example: Mapping[str, Any] | None = None

    @cached_property
    def direct(self) -> Few:
        return few_by(self.by.one, single=self._single)

    @property
    def _single(self) -> bool:
        return len(self.version.signature.answer) == 1

    def by_columns(self, read: ReadColumns) -> Sequence[np.ndarray]:
        block, inputs = read.block(), self.by.inputs
        places = None if inputs is None else read.places(inputs)
        if places is not None:
            whole = places == list(range(len(block)))
            made = self.by.matrix((block if whole else block[places]).T)
        else:
            numbers = iter(block)
            made = self.by.many([next(numbers) if each is None else each for each in read.others])
        return [made] if self._single else list(made.T)

    def answer_rows(self, rows: Sequence[Values]) -> Sequence[tuple[Any, ...]]:
        values = self.by.rows(rows).tolist()
        return [(value,) for value in values] if self._single else [tuple(value) for value in values]

    def answer(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        made = self.by.many([column_of(each) for each in rows.columns])
        columns = [made] if self._single else list(made.T)
        return self.answers.of_columns(columns)

    def tried(self, sample: Sequence[Mapping[str, Any]]) -> ModelServed:
        """Itself, once it has answered rows of its own training data. Raises `TrialFailed`."""
        if not sample:
            return self
        if self.quick is not None:
            for rows in (sample[:1], sample):
                read = self.quick.read(msgspec.json.encode({"rows": list(rows)}))
                if read is None:
                    raise TrialFailed(self.version.name, kind="rows", problem="they do not fit its signature")
                self.direct(read.rows)
                self.answer_rows(read.rows)
                many = [read.rows[at % len(read.rows)] for at in range(max(FEWEST, len(read.rows)))]
                self.by_columns(read_columns(list(zip(*many, strict=True)), self.quick, len(many)))
        return replace(self, example=sample[0])


def few_by(one: Callable[[Values], Any], *, single: bool) -> Few:
    """A few rows, one after the other; `single`: the answer has one column."""

    def answered(rows: Sequence[Values]) -> list[tuple[Any, ...]]:
        try:
            return [(one(row),) for row in rows] if single else [tuple(one(row)) for row in rows]
        except CannotAnswer as error:
            error.row = _refused(one, rows)
            raise

    return answered


def _refused(one: Callable[[Values], Any], rows: Sequence[Values]) -> int | None:
    """The first row that the model does not take."""
    for at, row in enumerate(rows):
        try:
            one(row)
        except CannotAnswer:
            return at
    return None


def column_of(array: pa.Array) -> Any:
    """A column of numbers as numpy has it, NaN for null; any other as Python's values."""
    import pyarrow as pa

    kind = array.type
    if pa.types.is_float64(kind) and not array.null_count:
        return floats(array)
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return array.to_numpy(zero_copy_only=False)
    return array.to_pylist()
