"""What a process counts, by the names that Prometheus reads; see `page` for how it becomes text."""

from __future__ import annotations

from collections.abc import Mapping

from noria.serving.tally import Histogram, Tally

HELP = {
    "noria_requests": "Requests answered, by what was asked and how it ended",
    "noria_rows": "Rows answered",
    "noria_log_rows_left_out": "Rows answered that the sample of the log leaves out",
    "noria_nulls": "Nulls in the rows asked",
    "noria_unknown_categories": "Values that training never saw, in the rows asked",
    "noria_not_finite_answers": "Answers that are NaN or infinite",
    "noria_failures": "Requests that the graph or the log failed",
    "noria_batches": "Batches that the graph answered",
    "noria_batched_requests": "Requests answered in batches",
    "noria_log_rotated": "Segments of the prediction log that became Parquet files",
    "noria_log_dropped": "Files of the prediction log that were older than it keeps them",
    "noria_passed_on": "Requests passed on to another version, by the way that they went",
    "noria_unanswered": "Requests that another version gave no answer to, by what became of them; the champion answered",
    "noria_shadow_dropped": "Copies that were not sent because the shadow was behind",
    "noria_routing_changes": "Changes of the routing table",
    "noria_feedback": "Labels received, by what became of them",
    "noria_swaps": "Changes of the served version",
    "noria_workers_lost": "Workers that ended without being told to",
    "noria_requests_lost": "Requests that were in flight in a worker that was lost",
    "noria_spans": "Spans of traced requests: sent to the collector, dropped because too many waited, failed to be sent",
    "noria_connections_lost": "Connections that were open in a worker that was lost; each may have lost one request more",
    "noria_handed_over": "Open connections that went on in another worker",
}
GAUGES = {
    "noria_serving": "1 for a version that answers",
    "noria_log_bytes": "Bytes that the workers of now wrote to the prediction log",
    "noria_log_held": "Files older than the log keeps them, whose labels the monitor waits for",
    "noria_labels": "The champion's predictions by age of the event (at most, in seconds) and by state of their label",
    "noria_waiting_requests": "Requests in the queues, those at work included",
    "noria_in_flight": "Requests that have come whole and are not answered",
    "noria_connections": "Open connections",
    "noria_workers": "Workers that answer",
}
SECONDS = {
    "noria_request_seconds": "From the whole request in memory to its answer, waiting included",
    "noria_stage_seconds": "What a request spends: reading it, waiting, the model, the log, the reply",
}


class Metrics:
    """What every process of a service counts."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._requests: dict[tuple[str, int], int] = {}

    def request(self, route: str, code: int) -> None:
        place = self._requests.get((route, code))
        if place is None:
            place = self.tally.counter("noria_requests", route=route, code=str(code))
            self._requests[route, code] = place
        self.tally.values[place] += 1

    def feedback(self, result: str, count: int = 1) -> None:
        self.tally.add(self.tally.counter("noria_feedback", result=result), count)

    def swap(self, result: str) -> None:
        self.tally.add(self.tally.counter("noria_swaps", result=result))


class VersionMetrics(Metrics):
    """What a process counts that answers with one version."""

    def __init__(self, tally: Tally, *, model: str, version: int) -> None:
        super().__init__(tally)
        self._own = {"model": model, "version": str(version)}
        self.in_flight = tally.counter("noria_in_flight", **self._own)
        self.waiting = tally.counter("noria_waiting_requests", **self._own)
        self.connections = tally.counter("noria_connections", **self._own)
        self.log_bytes = tally.counter("noria_log_bytes", **self._own)
        self._rows = tally.counter("noria_rows", **self._own)
        self._batches = tally.counter("noria_batches", **self._own)
        self._batched = tally.counter("noria_batched_requests", **self._own)
        self._seconds = tally.histogram("noria_request_seconds", **self._own)
        self._stages: dict[str, Histogram] = {}
        self._columns: dict[tuple[str, str], int] = {}

    def began(self) -> None:
        """A request has come whole."""
        self.tally.values[self.in_flight] += 1

    def ended(self, count: int = 1) -> None:
        self.tally.add(self.in_flight, -count)

    def answered(self, rows: int, seconds: float, not_finite: int) -> None:
        self.tally.values[self._rows] += rows
        self.tally.observe(self._seconds, seconds)
        if not_finite:
            self.tally.add(self.tally.counter("noria_not_finite_answers", **self._own), not_finite)

    def left_out(self, rows: int) -> None:
        """Rows that were answered, and are not in the sample of the log."""
        if rows:
            self._count("noria_log_rows_left_out", rows)

    def stage(self, name: str, seconds: float, weight: float = 1.0) -> None:
        """What one stage of a request took; `weight`: of how many requests this one was looked at."""
        stage = self._stages.get(name)
        if stage is None:
            stage = self._stages[name] = self.tally.histogram("noria_stage_seconds", stage=name, **self._own)
        self.tally.observe(stage, seconds, weight)

    def batch(self, requests: int, rows: int) -> None:
        self.tally.add(self._batches)
        self.tally.add(self._batched, requests)

    def nulls(self, counts: Mapping[str, int]) -> None:
        self._by_column("noria_nulls", counts)

    def unknown(self, counts: Mapping[str, int]) -> None:
        """Values that training never saw."""
        self._by_column("noria_unknown_categories", counts)

    def passed_on(self, version: int, way: str) -> None:
        self._beside("noria_passed_on", version, way=way)

    def unanswered(self, version: int, way: str, kind: str) -> None:
        """Another version gave no answer, which counts against it."""
        self._beside("noria_unanswered", version, way=way, kind=kind)

    def dropped(self, version: int) -> None:
        self._beside("noria_shadow_dropped", version)

    def _beside(self, name: str, version: int, **labels: str) -> None:
        own = {"model": self._own["model"], "version": str(version)}
        self.tally.add(self.tally.counter(name, **labels, **own))

    def spans(self, counts: Mapping[str, int]) -> None:
        """Spans so far, by what became of them."""
        for result, count in counts.items():
            self.tally.put(self.tally.counter("noria_spans", result=result, **self._own), count)

    def failed(self, code: str) -> None:
        self._count("noria_failures", 1, code=code)

    def _by_column(self, name: str, counts: Mapping[str, int]) -> None:
        """With the places remembered: some columns have nulls in most requests."""
        for column, count in counts.items():
            place = self._columns.get((name, column))
            if place is None:
                place = self.tally.counter(name, column=column, **self._own)
                self._columns[name, column] = place
            self.tally.values[place] += count

    def _count(self, name: str, count: float, **labels: str) -> None:
        self.tally.add(self.tally.counter(name, **labels, **self._own), count)
