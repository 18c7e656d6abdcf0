"""What Prometheus is told. Each process tells of itself; only the heartbeat and the size are the ledger's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric

_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """The registry and what routes count in it."""

    def __init__(self, gauges: Callable[[], Iterator[tuple[str, str, float]]]) -> None:
        """``gauges`` gives name, help and value of what is read when it is asked for."""
        self.registry = CollectorRegistry()
        self.requests: Final = Counter(
            "postseal_requests", "HTTP requests answered", ["route", "status"], registry=self.registry
        )
        self.seconds: Final = Histogram(
            "postseal_request_seconds", "From the first byte of a request to the last of its answer", ["route"],
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.registry.register(_Gauges(gauges))


class _Gauges:
    def __init__(self, read: Callable[[], Iterator[tuple[str, str, float]]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        for name, said, value in self._read():
            gauge = GaugeMetricFamily(name, said)
            gauge.add_metric([], value)
            yield gauge


def age(micros: int) -> float:
    """Seconds since an instant in microseconds since 1970."""
    return max(0.0, time.time() - micros / 1_000_000)
