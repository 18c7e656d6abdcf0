"""What Prometheus is told. Each process tells of itself; only the heartbeat and the size are the ledger's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric

_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_ACTS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


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
        self.acts: Final = Histogram(
            "postseal_batch_acts", "Acts of a batch, written and committed together",
            buckets=_ACTS, registry=self.registry,
        )  # fmt: skip
        self.commits: Final = Histogram(
            "postseal_batch_seconds", "From taking up a batch until it is durable and signed",
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.registry.register(_Gauges(gauges))
        self._known: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def batch(self, acts: int, seconds: float) -> None:
        """Count a batch, on the writer's thread."""
        self.acts.observe(acts)
        self.commits.observe(seconds)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        known = self._known.get((route, status))
        if known is None:
            known = self.requests.labels(route, str(status)), self.seconds.labels(route)
            self._known[route, status] = known
        known[0].inc()
        known[1].observe(seconds)


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
