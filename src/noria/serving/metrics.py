"""What Prometheus reads at /metrics; a registry of its own, so that nothing is counted twice or elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The counters of one service."""

    def __init__(self, *, log_size: Callable[[], int], waiting: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        counter = self._counter
        self._requests = counter(
            "noria_requests", "Requests answered, by what was asked and how it ended", "route", "code"
        )
        self._rows = counter("noria_rows", "Rows answered and logged", "version")
        self._nulls = counter("noria_nulls", "Nulls in the rows asked", "version", "column")
        self._unknown = counter(
            "noria_unknown_categories",
            "Values that training never saw, in the rows asked",
            "version",
            "column",
        )
        self._not_finite = counter("noria_not_finite_answers", "Answers that are NaN or infinite", "version")
        self._failures = counter(
            "noria_failures", "Requests that the graph or the log failed", "version", "code"
        )
        self._feedback = counter("noria_feedback", "Labels received, by what became of them", "result")
        self._swaps = counter("noria_swaps", "Changes of the served version", "result")
        self._seconds = Histogram(
            "noria_request_seconds",
            "From the whole request in memory to the answer, waiting included",
            ["version"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._info = Gauge(
            "noria_serving",
            "1 for the version that answers",
            ["model", "version", "follows"],
            registry=self.registry,
        )
        self._gauge("noria_log_bytes", "Bytes that this process wrote to the prediction log", log_size)
        self._gauge("noria_waiting_requests", "Requests in the queue, the one at work included", waiting)
        self._request = lru_cache(maxsize=256)(
            self._requests.labels
        )  # a look-up by label costs as much as the rest

    def request(self, route: str, code: int) -> None:
        self._request(route, str(code)).inc()

    def answered(self, version: str, rows: int, seconds: float, not_finite: int) -> None:
        self._rows.labels(version).inc(rows)
        self._seconds.labels(version).observe(seconds)
        if not_finite:
            self._not_finite.labels(version).inc(not_finite)

    def asked(self, version: str, nulls: Mapping[str, int], unknown: Mapping[str, int]) -> None:
        """The data's quality as it arrives."""
        for name, count in nulls.items():
            self._nulls.labels(version, name).inc(count)
        for name, count in unknown.items():
            self._unknown.labels(version, name).inc(count)

    def failed(self, version: str, code: str) -> None:
        self._failures.labels(version, code).inc()

    def feedback(self, result: str, count: int = 1) -> None:
        self._feedback.labels(result).inc(count)

    def serving(self, model: str, version: int, follows: str) -> None:
        """From now on this version answers."""
        self._info.clear()
        self._info.labels(model, str(version), follows).set(1)

    def swap(self, result: str) -> None:
        self._swaps.labels(result).inc()

    def page(self) -> bytes:
        return generate_latest(self.registry)

    def _counter(self, name: str, help: str, *labels: str) -> Counter:
        return Counter(name, help, labels, registry=self.registry)

    def _gauge(self, name: str, help: str, read: Callable[[], int]) -> None:
        Gauge(name, help, registry=self.registry).set_function(read)
