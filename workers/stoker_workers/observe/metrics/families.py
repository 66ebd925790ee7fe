"""Prometheus metric families, made in one call each."""

import math
from collections.abc import Callable, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from stoker.ledger.counters import Histogram

# By the values of their labels.
Samples = Mapping[tuple[str, ...], float]
# From a name, a documentation, names of labels and samples.
Family = Callable[[str, str, Sequence[str], Samples], Metric]


def gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)


def gauges(name: str, documentation: str, labels: Sequence[str], samples: Samples) -> Metric:
    return _filled(GaugeMetricFamily(name, documentation, labels=labels), samples)


def counters(name: str, documentation: str, labels: Sequence[str], samples: Samples) -> Metric:
    return _filled(CounterMetricFamily(name, documentation, labels=labels), samples)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, samples: Samples) -> Metric:
    for words, value in samples.items():
        family.add_metric(words, value)
    return family


def histograms_of_ms(
    name: str, documentation: str, labels: Sequence[str], histograms: Mapping[tuple[str, ...], Histogram]
) -> Metric:
    """Histograms of milliseconds, in seconds."""
    family = HistogramMetricFamily(name, documentation, labels=labels)
    for words, histogram in histograms.items():
        buckets = [bucket(bound / 1000, count) for bound, count in histogram.buckets]
        family.add_metric(words, buckets, histogram.total / 1000)
    return family


def bucket(bound: float, count: int) -> tuple[str, float]:
    return "+Inf" if math.isinf(bound) else str(float(bound)), count
