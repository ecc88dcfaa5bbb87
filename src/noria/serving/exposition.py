"""The counts of all processes of a service as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from noria.serving.metrics import GAUGES, HELP, SECONDS
from noria.serving.tally import Labels, Place


class _Counts(Collector):
    def __init__(self, counts: Mapping[Place, float]) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        by_name: dict[str, dict[Labels, dict[str, float]]] = {}
        for place, value in self._counts.items():
            by_name.setdefault(place.name, {}).setdefault(place.labels, {})[place.bucket] = value
        for name, series in sorted(by_name.items()):
            if name in HELP:
                yield from _counted(name, series)
            elif name in GAUGES:
                yield from _gauged(name, series)
            elif name in SECONDS:
                yield from _timed(name, series)


def page(counts: Mapping[Place, float]) -> bytes:
    """The text that a scrape gets."""
    registry = CollectorRegistry()
    registry.register(_Counts(counts))
    return generate_latest(registry)


Series = Mapping[Labels, Mapping[str, float]]


def _counted(name: str, series: Series) -> Iterator[Metric]:
    family = CounterMetricFamily(name, HELP[name], labels=_names(series))
    for labels, values in series.items():
        family.add_metric([value for _, value in labels], values[""])
    yield family


def _gauged(name: str, series: Series) -> Iterator[Metric]:
    family = GaugeMetricFamily(name, GAUGES[name], labels=_names(series))
    for labels, values in series.items():
        family.add_metric([value for _, value in labels], values[""])
    yield family


def _timed(name: str, series: Series) -> Iterator[Metric]:
    family = HistogramMetricFamily(name, SECONDS[name], labels=_names(series))
    for labels, values in series.items():
        total, buckets = 0.0, []
        for bound, count in values.items():
            if bound != "sum":
                total += count
                buckets.append((bound, total))
        family.add_metric([value for _, value in labels], buckets, values["sum"])
    yield family


def _names(series: Series) -> list[str]:
    return [name for name, _ in next(iter(series))]
