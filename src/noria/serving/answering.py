"""The one way of a request: read, answered by the version that serves, logged, replied."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from noria.errors import NoriaError, Unavailable
from noria.ports.clock import Clock
from noria.ports.serving import ANSWER, AT, KEY, REQUEST, TIME, UNIT, Answered, PredictionLog
from noria.serving import tensors
from noria.serving.answers import as_values, not_finite
from noria.serving.asked import Asked, event_times, keys, units
from noria.serving.errors import BadShape, GraphFailed, NotServed
from noria.serving.log import Narrator, stack
from noria.serving.messages import Request, Response, parsed, reply
from noria.serving.metrics import Metrics
from noria.serving.served import Served

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = "rows"  # the member that holds several rows; an object without it is a row itself


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


class Answering:
    """Answers requests with `served`, the one pointer that a swap changes. For one thread at a time."""

    def __init__(
        self,
        served: Served,
        *,
        follows: str,
        log: PredictionLog,
        metrics: Metrics,
        clock: Clock,
        narrate: Narrator,
    ) -> None:
        self.served = served
        self.follows = follows
        self._log = log
        self._metrics = metrics
        self._clock = clock
        self._narrate = narrate

    def named(self, asked: Reference) -> Served:
        """The version that serves, if it is what was asked for. Raises `NotServed`."""
        served = self.served
        version = served.version
        if asked.model == version.model and asked.version in (None, str(version.number), self.follows):
            return served
        raise NotServed(asked=str(asked), serving=version.name, follows=self.follows, model=version.model)

    def predict(self, request: Request, asked: Reference, began: float) -> Response:
        """Rows as objects, the answers as values."""
        served = self.named(asked)
        body = parsed(request)
        single = ROWS not in body or ROWS in served.reader.kinds
        if not single and len(body) > 1:
            extra = sorted(body.keys() - {ROWS})
            raise BadShape(problem=f"there is {extra} beside `rows`", fix='send {"rows": [...]} alone')
        rows = served.read([body] if single else body[ROWS])
        answers, ids = self._answer(served, rows, began)
        values = as_values(answers)
        return reply(
            {
                "model": served.version.model,
                "version": served.version.number,
                "predictions": [{"id": id, "answer": value} for id, value in zip(ids, values, strict=True)],
            }
        )

    def infer(self, request: Request, asked: Reference, began: float) -> Response:
        """Tensors in, tensors out."""
        served = self.named(asked)
        body = tensors.infer_request(parsed(request))
        tensors.check_outputs(served.version.signature, body.outputs)
        answers, ids = self._answer(served, tensors.read(body, served.reader), began)
        version = served.version
        return reply(
            {
                "model_name": version.model,
                "model_version": str(version.number),
                **({} if body.id is None else {"id": body.id}),
                "parameters": {"version": version.name, "prediction_ids": ",".join(ids)},
                "outputs": tensors.outputs(answers, version.signature, body.outputs),
            }
        )

    def _answer(self, served: Served, asked: Asked, began: float) -> tuple[pa.RecordBatch, Sequence[str]]:
        at = self._clock.now()
        name = served.version.name
        answers = self._failing_safely(served, lambda: served.answer(asked.rows))
        try:
            ids = self._log.append(
                Answered(version=served.version.number, rows=log_rows(served, asked, answers, at))
            )
        except Unavailable as error:
            self._metrics.failed(name, error.code)
            self._narrate("log.refused", version=name, why=str(error))
            raise
        self._metrics.asked(name, asked.nulls, asked.unknown)
        self._metrics.answered(name, len(ids), time.perf_counter() - began, not_finite(answers))
        return answers, ids

    def _failing_safely(self, served: Served, work: Callable[[], pa.RecordBatch]) -> pa.RecordBatch:
        """Whatever the user's code raises becomes a `StepFailed` that shows no paths; the log has the stack."""
        name = served.version.name
        try:
            return work()
        except NoriaError as error:
            self._metrics.failed(name, error.code)
            self._narrate("answer.failed", version=name, code=error.code, stack=stack(error))
            raise
        except BaseException as error:  # the user's: SystemExit and a library's panic are no Exception
            incident = secrets.token_hex(4)
            self._metrics.failed(name, GraphFailed.code)
            self._narrate("answer.failed", version=name, incident=incident, stack=stack(error))
            raise GraphFailed(version=name, kind=type(error).__name__, incident=incident) from error


def log_rows(served: Served, asked: Asked, answers: pa.RecordBatch, at: datetime) -> pa.RecordBatch:
    """The rows of the prediction log, but for what the log itself adds."""
    import pyarrow as pa

    signature, rows = served.version.signature, asked.rows
    key = keys(signature, rows)
    own = {
        AT: pa.array([at] * rows.num_rows, pa.timestamp("us", tz="UTC")),
        TIME: event_times(signature, rows, at),
        KEY: pa.array(key if key is not None else [None] * rows.num_rows, pa.string()),
        UNIT: pa.array(units(signature, rows, key), pa.string()),
    }
    names = [
        *own,
        *(REQUEST + name for name in rows.schema.names),
        *(ANSWER + name for name in answers.schema.names),
    ]
    return pa.RecordBatch.from_arrays([*own.values(), *rows.columns, *answers.columns], names=names)


def _mark(version: str) -> str:
    return ":" if version.isdigit() else "@"
