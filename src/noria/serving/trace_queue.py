"""Spans on their way to a collector: a queue with an end, emptied by a thread that no request waits for."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

import noria
from noria.records.versions import Version
from noria.serving.log import Narrator

WAITING = 4096  # spans: some MB, and seconds of a busy worker
SPANS = 512  # spans of one request to the collector, as OpenTelemetry's own processor has it
EVERY = 1.0  # s between two sendings; who looks at a trace has just asked
LEAVING = 2.0  # s that a worker which leaves waits for its last spans


class Queue(SpanProcessor):
    """Takes spans that ended, and sends them. What finds no room is dropped and counted, and so is what the collector
    does not take."""

    def __init__(self, exporter: SpanExporter, narrate: Narrator) -> None:
        self._exporter = exporter
        self._narrate = narrate
        self._spans: deque[ReadableSpan] = deque()
        self._woken = threading.Event()
        self._over = False
        self._failing = False
        self.sent = self.dropped = self.failed = 0
        self._thread = threading.Thread(target=self._work, name="traces", daemon=True)
        self._thread.start()

    @property
    def counts(self) -> dict[str, int]:
        return {"sent": self.sent, "dropped": self.dropped, "failed": self.failed}

    def on_end(self, span: ReadableSpan) -> None:
        if len(self._spans) >= WAITING:
            self.dropped += 1
            return
        self._spans.append(span)
        if len(self._spans) >= SPANS:
            self._woken.set()

    def close(self, seconds: float = LEAVING) -> None:
        """Send what waits, as far as it can be done in so many seconds."""
        self._over = True
        self._woken.set()
        self._thread.join(seconds)
        self.dropped += len(self._spans)
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 0) -> bool:
        """The thread does."""
        return True

    def _work(self) -> None:
        while not self._over:
            self._woken.wait(EVERY)
            self._woken.clear()
            while self._spans:
                self._send([self._spans.popleft() for _ in range(min(SPANS, len(self._spans)))])

    def _send(self, spans: list[ReadableSpan]) -> None:
        try:
            done, why = self._exporter.export(spans) is SpanExportResult.SUCCESS, "it did not take them"
        except Exception as error:  # whatever an exporter raises must not end the thread
            done, why = False, f"{type(error).__name__}: {error}"
        if done:
            self.sent += len(spans)
        else:
            self.failed += len(spans)
        if done is self._failing:  # told once, until it changes
            self._failing = not done
            self._narrate(
                "traces.sent" if done else "traces.failed", spans=len(spans), why="" if done else why
            )


def opened(version: Version, address: str, narrate: Narrator) -> tuple[Any, Queue]:
    """A tracer for a version, and where its spans go. The headers for the collector, time-outs and more are what
    OpenTelemetry's own variables say."""
    quiet = logging.getLogger("opentelemetry")  # what it has to say goes the way of the service's own events
    quiet.addHandler(logging.NullHandler())
    quiet.propagate = False
    endpoint = f"{address.rstrip('/')}/v1/traces" if address else None
    queue = Queue(OTLPSpanExporter(endpoint=endpoint), narrate)
    resource = Resource.create(_named(version))
    provider = TracerProvider(
        ALWAYS_ON, resource, shutdown_on_exit=False
    )  # whoever asks for a span has decided
    provider.add_span_processor(queue)
    return provider.get_tracer("noria", noria.__version__), queue


def _named(version: Version) -> dict[str, str]:
    """Unless OTEL_SERVICE_NAME says otherwise."""
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": version.model}
    return {**named, "service.version": str(version.number)}
