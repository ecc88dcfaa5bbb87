"""The one way of a request: read, answered by the version of this process, logged, replied."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
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
from noria.serving.dispatch import Dispatch, Paths
from noria.serving.errors import GraphFailed, NotServed, TooLate
from noria.serving.forms import Finish, Form
from noria.serving.log import Narrator, stack
from noria.serving.messages import Response, refusal
from noria.serving.metrics import VersionMetrics
from noria.serving.outbox import Outbox, Send
from noria.serving.quick import QuickReader, Read
from noria.serving.quick_tensors import QuickTensors, ReadTensors, tensor_writer
from noria.serving.rows import log_rows, places, unit_of
from noria.serving.served import Served
from noria.serving.veil import Payload, Veil, take

if TYPE_CHECKING:
    import pyarrow as pa

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
class Cause:
    """How a request comes to be answered here."""

    way: str = ""
    """As the log has it; see `ports.serving.WAYS`."""
    until: float | None = None
    """By the loop's clock, when nobody waits for the answer any more, where that is known."""
    passed_on: bool = False
    """By another worker, which goes on without an answer then: one that comes later must not be logged as given."""


OWN, ASKED = Cause(), Cause("asked")


@dataclass(frozen=True)
class Assigned:
    """A request that another version is to answer."""

    version: int


@dataclass(frozen=True)
class Careful:
    """An answer of the careful way, as the event loop goes on with it."""

    layout: Layout
    rows: pa.RecordBatch
    """As they are logged."""
    payload: bytes
    finish: Finish
    asked: Asked
    not_finite: int

    def part(self, kept: Sequence[int] | None) -> bytes:
        """The payload of some of the rows, or of all."""
        return self.payload if kept is None else bytes(self.rows.take(list(kept)).serialize().to_pybytes())


