"""A version that answers without its pipeline: a request's values go to the compiled model.

Such a worker imports none of the libraries that trained the model and no dataframe; Arrow only for a request that the quick
reader leaves to the careful one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

from noria.fast.compiled import MethodName
from noria.fast.opened import Method, open_model, read_compiled
from noria.ports.objects import ObjectStore
from noria.records.fast import FastPath, Plan
from noria.records.versions import Signature, Version
from noria.serving.answers import Answers
from noria.serving.asked import Asked, Reader
from noria.serving.errors import CannotAnswer
from noria.serving.quick import QuickReader, Values

if TYPE_CHECKING:
    import pyarrow as pa


def direct_of(version: Version) -> FastPath | None:
    """The fast path of a version whose requests go to the model as they are; None for any other."""
    path = version.fast
    if path is None or path.level != "direct" or path.plan is None or path.plan.table != version.graph.data:
        return None
    return path


def open_direct(version: Version, path: FastPath, store: ObjectStore, *, max_rows: int) -> DirectServed:
    """The version, ready to answer. Raises what keeps its compiled model from being opened."""
    plan = cast("Plan", path.plan)
    model = open_model(read_compiled(store.get(path.compiled[plan.estimator].digest)))
    method = model.method(cast(MethodName, plan.method), plan.column)
    reader = Reader(version.signature, model=version.model, max_rows=max_rows)
    answers = Answers(version.signature, version=version.name)
    quick = QuickReader(version.signature, max_rows=max_rows) if answers.plain else None
    answering = _Answering(version.signature, plan, method)
    return DirectServed(version, reader, answers, quick, answering)


@dataclass(frozen=True)
class DirectServed:
    """One version, answering by its compiled model alone; as `served.Served`, from any thread."""

    version: Version
    reader: Reader
    answers: Answers
    quick: QuickReader | None
    _answering: _Answering
    example: Mapping[str, Any] | None = None

    @property
    def direct(self) -> Callable[[Sequence[Values]], Sequence[tuple[Any, ...]]]:
        return self._answering.few

    def read(self, rows: object) -> Asked:
        return self.reader.rows(rows)

    def answer_rows(self, rows: Sequence[Values]) -> Sequence[tuple[Any, ...]]:
        return self._answering.many(rows)

    def answer(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The answers to typed rows."""
        import pyarrow as pa

        columns = self._answering.columns([column_of(each) for each in rows.columns])
        return self.answers.fitted(pa.table(dict(zip(self.answers.names, columns, strict=True))))

    def tried(self, sample: Sequence[Mapping[str, Any]]) -> DirectServed:
        """Itself, once it has answered rows of its own training data. Raises `CannotAnswer`."""
        import msgspec

        if self.quick is not None and sample:
            for rows in (sample[:1], sample):
                read = self.quick.read(msgspec.json.encode({"rows": list(rows)}))
                if read is None:
                    raise CannotAnswer(
                        version=self.version.name, kind="rows", problem="they do not fit its signature"
                    )
                self.direct(read.rows)
                self.answer_rows(read.rows)
        return DirectServed(
            self.version,
            self.reader,
            self.answers,
            self.quick,
            self._answering,
            sample[0] if sample else None,
        )


class _Answering:
    """Rows of the request to the answers' columns."""

    def __init__(self, signature: Signature, plan: Plan, method: Method) -> None:
        at_of = {column.name: at for at, column in enumerate(signature.request)}
        self._at = [at_of[name] for name in plan.columns]
        self._method = method
        self._single = len(signature.answer) == 1
        one = method.one
        if len(self._at) == 1:
            only = self._at[0]
            self._one: Callable[[Values], Any] = lambda row: one((row[only],))
        else:
            values = itemgetter(*self._at)
            self._one = lambda row: one(values(row))

    @cached_property
    def few(self) -> Callable[[Sequence[Values]], Sequence[tuple[Any, ...]]]:
        """A few rows, one after the other: for each some microseconds."""
        one = self._one
        if self._single:
            return lambda rows: [(one(row),) for row in rows]
        return lambda rows: [tuple(one(row)) for row in rows]

    def many(self, rows: Sequence[Values]) -> Sequence[tuple[Any, ...]]:
        columns = list(zip(*rows, strict=True))
        values = self._made(columns).tolist()
        return [(value,) for value in values] if self._single else [tuple(value) for value in values]

    def columns(self, columns: Sequence[Any]) -> Sequence[Any]:
        """The answer's columns, from the request's."""
        made = self._made(columns)
        return [made] if self._single else list(made.T)

    def _made(self, columns: Sequence[Any]) -> Any:
        return self._method.many([columns[at] for at in self._at])


def column_of(array: pa.Array) -> Any:
    """A column of numbers as numpy has it, NaN for null; any other as Python's values."""
    import pyarrow as pa

    kind = array.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return array.to_numpy(zero_copy_only=False)
    return array.to_pylist()
