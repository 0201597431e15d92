"""The connections of the ordinary door: what the guard refuses looks like all errors of the API."""

from __future__ import annotations

from switchboard.api import metrics
from switchboard.api.answer import Headers, error_answer
from switchboard.serving import GuardedProtocol


class OrdinaryProtocol(GuardedProtocol):
    """A connection whose refusals have the form of all errors of the API, and are counted."""

    @staticmethod
    def refusal(status: int, sentence: str, accept: bytes) -> tuple[Headers, bytes]:
        """Headers and body of a request that reaches no endpoint."""
        answer = error_answer(status, sentence, accept)
        assert isinstance(answer.body, bytes)
        return [*answer.headers, (b"content-type", answer.content_type)], answer.body

    @staticmethod
    def refused(reason: str) -> None:
        """Count it."""
        metrics.REFUSED.labels(reason).inc()
