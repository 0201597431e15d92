"""Rendering what clients will ask for next, before a new snapshot is shown.

A client that polls a long list would otherwise wait for it once per snapshot: 10,000 switches take 30 ms to render, and
twice that while other requests are answered in between.
"""

from __future__ import annotations

from collections.abc import Sequence

from switchboard.api.answer import Answer
from switchboard.api.answers import list_metrics
from switchboard.api.bodies import VALUE_BYTES, BodyTable, Recipe, SharedBody
from switchboard.api.queries import ListMetrics
from switchboard.api.view import View

FIRST_ASKED = (Recipe(list_metrics, ListMetrics()),)
"""What is rendered before anybody has asked for anything."""


def share(answer: Answer, etag: bytes, table: BodyTable, recipe: Recipe, *, asked: bool) -> SharedBody:
    """Put the body of a shared answer into a table, before it is rendered; ``recipe`` is what made the answer."""
    assert not isinstance(answer.body, bytes | SharedBody)
    body = SharedBody(answer.body, answer.values * VALUE_BYTES)
    table.add(etag, body, recipe, asked=asked)
    return body


async def warm(view: View, now: float, recipes: Sequence[Recipe]) -> None:
    """Render bodies into ``view.bodies``, piece by piece, without holding the event loop."""
    for recipe in recipes:
        answer: Answer = recipe.answer(view, now, recipe.query)
        if answer.etag is not None and answer.shared:
            await share(answer, answer.etag, view.bodies, recipe, asked=False).complete()
