"""What a worker writes down: rows with their answers into the prediction log, counts, and what went wrong."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from noria.errors import NoriaError
from noria.ports.serving import COLUMNS, VALUES, Columns, Layout, Values
from noria.records.versions import Version
from noria.serving.columns import some_of
from noria.serving.errors import GraphFailed
from noria.serving.failures import Failures
from noria.serving.log import Narrator, stack
from noria.serving.metrics import VersionMetrics
from noria.serving.outage import Outage
from noria.serving.outbox import Outbox
from noria.serving.veil import Payload, Veil, take

if TYPE_CHECKING:
    import pyarrow as pa

_pack = msgspec.msgpack.Encoder().encode


class Journal:
    """Of one version. For the event loop's thread, but for `as_known` and `layout_of`."""

    def __init__(
        self,
        version: Version,
        layout: Layout,
        outbox: Outbox,
        metrics: VersionMetrics,
        narrate: Narrator,
        *,
        veil: Veil | None = None,
        sample: float = 1.0,
        traced: bool = False,
        by_column: bool = False,
        failures: Failures | None = None,
        works: Callable[[bool], None] = lambda works: None,
    ) -> None:
        """`veil`: what of the rows the log may have; None for all. `sample`: the share of rows that it keeps. `traced`:
        whether its rows have the ids of traces. `by_column`: whether readers of the log know `Columns`. `failures`: where units without an answer are noted.
        `works`: told as the log begins to refuse, and as it takes answers again."""
        self.traced = traced
        self.by_column = by_column
        self._failures = failures
        self.layout = layout
        self.metrics = metrics
        self.veil = veil
        self.put, self.send_after = outbox.put, outbox.send_after
        self._version = version
        self._outbox = outbox
        self._narrate = narrate
        self._sample = sample
        self.outage = Outage(outbox, layout, narrate, version=version.name, works=works)

    def take(self, layout: Layout, kind: int, rows: int, payload: Payload) -> tuple[str, int]:
        """Give a request's rows to the log; segment and row of the first. Its answer has to be `put` in the same turn of
        the loop. Raises `Unavailable`, counted and told."""
        try:
            if self._sample == 1.0:
                return self._outbox.take(layout, kind, rows, payload(None))
            segment, first, left_out = take(self._outbox, layout, kind, rows, payload, self._sample)
        except NoriaError as error:
            self.refused(error)
            raise
        self.metrics.left_out(left_out)
        return segment, first

    def take_values(self, rows: int, logged: Values) -> tuple[str, int]:
        """`take` for rows that are no Arrow, in the version's own layout."""
        if self._sample != 1.0:
            return self.take(self.layout, VALUES, rows, partial(_packed, logged))
        try:
            return self._outbox.take(self.layout, VALUES, rows, _pack(logged))
        except NoriaError as error:
            self.refused(error)
            raise

    def take_columns(self, logged: Columns) -> tuple[str, int]:
        """The same for a large request, by column."""
        return self.take(self.layout, COLUMNS, logged.count, partial(_packed_columns, logged))

    def layout_of(self, rows: pa.RecordBatch) -> Layout:
        """The version's own, wherever its answers have the types that the signature promises."""
        schema = rows.schema.serialize().to_pybytes()
        own = self.layout
        return own if schema == own.schema else Layout(own.version, own.request, schema)

    def refused(self, error: NoriaError) -> None:
        """The log could not take an answer, so it was not given."""
        self.metrics.failed(error.code)
        self.outage.refused(error)

    def as_known(self, error: BaseException) -> NoriaError:
        """Whatever the user's code raises becomes a `StepFailed` that shows no paths; the worker's log has the stack."""
        if isinstance(error, NoriaError):
            return error
        incident, name = secrets.token_hex(4), self._version.name
        self.metrics.failed(GraphFailed.code)
        self._narrate("answer.failed", version=name, incident=incident, stack=stack(error))
        return GraphFailed(version=name, kind=type(error).__name__, incident=incident)

    def unanswered(self, unit: str | None, at: int, way: str, error: NoriaError) -> None:
        """A unit that came at `at` (microseconds since 1970) got no answer. From any thread."""
        if self._failures is not None:
            self._failures.note(unit, at, way, error.status)

    def refusing(self, at: int, way: str, error: NoriaError) -> None:
        """A request that came at `at` (microseconds since 1970) is told an error."""
        if self._failures is not None:
            self._failures.count(at, way, error.status, error.code)

    def failed(self, error: NoriaError) -> None:
        """The version could not answer, for a reason that is known."""
        self.metrics.failed(error.code)
        self._narrate("answer.failed", version=self._version.name, code=error.code, stack=stack(error))


def _packed(logged: Values, kept: Sequence[int] | None) -> bytes:
    if kept is None:
        return _pack(logged)
    rows, keys, answers = ([each[at] for at in kept] for each in (logged.rows, logged.keys, logged.answers))
    return _pack(Values(logged.at, logged.took, logged.way, rows, keys, answers, logged.trace))


def _packed_columns(logged: Columns, kept: Sequence[int] | None) -> bytes:
    return _pack(logged if kept is None else some_of(logged, kept))
