"""The quick way of a request: rows of JSON that leave no doubt, answered at once or in the next batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from math import isfinite
from time import perf_counter, time_ns
from typing import TYPE_CHECKING, Any

import msgspec

from noria.errors import NoriaError
from noria.ports.serving import Values as Logged
from noria.records.predictions import IdWriter, prediction_ids
from noria.serving.answers import rows_head
from noria.serving.batching import Batcher, Job
from noria.serving.bulk_tables import BulkTables
from noria.serving.cause import HURRIED, OWN, Cause
from noria.serving.column_way import ColumnWay
from noria.serving.columns import ReadColumns, read_columns
from noria.serving.dispatch import Dispatch, Paths
from noria.serving.journal import Journal
from noria.serving.messages import Response, refusal
from noria.serving.outbox import Send
from noria.serving.queueing import Queue
from noria.serving.quick import QuickReader, Read
from noria.serving.quick_tensors import QuickTensors, ReadTensors, tensor_writer
from noria.serving.raw import Raw
from noria.serving.rows import places
from noria.serving.served import Few, Served
from noria.serving.taken import Taken
from noria.serving.turn import Rows, Turn

if TYPE_CHECKING:
    from noria.serving.traces import Span

AT_ONCE = 32  # rows that are answered in the event loop, past the graph; more would keep others waiting, or go by column

Form = QuickReader | QuickTensors | BulkTables

_json = msgspec.json.Encoder().encode


class QuickWay:
    """Takes a version's requests for rows and for tensors. For the event loop's thread."""

    def __init__(
        self,
        served: Served,
        reader: QuickReader,
        journal: Journal,
        batcher: Batcher,
        dispatch: Dispatch,
        *,
        deadline: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        signature, version, veil = served.version.signature, served.version, journal.veil
        self._served = served
        self._reader = reader
        by_column = served.by_columns if journal.by_column else None
        large = None if by_column is None else AT_ONCE
        self._tensors = QuickTensors(signature, reader, max_rows=served.reader.max_rows, large=large)
        self._tables = by_column and BulkTables(reader, max_rows=served.reader.max_rows)
        self._journal = journal
        self._metrics = journal.metrics
        self._dispatch = dispatch
        self._queue = Queue(batcher, self._fail, deadline=deadline, loop=loop)
        self._few = served.direct
        self._shown = veil.row() if veil else None
        self._places = places(signature, veil.hashed if veil else ())
        self._units = places(signature)  # as they are, for the careful way routes by them too
        self._head = rows_head(version)
        self._tensors_say = tensor_writer(version)
        self._names = served.answers.names
        self._single = self._names == ["answer"]
        self._columns = by_column and ColumnWay(served, by_column, reader, journal, self._queue, self._fail)
        self._ids = IdWriter()
        few = served.direct
        self._turn = few and Turn(few, self._deliver, self._fail, journal, loop)

    def rows(self, raw: Raw, send: Send, cause: Cause = OWN) -> bool:
        """Take a request for rows, as JSON or as a table; False where only the careful way can tell what is wrong with it."""
        if raw.table:
            return self._tables is not None and self._take(raw, send, self._tables, cause)
        return self._take(raw, send, self._reader, cause)

    def tensors(self, raw: Raw, send: Send, cause: Cause = OWN) -> bool:
        """The same for a request of tensors."""
        return not raw.table and self._take(raw, send, self._tensors, cause)

    def _take(self, raw: Raw, send: Send, form: Form, cause: Cause) -> bool:
        began = perf_counter()
        read = form.read(raw.body)
        if read is None:
            return False
        if type(read) is Read and len(read.rows) > AT_ONCE and self._columns is not None:
            columns = list(zip(*read.rows, strict=True))
            read = read_columns(columns, self._reader, len(read), nulls=read.nulls)
        self._metrics.began()
        taken = Taken(read, raw, time_ns() // 1000, began, send, cause)
        paths = self._dispatch.paths
        if paths is None or cause is not OWN:
            self._answer(taken)
        else:
            self._routed(paths, taken)
        return True

    def _routed(self, paths: Paths, taken: Taken) -> None:
        """Answer a request, or let the challenger do so that it is assigned to; shadows get it after that."""
        taken.send = send = paths.copied(taken.raw, taken.send)
        other = paths.challenger(self._units(taken.read.first, taken.at)[1])
        if other is not None and self._dispatch.is_hurried(taken.raw):
            taken.cause, other = HURRIED, None
        if other is None:
            self._answer(taken)
            return

        def answered(response: Response) -> None:
            self._metrics.ended()
            self._metrics.request(taken.route, response.status)
            send(response)

        def instead() -> None:
            taken.cause = Cause("instead", until)
            self._answer(taken)

        until = self._queue.until(taken)
        self._dispatch.first(other, taken.raw, answered, instead)

    def _answer(self, taken: Taken) -> None:
        few, turn, read = self._few, self._turn, taken.read
        if isinstance(read, ReadColumns):
            assert self._columns is not None
            self._columns.answer(taken, read)
            return
        if few is None or turn is None or len(read.rows) > AT_ONCE:
            self._in_a_batch(taken, read)
        elif (span := taken.raw.span) is None:
            turn.add(taken, read)
        else:
            self._traced(few, taken, read, span)

    def _traced(self, few: Few, taken: Taken, read: Rows, span: Span) -> None:
        """By itself, with a look at the clock between the stages: its trace wants to know."""
        checked = perf_counter()
        try:
            answers = few(read.rows)
        except BaseException as error:  # as in `each.tried`
            self._fail(taken, error)
            return
        answered = perf_counter()
        self._deliver(taken, read, answers)
        span.mark("read", taken.began, checked)
        span.mark("model", checked, answered)
        span.mark("log and reply", answered, perf_counter())

    def _in_a_batch(self, taken: Taken, read: Rows) -> None:
        stage, checked = self._metrics.stage, perf_counter()
        stage("read", checked - taken.began)

        def told(job: Job, answers: Any) -> None:
            answered, span = perf_counter(), taken.raw.span
            stage("wait and model", answered - checked)
            self._deliver(taken, read, answers)
            sent = perf_counter()
            stage("log and reply", sent - answered)
            if span is not None:
                span.tell(batch_rows=job.batch_rows)
                span.mark("read", taken.began, checked)
                span.mark("wait", checked, job.began)
                span.mark("model", job.began, answered)
                span.mark("log and reply", answered, sent)

        self._queue.submit(taken, told, rows=read.rows)

    def _deliver(self, taken: Taken, read: Rows, answers: Sequence[tuple[Any, ...]]) -> None:
        """Log the rows with their answers, and send these."""
        took = perf_counter() - taken.began
        rows, at = read.rows, taken.at
        shown = rows if self._shown is None else [self._shown(row) for row in rows]
        keys = [self._places(shown[0], at)] if len(shown) == 1 else [self._places(row, at) for row in shown]
        span = taken.raw.span
        trace = None if span is None else span.trace
        logged = Logged(at, int(took * 1e6), taken.cause.way, shown, keys, answers, trace)
        try:
            segment, first = self._journal.take_values(len(rows), logged)
        except NoriaError as error:
            self._fail(taken, error)
            return
        if span is not None:
            span.answered(taken.cause.way, len(rows), next(prediction_ids(segment, first, 1)))
        body = self._body(read, segment, first, answers)
        self._count(taken, read, took, answers)
        self._journal.put(taken.send, body, partial(self._refused, taken), counts=True)

    def _body(self, read: Rows, segment: str, first: int, answers: Sequence[tuple[Any, ...]]) -> bytes:
        if type(read) is ReadTensors:
            ids, columns = prediction_ids(segment, first, len(answers)), list(zip(*answers, strict=True))
            return self._tensors_say(read.id, ids, columns)
        if len(answers) == 1 and self._single:
            id = self._ids.one(segment, first).encode()
            return b'%b{"id":"%b","answer":%b}]}' % (self._head, id, _json(answers[0][0]))
        parts = []
        for each, answer in zip(prediction_ids(segment, first, len(answers)), answers, strict=True):
            value = answer[0] if self._single else dict(zip(self._names, answer, strict=True))
            parts.append(b'{"id":"%b","answer":%b}' % (each.encode(), _json(value)))
        return self._head + b",".join(parts) + b"]}"

    def _count(self, taken: Taken, read: Rows, took: float, answers: Sequence[tuple[Any, ...]]) -> None:
        metrics, reader, rows = self._metrics, self._reader, read.rows
        if read.nulls:
            metrics.nulls(reader.nulls(rows))
        if reader.categorical and (unknown := reader.unknown(rows)):
            metrics.unknown(unknown)
        metrics.answered(len(rows), took, _not_finite(answers))
        metrics.request(taken.route, 200)

    def _refused(self, taken: Taken, error: NoriaError, send: Send) -> None:
        """The log could not take the rows after all."""
        self._journal.refused(error)
        self._fail(taken, error)

    def _unit(self, taken: Taken) -> str | None:
        """Of a request's first row, as the log has it."""
        row = taken.read.first
        return self._places(row if self._shown is None else self._shown(row), taken.at)[1]

    def _fail(self, taken: Taken, error: BaseException) -> None:
        known = self._journal.as_known(error)
        if not self._queue.is_impatient(taken, known):
            self._journal.unanswered(self._unit(taken), taken.at, taken.cause.way, known)
            self._journal.refusing(taken.at, taken.cause.way, known)
        self._metrics.ended()
        self._metrics.request(taken.route, known.status)
        taken.send(refusal(known, protocol=taken.tensors))


def _not_finite(answers: Sequence[tuple[Any, ...]]) -> int:
    count = 0
    for answer in answers:
        for value in answer:
            if type(value) is float and not isfinite(value):
                count += 1
    return count
