"""The careful way of a request: any form, read in the batcher's thread, every fault named."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any

from noria.errors import NoriaError, StepFailed
from noria.ports.clock import Clock
from noria.ports.serving import BATCH, Layout
from noria.records.predictions import prediction_ids
from noria.serving.answers import not_finite
from noria.serving.asked import Asked
from noria.serving.batching import Batcher, Job
from noria.serving.cause import HURRIED, OWN, Assigned, Cause
from noria.serving.dispatch import Dispatch
from noria.serving.errors import Broken, GraphFailed, TooLate
from noria.serving.forms import Finish, Form
from noria.serving.journal import Journal
from noria.serving.raw import Raw
from noria.serving.rows import log_rows, unit_of
from noria.serving.served import Served

if TYPE_CHECKING:
    import pyarrow as pa

    from noria.serving.traces import Span


@dataclass(frozen=True)
class Prepared:
    """An answer, as the event loop goes on with it."""

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


class CarefulWay:
    """Answers a version's requests of every form. For the event loop's thread; the graph works in the batcher's."""

    def __init__(
        self,
        served: Served,
        journal: Journal,
        batcher: Batcher,
        dispatch: Dispatch,
        *,
        clock: Clock,
        deadline: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._served = served
        self._journal = journal
        self._batcher = batcher
        self._dispatch = dispatch
        self._clock = clock
        self._deadline = deadline
        self._loop = loop

    async def answer(self, form: Form, raw: Raw, cause: Cause) -> Any:
        """The form's response, or that of the challenger that the request is assigned to. Raises what is wrong with it."""
        came = self._clock.now()
        try:
            return await self._answered(form, raw, cause)
        except Exception as error:  # those that are no NoriaError are ours: the outermost loop tells of them
            known = error if isinstance(error, NoriaError) else Broken(incident="")
            if not (isinstance(known, TooLate) and raw.within < self._deadline):  # as `Queue.is_impatient`
                self._journal.refusing(int(came.timestamp() * 1e6), cause.way, known)
            raise

    async def _answered(self, form: Form, raw: Raw, cause: Cause) -> Any:
        until = raw.until(self._loop.time(), self._deadline) if cause.until is None else cause.until
        made = await self._worked(form, cause, until, raw.span)
        if not isinstance(made, Assigned):
            return made
        if self._dispatch.is_hurried(raw):
            return await self._worked(form, replace(HURRIED, until=until), until, raw.span)
        response = await self._dispatch.challenged(made.version, raw, seconds=until - self._loop.time())
        if response is None:
            return await self._worked(form, Cause("instead", until), until, raw.span)
        return response

    async def _worked(self, form: Form, cause: Cause, until: float, span: Span | None) -> Any:
        began = perf_counter()
        try:
            prepared = await self._in_the_thread(form, began, cause, until, span)
        except StepFailed as error:
            self._journal.failed(error)
            raise
        except NoriaError:
            raise
        except Exception as error:
            raise self._journal.as_known(error) from error
        if isinstance(prepared, Assigned):
            return prepared
        if cause.passed_on and self._loop.time() > until:
            raise TooLate
        return await self._sent(prepared, began, cause, span)

    async def _in_the_thread(
        self, form: Form, began: float, cause: Cause, until: float, span: Span | None
    ) -> Prepared | Assigned:
        answered: asyncio.Future[Prepared | Assigned] = self._loop.create_future()

        def done(result: Any, error: BaseException | None) -> None:
            if answered.done():
                return
            if error is None:
                answered.set_result(result)
            else:  # a future takes no SystemExit and no StopIteration, and the user's code may raise them
                foreign = isinstance(error, StopIteration) or not isinstance(error, Exception)
                answered.set_exception(self._journal.as_known(error) if foreign else error)

        self._batcher.submit(
            Job(
                done,
                expires=until,
                size=form.size,
                call=lambda: self._prepared(form, began, cause, span),
                wanted=lambda: not answered.done(),
            )
        )
        return await answered

    def _prepared(self, form: Form, began: float, cause: Cause, span: Span | None) -> Prepared | Assigned:
        """In the batcher's thread."""
        served, paths, turn = self._served, self._dispatch.paths, perf_counter()
        asked, prepare = form.read(served)
        if paths is not None and cause is OWN:
            other = paths.challenger(unit_of(served.version.signature, asked.rows))
            if other is not None:
                return Assigned(other)
        at, read = self._clock.now(), perf_counter()
        answers = self._answers(asked.rows, at, cause)
        answered = perf_counter()
        finish = prepare(answers)
        took = perf_counter() - began
        trace = (span.trace if span else "") if self._journal.traced else None
        rows = log_rows(
            served, asked, answers, at, took=took, way=cause.way, veil=self._journal.veil, trace=trace
        )
        if span is not None:
            span.mark("wait", began, turn)
            span.mark("read", turn, read)
            span.mark("model", read, answered)
        return Prepared(
            layout=self._journal.layout_of(rows),
            rows=rows,
            payload=rows.serialize().to_pybytes(),
            finish=finish,
            asked=asked,
            not_finite=not_finite(answers),
        )

    def _answers(self, rows: pa.RecordBatch, at: datetime, cause: Cause) -> pa.RecordBatch:
        """Of the version; the unit that it fails at is noted. Raises whatever the user's code does."""
        try:
            return self._served.answer(rows)
        except BaseException as error:  # as in `each.tried`
            known = error if isinstance(error, NoriaError) else GraphFailed(self._served.version.name, "", "")
            veil = self._journal.veil
            unit = unit_of(self._served.version.signature, rows if veil is None else veil.batch(rows))
            self._journal.unanswered(unit, int(at.timestamp() * 1e6), cause.way, known)
            raise

    async def _sent(self, prepared: Prepared, began: float, cause: Cause, span: Span | None) -> Any:
        """The response, once its rows are in the log."""
        count, journal, ready = prepared.rows.num_rows, self._journal, perf_counter()
        segment, first = journal.take(prepared.layout, BATCH, count, prepared.part)
        ids = list(prediction_ids(segment, first, count))
        response = prepared.finish(ids)
        sent: asyncio.Future[None] = self._loop.create_future()
        journal.put(lambda _: sent.set_result(None), b"", lambda error, _: sent.set_exception(error))
        try:
            await sent
        except NoriaError as error:
            journal.refused(error)
            raise
        if span is not None:
            span.answered(cause.way, count, ids[0])
            span.mark("log and reply", ready, perf_counter())
        metrics = journal.metrics
        metrics.nulls(prepared.asked.nulls)
        metrics.unknown(prepared.asked.unknown)
        metrics.answered(count, perf_counter() - began, prepared.not_finite)
        return response
