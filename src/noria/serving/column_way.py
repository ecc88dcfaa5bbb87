"""Large requests of a compiled model, by column: what was read is handed to the model, and to the log, as it lies.

In the event loop where the model is known to be brief, as for the graph's turns (`batching`): another thread would wait for
the same interpreter, and each of numpy's calls would hand it over and ask for it again. Else in the batcher's thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Any

import msgspec

from noria.errors import NoriaError
from noria.ports.serving import Columns
from noria.records.predictions import prediction_ids
from noria.serving.answers import rows_head
from noria.serving.batching import Job
from noria.serving.bulk import as_table
from noria.serving.columns import ReadColumns
from noria.serving.durations import BRIEF
from noria.serving.errors import TooLate
from noria.serving.journal import Journal
from noria.serving.messages import Response
from noria.serving.outbox import Send
from noria.serving.queueing import Queue
from noria.serving.quick import QuickReader
from noria.serving.quick_tensors import tensor_writer
from noria.serving.rows import places_by_column
from noria.serving.served import ByColumns, Served
from noria.serving.taken import Taken

if TYPE_CHECKING:
    import numpy as np

_json = msgspec.json.Encoder().encode


class ColumnWay:
    """Answers a version's large requests. For the event loop's thread; the model may work in the batcher's."""

    def __init__(
        self,
        served: Served,
        by_column: ByColumns,
        reader: QuickReader,
        journal: Journal,
        queue: Queue,
        fail: Callable[[Taken, BaseException], None],
    ) -> None:
        signature, veil = served.version.signature, journal.veil
        self._served = served
        self._by_column = by_column
        self._reader = reader
        self._journal = journal
        self._metrics = journal.metrics
        self._queue = queue
        self._fail = fail
        self._shown = veil.columns() if veil else None
        self._places = places_by_column(signature, veil.hashed if veil else ())
        self._rows_say = rows_writer(served)
        self._tensors_say = tensor_writer(served.version)
        self._doubles = [column.type == "double" for column in signature.answer]
        self._pace = math.inf  # s of processor time that the model took for a row of the last request

    def answer(self, taken: Taken, read: ReadColumns) -> None:
        if self._pace * read.count > BRIEF:
            self._in_the_thread(taken, read)
            return
        if self._queue.is_late(taken):  # those before it in this turn took too long
            self._fail(taken, TooLate())
            return
        checked = perf_counter()
        try:
            answers = self._answers(read)
        except BaseException as error:  # as in `each.tried`
            self._fail(taken, error)
            return
        self._told(taken, read, answers, {"model": (checked, perf_counter())}, checked)

    def _answers(self, read: ReadColumns) -> Sequence[np.ndarray]:
        began = thread_time()
        answers = self._by_column(read)
        self._pace = (thread_time() - began) / read.count
        return answers

    def _in_the_thread(self, taken: Taken, read: ReadColumns) -> None:
        checked = perf_counter()

        def told(job: Job, answers: Sequence[np.ndarray]) -> None:
            stages = {"wait": (checked, job.began), "model": (job.began, perf_counter())}
            self._told(taken, read, answers, stages, checked)

        self._queue.submit(taken, told, call=lambda: self._answers(read))

    def _told(
        self,
        taken: Taken,
        read: ReadColumns,
        answers: Sequence[np.ndarray],
        stages: dict[str, tuple[float, float]],
        checked: float,
    ) -> None:
        """Deliver, and say what the stages took; `checked`: when the request had been read."""
        answered, span = perf_counter(), taken.raw.span
        self._metrics.batch(1, read.count)
        if span is not None:
            span.tell(batch_rows=read.count)
        self._deliver(taken, read, answers)
        stages = {"read": (taken.began, checked), **stages, "log and reply": (answered, perf_counter())}
        for name, (start, end) in stages.items():
            self._metrics.stage(name, end - start)
            if span is not None:
                span.mark(name, start, end)

    def _deliver(self, taken: Taken, read: ReadColumns, answers: Sequence[np.ndarray]) -> None:
        """Log the rows with their answers, and send these."""
        took, span = perf_counter() - taken.began, taken.raw.span
        values = [column.tolist() for column in answers]
        try:
            segment, first = self._journal.take_columns(self._logged(taken, read, answers, values, took))
        except NoriaError as error:
            self._fail(taken, error)
            return
        ids = list(prediction_ids(segment, first, read.count))
        if span is not None:
            span.answered(taken.cause.way, read.count, ids[0])
        answer = self._said(read, ids, answers, values)
        self._count(taken, read, took, answers)
        self._journal.put(taken.send, answer, partial(self._refused, taken), counts=True)

    def _said(
        self,
        read: ReadColumns,
        ids: Sequence[str],
        answers: Sequence[np.ndarray],
        values: Sequence[list[Any]],
    ) -> bytes | Response:
        """The response, in the form of the request."""
        if read.reply == "tensors":
            return self._tensors_say(read.id, ids, values)
        if read.reply == "rows":
            return self._rows_say(ids, values)
        served = self._served
        return as_table(served.version.name, served.answers.of_columns(answers))(ids)

    def _logged(
        self,
        taken: Taken,
        read: ReadColumns,
        answers: Sequence[np.ndarray],
        values: Sequence[list[Any]],
        took: float,
    ) -> Columns:
        """As the log has it: 64-bit floats in one piece, all else as values."""
        span, shown = taken.raw.span, read if self._shown is None else self._shown(read)
        keys, units, times = self._places(shown, taken.at)
        packed = [
            column.astype("<f8", copy=False).tobytes() if double and column.dtype.kind == "f" else None
            for column, double in zip(answers, self._doubles, strict=True)
        ]
        return Columns(
            at=taken.at,
            took=int(took * 1e6),
            way=taken.cause.way,
            count=read.count,
            numbers=b"".join([shown.numbers, *(each for each in packed if each is not None)]),
            others=[
                *shown.others,
                *(each if numbers is None else None for each, numbers in zip(values, packed, strict=True)),
            ],
            keys=keys,
            units=units,
            times=times,
            trace=None if span is None else span.trace,
        )

    def _count(self, taken: Taken, read: ReadColumns, took: float, answers: Sequence[np.ndarray]) -> None:
        metrics, reader = self._metrics, self._reader
        if read.nulls:
            metrics.nulls(reader.nulls_by_column(read))
        if reader.categorical:
            metrics.unknown(reader.unknown_by_column(read))
        metrics.answered(read.count, took, sum(map(_not_finite, answers)))
        metrics.request(taken.route, 200)

    def _refused(self, taken: Taken, error: NoriaError, send: Send) -> None:
        """The log could not take the rows after all."""
        self._journal.refused(error)
        self._fail(taken, error)


