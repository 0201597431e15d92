"""Connections of the ordinary door, on which the guard's refusals have the form of all errors of the API."""

from __future__ import annotations

from switchboard.api import metrics
from switchboard.api.answer import Headers, error_answer
from switchboard.serving import GuardedProtocol


class OrdinaryProtocol(GuardedProtocol):
    """A connection whose refusals have the form of all errors of the API, and are counted."""

    @staticmethod
    def refusal(status: int, sentence: str, accept: bytes) -> tuple[Headers, bytes]:
        """Headers and body of the answer to a request that reaches no endpoint."""
        answer = error_answer(status, sentence, accept)
        assert isinstance(answer.body, bytes)
        return [*answer.headers, (b"content-type", answer.content_type)], answer.body

    @staticmethod
    def refused(reason: str) -> None:
        """Count a refusal."""
        metrics.REFUSED.labels(reason).inc()
