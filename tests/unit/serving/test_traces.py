"""Which requests are traced, and a queue that harms nobody."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from noria.serving.sampling import Few, sampler_of
from noria.serving.trace_queue import WAITING, Queue
from noria.serving.traces import Parent, _parent, wanted

ONE = ReadableSpan("one")
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def told(event: str, /, **facts: object) -> None:
    """Nobody listens."""


def headers(value: str, **more: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"Traceparent", value.encode()),
        *((name.encode(), each.encode()) for name, each in more.items()),
    ]


def test_a_callers_header_is_read() -> None:
    found = _parent(headers(f"00-{TRACE}-{SPAN}-01", tracestate="vendor=1"))
    assert found == Parent(int(TRACE, 16), int(SPAN, 16), sampled=True, state="vendor=1")
    assert _parent(headers(f"cc-{TRACE}-{SPAN}-00-what-comes-later")) == Parent(
        int(TRACE, 16), int(SPAN, 16), sampled=False, state=""
    )


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
    ],
)
def test_what_is_no_header_begins_a_new_trace(value: str) -> None:
    assert _parent(headers(value)) is None


def decided(name: str, argument: str = "") -> Any:
    return sampler_of({"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": argument}, told)


def caller(*, sampled: bool, trace: int = 1) -> Parent:
    return Parent(trace, 1, sampled, "")


def test_the_variables_of_opentelemetry_decide() -> None:
    assert decided("always_on")(caller(sampled=False)) and decided("always_on")(None)
    assert not decided("always_off")(caller(sampled=True))
    for root, begins in (("always_on", True), ("always_off", False)):
        asked = decided(f"parentbased_{root}")
        assert asked(None) is begins
        assert asked(caller(sampled=True)) and not asked(caller(sampled=False))


def test_a_share_goes_by_the_traces_id() -> None:
    from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

    asked, theirs = decided("traceidratio", "0.25"), TraceIdRatioBased(0.25)
    traces = [(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128 for number in range(1, 2000)]
    assert [asked(caller(sampled=False, trace=one)) for one in traces] == [
        theirs.should_sample(None, one, "").decision.is_sampled() for one in traces
    ]
    drawn = sum(decided("parentbased_traceidratio", "0.25")(None) for _ in range(4000))
    assert 800 < drawn < 1200  # a thousand, give or take seven standard deviations


@pytest.mark.parametrize(("name", "argument"), [("xray", ""), ("traceidratio", "much")])
def test_what_is_not_known_is_said(name: str, argument: str) -> None:
    said: list[str] = []
    variables = {"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": argument}
    sampler_of(variables, lambda event, /, **facts: said.append(event))
    assert said == ["traces.sampler"]


def test_without_variables_a_few_traces_a_second_begin_here() -> None:
    now = [100.0]
    few = Few(clock=lambda: now[0])
    assert [few(None) for _ in range(12)] == [True] * 10 + [False] * 2
    now[0] += 0.25
    assert [few(None) for _ in range(4)] == [True] * 2 + [False] * 2
    now[0] += 60
    assert sum(few(None) for _ in range(99)) == 10
    assert sampler_of({}, told)(caller(sampled=True))


def test_nobody_traces_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    assert wanted("") == ""
    assert wanted("http://here:1") == "http://here:1"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://there:1")
    assert wanted("") == "env"
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert wanted("http://here:1") == ""


class Slow(SpanExporter):
    """A collector that does not answer before it is let."""

    def __init__(self, result: SpanExportResult = SpanExportResult.SUCCESS) -> None:
        self.asked, self.go = threading.Event(), threading.Event()
        self.result = result
        self.got = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked.set()
        self.go.wait(60)
        self.got += len(spans)
        return self.result


def test_a_full_queue_drops_and_counts_and_never_waits() -> None:
    exporter, more = Slow(), 100
    queue = Queue(exporter, told)
    queue.on_end(ONE)
    assert exporter.asked.wait(60)
    for _ in range(WAITING + more):
        queue.on_end(ONE)
    assert queue.counts == {"sent": 0, "dropped": more, "failed": 0}
    exporter.go.set()
    queue.close(60)
    assert queue.counts == {"sent": WAITING + 1, "dropped": more, "failed": 0}
    assert exporter.got == WAITING + 1


def test_a_collector_that_hangs_does_not_keep_a_worker() -> None:
    exporter = Slow()
    queue = Queue(exporter, told)
    queue.on_end(ONE)
    assert exporter.asked.wait(60)
    queue.on_end(ONE)
    queue.close(0.0)
    assert queue.counts["dropped"] == 1
    exporter.go.set()


def test_what_the_collector_refuses_is_told_once_until_it_changes() -> None:
    said: list[str] = []
    exporter = Slow(SpanExportResult.FAILURE)
    exporter.go.set()
    queue = Queue(exporter, lambda event, /, **facts: said.append(event))
    for result in (SpanExportResult.FAILURE, SpanExportResult.FAILURE, SpanExportResult.SUCCESS):
        exporter.result = result
        queue._send([ONE])
    queue.close(60)
    assert said == ["traces.failed", "traces.sent"]
    assert queue.counts == {"sent": 1, "dropped": 0, "failed": 2}
