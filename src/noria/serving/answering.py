"""The one way of a request: read, answered by the version of this process, logged, replied."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from time import perf_counter, time_ns
from typing import TYPE_CHECKING, Any

import msgspec

from noria.errors import NoriaError, StepFailed
from noria.ports.clock import Clock
from noria.ports.serving import BATCH, VALUES, Layout
from noria.ports.serving import Values as Logged
from noria.records.predictions import IdWriter, prediction_ids
from noria.serving.answers import not_finite
from noria.serving.asked import Asked
from noria.serving.batching import Batcher, Job
from noria.serving.connection import Raw
from noria.serving.errors import GraphFailed, NotServed
from noria.serving.forms import FORMS, Finish, Form
from noria.serving.log import Narrator, stack
from noria.serving.messages import Request, Response, refusal
from noria.serving.metrics import VersionMetrics
from noria.serving.outbox import Outbox, Send
from noria.serving.quick import QuickReader, Read
from noria.serving.quick_tensors import QuickTensors, ReadTensors, tensor_writer
from noria.serving.rows import log_rows, places

if TYPE_CHECKING:
    import pyarrow as pa

    from noria.serving.direct import DirectServed
    from noria.serving.served import Served

    AnyServed = Served | DirectServed

LOOKED_AT = 16  # of so many requests of the quickest kind, one has its stages timed: the clock costs as much as they do
AT_ONCE = 32  # rows that a model without a graph answers in the event loop; more would keep others waiting

AnyRead = Read | ReadTensors

_pack = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Reference:
    """What a path names: a model, and perhaps a version of it by number or by alias."""

    model: str
    version: str | None = None

    def __str__(self) -> str:
        return self.model if self.version is None else f"{self.model}{_mark(self.version)}{self.version}"


def reference(model: str, version: str | None = None) -> Reference:
    """`delay`, `delay@champion` or `delay:3`, as one piece of a path or as two."""
    for mark in "@:":
        name, found, rest = model.partition(mark)
        if found and version is None:
            return Reference(name, rest)
    return Reference(model, version)


@dataclass(frozen=True)
class Careful:
    """An answer of the careful way, as the event loop goes on with it."""

    layout: Layout
    rows: int
    payload: bytes
    finish: Finish
    asked: Asked
    not_finite: int


class Answering:
    """Answers requests with one version. For the event loop's thread; the graph works in the batcher's."""

    def __init__(
        self,
        served: AnyServed,
        *,
        follows: str,
        layout: Layout,
        outbox: Outbox,
        batcher: Batcher,
        metrics: VersionMetrics,
        clock: Clock,
        narrate: Narrator,
        deadline: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.served = served
        self.follows = follows
        self._outbox = outbox
        self._batcher = batcher
        self._metrics = metrics
        self._clock = clock
        self._narrate = narrate
        self._deadline = deadline
        self._loop = loop
        self._layout = layout
        self._places = places(served.version.signature)
        version = served.version
        self._head = _json({"model": version.model, "version": version.number})[:-1] + b',"predictions":['
        self._tensors = (
            QuickTensors(version.signature, served.quick, max_rows=served.reader.max_rows)
            if served.quick
            else None
        )
        self._tensors_say = tensor_writer(version)
        self._ids = IdWriter()
        self._turn = LOOKED_AT
        self._single = served.answers.names == ["answer"]

    def named(self, asked: Reference) -> AnyServed:
        """The version that serves, if it is what was asked for. Raises `NotServed`."""
        served = self.served
        version = served.version
        if asked.model == version.model and asked.version in (None, str(version.number), self.follows):
            return served
        raise NotServed(asked=str(asked), serving=version.name, follows=self.follows, model=version.model)

    # -- the quick way: rows of JSON that leave no doubt

    def quick(self, raw: Raw, send: Send) -> bool:
        """Take a request for rows; False where only the careful way can tell what is wrong with it."""
        reader = self.served.quick
        return reader is not None and self._take(raw, send, reader, reader)

    def quick_infer(self, raw: Raw, send: Send) -> bool:
        """The same for a request of tensors."""
        reader, tensors = self.served.quick, self._tensors
        return reader is not None and tensors is not None and self._take(raw, send, reader, tensors)

    def _take(self, raw: Raw, send: Send, reader: QuickReader, form: QuickReader | QuickTensors) -> bool:
        began = perf_counter()
        read = form.read(raw.body)
        if read is None:
            return False
        metrics = self._metrics
        metrics.began()
        at = time_ns() // 1000
        rows = read.rows
        direct = self.served.direct
        if direct is None or len(rows) > AT_ONCE:
            self._in_a_batch(reader, read, len(raw.body), at, began, send)
            return True
        self._turn -= 1
        if self._turn:
            try:
                answers = direct(rows)
            except Exception as error:  # as the batcher does for the graph
                self._fail(error, send)
                return True
            self._deliver(reader, read, answers, at, began, send)
        else:
            self._turn = LOOKED_AT
            self._watched(reader, read, at, began, send)
        return True

    def _watched(self, reader: QuickReader, read: AnyRead, at: int, began: float, send: Send) -> None:
        """As the others, with a look at the clock between the stages."""
        direct, stage = self.served.direct, self._metrics.stage
        checked = perf_counter()
        try:
            answers = direct(read.rows) if direct else ()
        except Exception as error:
            self._fail(error, send)
            return
        answered = perf_counter()
        self._deliver(reader, read, answers, at, began, send)
        stage("read", checked - began, LOOKED_AT)
        stage("model", answered - checked, LOOKED_AT)
        stage("log and reply", perf_counter() - answered, LOOKED_AT)

    def _in_a_batch(
        self, reader: QuickReader, read: AnyRead, size: int, at: int, began: float, send: Send
    ) -> None:
        checked = perf_counter()
        self._metrics.stage("read", checked - began)

        def done(answers: Any, error: BaseException | None) -> None:
            if error is not None:
                self._fail(error, send)
                return
            answered = perf_counter()
            self._metrics.stage("wait and model", answered - checked)
            self._deliver(reader, read, answers, at, began, send)
            self._metrics.stage("log and reply", perf_counter() - answered)

        try:
            self._batcher.submit(
                Job(done, expires=self._loop.time() + self._deadline, size=size, rows=read.rows)
            )
        except NoriaError as error:
            self._fail(error, send)

    def _deliver(
        self,
        reader: QuickReader,
        read: AnyRead,
        answers: Sequence[tuple[Any, ...]],
        at: int,
        began: float,
        send: Send,
    ) -> None:
        """Log the rows with their answers, and send these."""
        took = perf_counter() - began
        place, rows = self._places, read.rows
        keys = [place(row, at) for row in rows]
        count = len(rows)
        payload = _pack(Logged(at, int(took * 1e6), "", rows, keys, answers))
        try:
            segment, first = self._outbox.take(self._layout, VALUES, count, payload)
        except NoriaError as error:
            self._refused(error, send)
            return
        metrics, one, route = self._metrics, self._ids.one, "predict"
        if type(read) is ReadTensors:
            route = "infer"
            body = self._tensors_say(read.id, prediction_ids(segment, first, count), answers)
        elif count == 1 and self._single:
            body = b'%b{"id":"%b","answer":%b}]}' % (
                self._head,
                one(segment, first).encode(),
                _json(answers[0][0]),
            )
        else:
            body = self._several(segment, first, answers)
        if read.nulls:
            metrics.nulls(reader.nulls(rows))
        if reader.categorical:
            metrics.unknown(reader.unknown(rows))
        metrics.answered(count, took, _not_finite(answers))
        metrics.request(route, 200)
        self._outbox.put(send, body, self._refused, counts=True)

    def _several(self, segment: str, first: int, answers: Sequence[tuple[Any, ...]]) -> bytes:
        names, single, parts = self.served.answers.names, self._single, []
        for id, answer in zip(prediction_ids(segment, first, len(answers)), answers, strict=True):
            value = answer[0] if single else dict(zip(names, answer, strict=True))
            parts.append(b'{"id":"%b","answer":%b}' % (id.encode(), _json(value)))
        return self._head + b",".join(parts) + b"]}"

    # -- the careful way: everything else

    async def careful(self, request: Request, asked: Reference, protocol: str) -> Response:
        """Answer a request of any form. Raises what is wrong with it."""
        self.named(asked)
        response: Response = await self.asked(FORMS[protocol](request), asked)
        return response

    async def asked(self, form: Form, asked: Reference, *, seconds: float | None = None) -> Any:
        """The same for a form; `seconds`: what its sender has left to wait."""
        served = self.named(asked)
        began = perf_counter()
        deadline = self._deadline if seconds is None else min(seconds, self._deadline)
        answered: asyncio.Future[Careful] = self._loop.create_future()

        def done(result: Any, error: BaseException | None) -> None:
            if answered.done():
                return
            if error is None:
                answered.set_result(result)
            else:
                answered.set_exception(error if isinstance(error, Exception) else self._as_failure(error))

        self._batcher.submit(
            Job(
                done,
                expires=self._loop.time() + deadline,
                size=form.size,
                call=lambda: self._carefully(form, began),
                wanted=lambda: not answered.done(),
            )
        )
        try:
            careful = await answered
        except StepFailed as error:
            self._metrics.failed(error.code)
            self._narrate("answer.failed", version=served.version.name, code=error.code, stack=stack(error))
            raise
        except NoriaError:
            raise
        except Exception as error:
            raise self._as_failure(error) from error
        return await self._sent(careful, began)

    async def _sent(self, careful: Careful, began: float) -> Any:
        try:
            segment, first = self._outbox.take(careful.layout, BATCH, careful.rows, careful.payload)
        except NoriaError as error:
            self._log_refused(error)
            raise
        response = careful.finish(list(prediction_ids(segment, first, careful.rows)))
        sent: asyncio.Future[Any] = self._loop.create_future()
        self._outbox.put(
            lambda _: sent.set_result(response), response, lambda error, _: sent.set_exception(error)
        )
        try:
            await sent
        except NoriaError as error:
            self._log_refused(error)
            raise
        self._metrics.nulls(careful.asked.nulls)
        self._metrics.unknown(careful.asked.unknown)
        self._metrics.answered(careful.rows, perf_counter() - began, careful.not_finite)
        return response

    def _carefully(self, form: Form, began: float) -> Careful:
        served = self.served
        asked, prepare = form.read(served)
        at = self._clock.now()
        answers = served.answer(asked.rows)
        finish = prepare(answers)
        rows = log_rows(served, asked, answers, at, took=perf_counter() - began)
        return Careful(
            layout=self._layout_of(rows),
            rows=rows.num_rows,
            payload=rows.serialize().to_pybytes(),
            finish=finish,
            asked=asked,
            not_finite=not_finite(answers),
        )

    def _layout_of(self, rows: pa.RecordBatch) -> Layout:
        """The version's own, wherever its answers have the types that the signature promises."""
        schema = rows.schema.serialize().to_pybytes()
        own = self._layout
        return own if schema == own.schema else Layout(own.version, own.request, schema)

    # -- what goes wrong

    def _fail(self, error: BaseException, send: Send) -> None:
        known = error if isinstance(error, NoriaError) else self._as_failure(error)
        self._answer_with(known, send)

    def _answer_with(self, error: NoriaError, send: Send) -> None:
        """End a request of the quick way with an error."""
        self._metrics.ended()
        self._metrics.request("predict", error.status)
        send(refusal(error))

    def _as_failure(self, error: BaseException) -> NoriaError:
        """Whatever the user's code raises becomes a `StepFailed` that shows no paths; the log has the stack."""
        if isinstance(error, NoriaError):
            return error
        incident, name = secrets.token_hex(4), self.served.version.name
        self._metrics.failed(GraphFailed.code)
        self._narrate("answer.failed", version=name, incident=incident, stack=stack(error))
        return GraphFailed(version=name, kind=type(error).__name__, incident=incident)

    def _refused(self, error: NoriaError, send: Send) -> None:
        self._log_refused(error)
        self._answer_with(error, send)

    def _log_refused(self, error: NoriaError) -> None:
        self._metrics.failed(error.code)
        self._narrate("log.refused", version=self.served.version.name, why=str(error))


def _not_finite(answers: Sequence[tuple[Any, ...]]) -> int:
    count = 0
    for answer in answers:
        for value in answer:
            if type(value) is float and not isfinite(value):
                count += 1
    return count


def _mark(version: str) -> str:
    return ":" if version.isdigit() else "@"
