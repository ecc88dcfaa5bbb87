"""Traces of requests, for OpenTelemetry: a span a request, its stages below it, sent to a collector by OTLP over HTTP.

A worker without tracing has none of this: no object, no import. With it, a request whose trace is not sampled costs the look
at one header; one that is, some tens of microseconds. Sending happens in a thread of its own and fails nobody.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from time import perf_counter, time_ns
from typing import TYPE_CHECKING, Any

from noria.records.versions import Version
from noria.serving.log import Narrator
from noria.serving.messages import Response
from noria.serving.neighbours import model_of
from noria.serving.raw import Raw
from noria.serving.sampling import Wanted, sampler_of
from noria.serving.siblings import FRONT, WAY

if TYPE_CHECKING:
    from noria.serving.trace_queue import Queue

PARENT, STATE = b"traceparent", b"tracestate"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
ENVIRONMENT = "env"
SAMPLED = 0x01  # of the flags in a traceparent
_PARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_TRACED = re.compile(rb"/(predict|infer|call)(?:\?.*)?$")

Send = Callable[[bytes | Response], None]
Answer = Callable[[Raw, Send], None]


class Span:
    """A request that is traced. For the event loop's thread, but for `mark`."""

    def __init__(self, span: Any, tracer: Any, context: Any) -> None:
        """`context`: in which the stages are children of the span."""
        found = span.get_span_context()
        self.trace = f"{found.trace_id:032x}"
        self.parent = f"00-{self.trace}-{found.span_id:016x}-01".encode()
        """What goes with the request to another worker."""
        self._span, self._tracer, self._context = span, tracer, context
        self._began, self._at = perf_counter(), time_ns()
        self._marks: list[tuple[str, float, float]] = []

    def tell(self, **attributes: str | int | float) -> None:
        """Facts about the request: `rows` is `noria.rows`."""
        for name, value in attributes.items():
            self._span.set_attribute(f"noria.{name}", value)

    def answered(self, way: str, rows: int, id: str) -> None:
        """The rows are in the log: how they came to be answered here, how many, and the first one's id."""
        self.tell(way=way or "champion", rows=rows, prediction=id)

    def mark(self, stage: str, began: float, ended: float) -> None:
        """A stage of the request, by `perf_counter`."""
        self._marks.append((stage, began, ended))

    def end(self, status: int) -> None:
        """The answer has left."""
        for stage, began, ended in self._marks:
            child = self._tracer.start_span(stage, self._context, start_time=self._moment(began))
            child.end(self._moment(ended))
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            from opentelemetry.trace import StatusCode

            self._span.set_status(StatusCode.ERROR)
        self._span.end()

    def _moment(self, at: float) -> int:
        """Nanoseconds since 1970."""
        return self._at + int((at - self._began) * 1e9)


@dataclass(frozen=True)
class Traces:
    """The traces of one version's worker."""

    version: Version
    tracer: Any
    queue: Queue
    wanted: Wanted

    def over(self, answer: Answer, *, inside: bool = False, own: str | None = None) -> Answer:
        """The same door with spans around its requests for answers. `inside`: for siblings, who have decided whether, but for
        what comes as it came to another model's front. `own`: the one model whose requests are traced, where there are others;
        theirs are by whoever answers."""

        def traced(raw: Raw, send: Send) -> None:
            asked = _TRACED.search(raw.url) if raw.method == b"POST" else None
            if asked and own is not None and model_of(raw.url) != own:
                asked = None
            decided = inside and (WAY, FRONT.encode()) not in raw.headers
            span = asked and self.begin(asked[1].decode(), raw.headers, inside=decided)
            if not span:
                answer(raw, send)
                return
            raw.span = span

            def sent(given: bytes | Response) -> None:
                send(given)
                span.end(200 if type(given) is bytes else given.status)  # type: ignore[union-attr]

            answer(raw, sent)

        return traced

    def begin(
        self, route: str, headers: Iterable[tuple[bytes, bytes]], *, inside: bool = False
    ) -> Span | None:
        """A span for a request with these headers; None where its trace is not sampled."""
        parent = _parent(headers)
        if (inside and parent is None) or not self.wanted(parent):
            return None
        from opentelemetry.trace import SpanKind, set_span_in_context

        name = f"{'infer' if route == 'call' else route} {self.version.model}"
        context = parent and parent.context()
        span = self.tracer.start_span(name, context, kind=SpanKind.SERVER, attributes=self._facts)
        return Span(span, self.tracer, set_span_in_context(span))

    @property
    def _facts(self) -> dict[str, str | int]:
        version = self.version
        facts: dict[str, str | int] = {
            "noria.model": version.model,
            "noria.version": version.number,
            "noria.run": f"{version.model}/{version.run}",
        }
        return facts | ({"noria.commit": version.source.commit} if version.source.commit else {})


def wanted(address: str) -> str:
    """Where traces go, as a bundle has it: a collector's address, `env` for what OpenTelemetry's own variables say; empty
    where nobody asked for any."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return ""
    return address or (ENVIRONMENT if any(os.environ.get(name) for name in ENDPOINTS) else "")


def traces_of(version: Version, address: str, narrate: Narrator) -> Traces | None:
    """What traces a worker's requests; None where nobody asked for it (`wanted`), or, said aloud, where the packages for it
    are not in this environment: an answer is worth more than its trace."""
    if not address:
        return None
    try:
        from noria.serving.trace_queue import opened
    except ImportError as error:
        why = f"{error}; add noria[otel] to the project's lock"
        narrate("traces.unavailable", version=version.name, why=why)
        return None
    tracer, queue = opened(version, "" if address == ENVIRONMENT else address, narrate)
    return Traces(version, tracer, queue, sampler_of(os.environ, narrate))


@dataclass(frozen=True)
class Parent:
    """Whose child a request's span is, as W3C's headers say."""

    trace: int
    span: int
    sampled: bool
    state: str

    def context(self) -> Any:
        from opentelemetry.trace import (
            NonRecordingSpan,
            SpanContext,
            TraceFlags,
            TraceState,
            set_span_in_context,
        )

        found = SpanContext(
            self.trace,
            self.span,
            is_remote=True,
            trace_flags=TraceFlags(SAMPLED if self.sampled else 0),
            trace_state=TraceState.from_header([self.state]) if self.state else None,
        )
        return set_span_in_context(NonRecordingSpan(found))


def _parent(headers: Iterable[tuple[bytes, bytes]]) -> Parent | None:
    """None where the header is not there, or is none: then a trace begins here, as W3C asks."""
    given = {lower: value for name, value in headers if (lower := name.lower()) in (PARENT, STATE)}
    found = _PARENT.fullmatch(given.get(PARENT, b"").strip())
    if found is None or (found[1] == b"00" and found[5]):
        return None
    trace, span = int(found[2], 16), int(found[3], 16)
    if not trace or not span:
        return None
    state = given.get(STATE, b"").decode("latin-1")
    return Parent(trace, span, bool(int(found[4], 16) & SAMPLED), state)


def headers_of(metadata: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """A gRPC call's metadata, as far as it tells of a trace."""
    return [
        (name, value.encode("latin-1"))
        for name in (PARENT, STATE)
        if isinstance(value := metadata.get(name.decode()), str)
    ]
