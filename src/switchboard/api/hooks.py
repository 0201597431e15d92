"""What the API does when its view changes: count, and render what will be asked for."""

from __future__ import annotations

import gc
from collections.abc import Callable

import structlog

from switchboard.api import metrics
from switchboard.api.bodies import MOST_WARMED, BodyTable
from switchboard.api.warm import RENDERED_FIRST, warm
from switchboard.view.hooks import Hooks
from switchboard.view.view import View

log = structlog.get_logger()


class ApiHooks(Hooks):
    """Keeps the metrics and the table of bodies in step with the view. ``clock`` is the view's."""

    def __init__(self, bodies: BodyTable, clock: Callable[[], float]) -> None:
        self._bodies = bodies
        self._clock = clock
        self._prepared: BodyTable | None = None
        self._is_first = True

    async def prepare(self, view: View) -> None:
        """Render the bodies that clients asked for last."""
        table = BodyTable()
        recipes = RENDERED_FIRST if self._is_first else self._bodies.last_asked(MOST_WARMED)
        try:
            await warm(table, view, self._clock(), recipes)
        except Exception as error:
            log.debug("body not warmed", exc_info=error)
        self._prepared = table

    def swapped(self, view: View) -> None:
        """Replace the bodies of the previous snapshots by those that were prepared."""
        self._bodies.replace(BodyTable() if self._prepared is None else self._prepared)
        self._prepared = None
        if self._is_first:
            self._is_first = False
            _freeze()

    def observed(self, view: View, now: float) -> None:
        """Set the gauges."""
        metrics.observe_view(view, now)

    def loaded(self, source: str, seconds: float) -> None:
        """Count the load and its duration."""
        metrics.LOADS.labels(source, "ok").inc()
        metrics.LOAD_SECONDS.observe(seconds)

    def load_failed(self, source: str) -> None:
        """Count the failed load."""
        metrics.LOADS.labels(source, "failed").inc()

    def pointer_refused(self, source: str) -> None:
        """Count the refused pointer."""
        metrics.POINTERS_REFUSED.labels(source).inc()

    def poll_failed(self) -> None:
        """Count the failed poll."""
        metrics.STORE_FAILURES.inc()

    def forgotten(self, source: str) -> None:
        """Set the gauges of the source to zero."""
        metrics.forget_source(source)


def _freeze() -> None:
    """Exempt all objects that exist by now from garbage collection: a full collection of them takes 30 ms."""
    gc.collect()
    gc.freeze()
