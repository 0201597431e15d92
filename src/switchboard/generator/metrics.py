"""The generator's metrics about itself: its requests, its build, and what it uses of the machine."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, ProcessCollector, generate_latest

from switchboard.exposition import tell_build


class GeneratorMetrics:
    """The metrics of one generator, in a registry of their own. ``paths`` are those that it answers."""

    def __init__(self, paths: frozenset[str]) -> None:
        self._registry = CollectorRegistry()
        self._paths = paths
        ProcessCollector(registry=self._registry)
        tell_build(self._registry)
        self._requests = Counter(
            "switchboard_generator_requests_total",
            "Requests answered, by path and status",
            ["path", "status"],
            registry=self._registry,
        )
        for path in paths:
            self._requests.labels(path, "200")

    def count(self, path: str, status: int) -> None:
        """Count a reply. All paths that do not exist are one: their number has no bound."""
        self._requests.labels(path if path in self._paths else "other", str(status)).inc()

    def render(self) -> bytes:
        """All of them as Prometheus text."""
        return generate_latest(self._registry)