class Answering:
    """Answers requests with one version. For the event loop's thread; the graph works in the batcher's."""

    def __init__(
        self,
        served: Served,
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
        dispatch: Dispatch,
        veil: Veil | None = None,
        sample: float = 1.0,
    ) -> None:
        self.served = served
        self.dispatch = dispatch
        self.follows = follows
        self._outbox = outbox
        self._batcher = batcher
        self._metrics = metrics
        self._clock = clock
        self._narrate = narrate
        self._deadline = deadline
        self._loop = loop
        self._layout = layout
        self._veil = veil
        self._shown = veil.row() if veil else None
        self._sample = sample
        self._places = places(served.version.signature, veil.hashed if veil else ())
        self._units = places(served.version.signature)  # as they are, for the careful way routes by them too
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

    def named(self, asked: Reference) -> Served:
        """The version that serves, if it is what was asked for. Raises `NotServed`."""
        served = self.served
        version = served.version
        if asked.model == version.model and asked.version in (None, str(version.number), self.follows):
            return served
        raise NotServed(asked=str(asked), serving=version.name, follows=self.follows, model=version.model)

    def other(self, asked: Reference) -> int | None:
        """The version that was asked for, where it is another one whose workers this one can ask."""
        if asked.version is None or asked.model != self.served.version.model:
            return None
        return self.dispatch.named(asked.version)

    def now(self) -> float:
        """By the loop's clock."""
        return self._loop.time()

    def _expiry(self, cause: Cause) -> float:
        return self._loop.time() + self._deadline if cause.until is None else cause.until

    # -- the quick way: rows of JSON that leave no doubt

    def quick(self, raw: Raw, send: Send, cause: Cause = OWN) -> bool:
        """Take a request for rows; False where only the careful way can tell what is wrong with it."""
        reader = self.served.quick
        return reader is not None and self._take(raw, send, reader, reader, cause)

    def quick_infer(self, raw: Raw, send: Send, cause: Cause = OWN) -> bool:
        """The same for a request of tensors."""
        reader, tensors = self.served.quick, self._tensors
        if reader is None or tensors is None:
            return False
        return self._take(raw, send, reader, tensors, cause)

    def _take(
        self, raw: Raw, send: Send, reader: QuickReader, form: QuickReader | QuickTensors, cause: Cause
    ) -> bool:
        began = perf_counter()
        read = form.read(raw.body)
        if read is None:
            return False
        metrics = self._metrics
        metrics.began()
        at = time_ns() // 1000
        paths = self.dispatch.paths
        if paths is None or cause is not OWN:
            self._answer(reader, read, raw, at, began, send, cause)
        else:
            self._routed(paths, reader, read, raw, at, began, send)
        return True

    def _routed(
        self, paths: Paths, reader: QuickReader, read: AnyRead, raw: Raw, at: int, began: float, send: Send
    ) -> None:
        """Answer a request, or let the challenger do so that it is assigned to; shadows get it after that."""
        send = paths.copied(raw, send)
        other = paths.challenger(self._units(read.rows[0], at)[1])
        if other is None:
            self._answer(reader, read, raw, at, began, send, OWN)
            return
        instead = Cause("instead", self._loop.time() + self._deadline)

        def answered(response: Response) -> None:
            self._metrics.ended()
            self._metrics.request(_route(read, OWN), response.status)
            send(response)

        self.dispatch.first(
            other, raw, answered, lambda: self._answer(reader, read, raw, at, began, send, instead)
        )

    def _answer(
        self, reader: QuickReader, read: AnyRead, raw: Raw, at: int, began: float, send: Send, cause: Cause
    ) -> None:
        direct = self.served.direct
        if direct is None or len(read.rows) > AT_ONCE:
            self._in_a_batch(reader, read, len(raw.body), at, began, send, cause)
            return
        self._turn -= 1
        if self._turn:
            try:
                answers = direct(read.rows)
            except Exception as error:  # as the batcher does for the graph
                self._fail(error, read, send, cause)
                return
            self._deliver(reader, read, answers, at, began, send, cause)
        else:
            self._turn = LOOKED_AT
            self._watched(reader, read, at, began, send, cause)

    def _watched(
        self, reader: QuickReader, read: AnyRead, at: int, began: float, send: Send, cause: Cause
    ) -> None:
        """As the others, with a look at the clock between the stages."""
        direct, stage = self.served.direct, self._metrics.stage
        checked = perf_counter()
        try:
            answers = direct(read.rows) if direct else ()
        except Exception as error:
            self._fail(error, read, send, cause)
            return
        answered = perf_counter()
        self._deliver(reader, read, answers, at, began, send, cause)
        stage("read", checked - began, LOOKED_AT)
        stage("model", answered - checked, LOOKED_AT)
        stage("log and reply", perf_counter() - answered, LOOKED_AT)

    def _in_a_batch(
        self, reader: QuickReader, read: AnyRead, size: int, at: int, began: float, send: Send, cause: Cause
    ) -> None:
        checked = perf_counter()
        self._metrics.stage("read", checked - began)

        def done(answers: Any, error: BaseException | None) -> None:
            if error is not None:
                self._fail(error, read, send, cause)
                return
            if cause.passed_on and self._loop.time() > self._expiry(cause):
                self._fail(TooLate(), read, send, cause)
                return
            answered = perf_counter()
            self._metrics.stage("wait and model", answered - checked)
            self._deliver(reader, read, answers, at, began, send, cause)
            self._metrics.stage("log and reply", perf_counter() - answered)

        try:
            self._batcher.submit(Job(done, expires=self._expiry(cause), size=size, rows=read.rows))
        except NoriaError as error:
            self._fail(error, read, send, cause)

    def _deliver(
        self,
        reader: QuickReader,
        read: AnyRead,
        answers: Sequence[tuple[Any, ...]],
        at: int,
        began: float,
        send: Send,
        cause: Cause,
    ) -> None:
        """Log the rows with their answers, and send these."""
        took = perf_counter() - began
        place, rows = self._places, read.rows
        shown = rows if self._shown is None else [self._shown(row) for row in rows]
        keys = [place(row, at) for row in shown]
        count = len(rows)
        logged = Logged(at, int(took * 1e6), cause.way, shown, keys, answers)
        refused = partial(self._refused, read, cause)
        try:
            if self._sample == 1.0:
                segment, first = self._outbox.take(self._layout, VALUES, count, _pack(logged))
            else:
                segment, first = self._sampled(self._layout, VALUES, count, partial(_packed, logged))
        except NoriaError as error:
            refused(error, send)
            return
        metrics, one = self._metrics, self._ids.one
        if type(read) is ReadTensors:
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
        metrics.request(_route(read, cause), 200)
        self._outbox.put(send, body, refused, counts=True)

    def _several(self, segment: str, first: int, answers: Sequence[tuple[Any, ...]]) -> bytes:
        names, single, parts = self.served.answers.names, self._single, []
        for id, answer in zip(prediction_ids(segment, first, len(answers)), answers, strict=True):
            value = answer[0] if single else dict(zip(names, answer, strict=True))
            parts.append(b'{"id":"%b","answer":%b}' % (id.encode(), _json(value)))
        return self._head + b",".join(parts) + b"]}"

    # -- the careful way: everything else

    async def routed(
        self, asked: Reference, form: Callable[[], Form], raw: Raw, *, seconds: float | None = None
    ) -> Any:
        """Answer a request of any form by whoever it asks for or is assigned to: the form's response, or another version's
        `Response`. `seconds`: what its sender has left to wait. Raises what is wrong with it."""
        other, dispatch = self.other(asked), self.dispatch
        if other is not None:
            return await dispatch.asked(other, raw)
        self.named(asked)
        if asked.version is not None:
            return await self.careful(form(), raw, ASKED, seconds=seconds)
        response = await self.careful(form(), raw, OWN, seconds=seconds)
        if dispatch.paths is not None:
            dispatch.paths.copy(raw)
        return response

    async def careful(self, form: Form, raw: Raw, cause: Cause, *, seconds: float | None = None) -> Any:
        """The same for a request of which it is known how it came here: by this worker, or by the challenger that it is
        assigned to."""
        until = self._expiry(cause)
        if seconds is not None:
            until = min(until, self._loop.time() + seconds)
        made = await self._worked(form, cause, until)
        if not isinstance(made, Assigned):
            return made
        response = await self.dispatch.challenged(made.version, raw, seconds=until - self._loop.time())
        if response is None:
            return await self._worked(form, Cause("instead", until), until)
        return response

    async def _worked(self, form: Form, cause: Cause, until: float) -> Any:
        served, began = self.served, perf_counter()
        answered: asyncio.Future[Careful | Assigned] = self._loop.create_future()

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
                expires=until,
                size=form.size,
                call=lambda: self._carefully(form, began, cause),
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
        if isinstance(careful, Assigned):
            return careful
        if cause.passed_on and self._loop.time() > until:
            raise TooLate
        return await self._sent(careful, began)

    async def _sent(self, careful: Careful, began: float) -> Any:
        try:
            count = careful.rows.num_rows
            if self._sample == 1.0:
                segment, first = self._outbox.take(careful.layout, BATCH, count, careful.payload)
            else:
                segment, first = self._sampled(careful.layout, BATCH, count, careful.part)
        except NoriaError as error:
            self._log_refused(error)
            raise
        response = careful.finish(list(prediction_ids(segment, first, count)))
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
        self._metrics.answered(count, perf_counter() - began, careful.not_finite)
        return response

    def _carefully(self, form: Form, began: float, cause: Cause) -> Careful | Assigned:
        served, paths = self.served, self.dispatch.paths
        asked, prepare = form.read(served)
        if paths is not None and cause is OWN:
            other = paths.challenger(unit_of(served.version.signature, asked.rows))
            if other is not None:
                return Assigned(other)
        at = self._clock.now()
        answers = served.answer(asked.rows)
        finish = prepare(answers)
        took = perf_counter() - began
        rows = log_rows(served, asked, answers, at, took=took, way=cause.way, veil=self._veil)
        return Careful(
            layout=self._layout_of(rows),
            rows=rows,
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

    def _sampled(self, layout: Layout, kind: int, rows: int, payload: Payload) -> tuple[str, int]:
        segment, first, left_out = take(self._outbox, layout, kind, rows, payload, self._sample)
        self._metrics.left_out(left_out)
        return segment, first

    # -- what goes wrong

    def _fail(self, error: BaseException, read: AnyRead, send: Send, cause: Cause) -> None:
        """End a request of the quick way with an error."""
        known = error if isinstance(error, NoriaError) else self._as_failure(error)
        self._metrics.ended()
        self._metrics.request(_route(read, cause), known.status)
        send(refusal(known, protocol=type(read) is ReadTensors))

    def _as_failure(self, error: BaseException) -> NoriaError:
        """Whatever the user's code raises becomes a `StepFailed` that shows no paths; the log has the stack."""
        if isinstance(error, NoriaError):
            return error
        incident, name = secrets.token_hex(4), self.served.version.name
        self._metrics.failed(GraphFailed.code)
        self._narrate("answer.failed", version=name, incident=incident, stack=stack(error))
        return GraphFailed(version=name, kind=type(error).__name__, incident=incident)

    def _refused(self, read: AnyRead, cause: Cause, error: NoriaError, send: Send) -> None:
        self._log_refused(error)
        self._fail(error, read, send, cause)

    def _log_refused(self, error: NoriaError) -> None:
        self._metrics.failed(error.code)
        self._narrate("log.refused", version=self.served.version.name, why=str(error))


def _packed(all: Logged, kept: Sequence[int] | None) -> bytes:
    if kept is None:
        return _pack(all)
    rows, keys, answers = ([each[at] for at in kept] for each in (all.rows, all.keys, all.answers))
    return _pack(Logged(all.at, all.took, all.way, rows, keys, answers))


def _not_finite(answers: Sequence[tuple[Any, ...]]) -> int:
    count = 0
    for answer in answers:
        for value in answer:
            if type(value) is float and not isfinite(value):
                count += 1
    return count


def _route(read: AnyRead, cause: Cause) -> str:
    """As the metrics call it: what is passed on is counted at its caller's too."""
    if cause.passed_on:
        return "inside"
    return "infer" if type(read) is ReadTensors else "predict"


def _mark(version: str) -> str:
    return ":" if version.isdigit() else "@"