def rows_writer(served: Served) -> Callable[[Sequence[str], Sequence[list[Any]]], bytes]:
    """Writes the answer's columns as a reply to rows, as the other ways do."""
    version, names = served.version, served.answers.names
    head = rows_head(version)
    single = names == ["answer"]

    def write(ids: Sequence[str], columns: Sequence[list[Any]]) -> bytes:
        texts = _texts(columns[0]) if single else _objects(names, columns)
        rows = [f'{{"id":"{id}","answer":{text}}}' for id, text in zip(ids, texts, strict=True)]
        return b"%b%b]}" % (head, ",".join(rows).encode())

    return write


def _texts(values: list[Any]) -> list[str]:
    """Each as JSON has it; of numbers all at once, for there is no comma in one."""
    if type(values[0]) is float:
        return _json(values)[1:-1].decode().split(",")
    return [_json(value).decode() for value in values]


def _objects(names: Sequence[str], columns: Sequence[list[Any]]) -> list[str]:
    return [_json(dict(zip(names, row, strict=True))).decode() for row in zip(*columns, strict=True)]


def _not_finite(answers: np.ndarray) -> int:
    import numpy as np

    return 0 if answers.dtype.kind != "f" else len(answers) - int(np.count_nonzero(np.isfinite(answers)))
