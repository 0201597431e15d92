"""Rendering what clients will ask for next, before a new snapshot is shown.

A client that polls a long list would otherwise wait for it once per snapshot: 10,000 switches take 30 ms to render, and
twice that while other requests are answered in between.
"""

from __future__ import annotations

from collections.abc import Sequence

from switchboard.api.answer import Answer
from switchboard.api.bodies import CELL_BYTES, BodyTable, Recipe, SharedBody, gzip_pieces
from switchboard.api.results import answer_of
from switchboard.errors import QueryError
from switchboard.query.lists import list_metrics
from switchboard.query.requests import ListMetrics
from switchboard.view.view import View

RENDERED_FIRST = (Recipe(list_metrics, ListMetrics()),)
"""The bodies that are rendered when the first snapshot comes and no client has asked for anything yet."""


def shared_body(answer: Answer, table: BodyTable, recipe: Recipe, *, asked: bool) -> SharedBody:
    """The body of a shared answer: that of the table, or a new one that is put into it. ``recipe`` made the answer."""
    assert answer.tag is not None
    body = table.get(answer.tag, recipe, asked=asked)
    if body is None:
        if recipe.gzip:
            plain = shared_body(answer, table, recipe._replace(gzip=False), asked=False)
            body = SharedBody(gzip_pieces(plain), plain.size_bytes // _EXPECTED_GAIN)
        else:
            assert not isinstance(answer.body, bytes | SharedBody)
            body = SharedBody(answer.body, answer.cells * CELL_BYTES)
        table.add(answer.tag, recipe, body, asked=asked)
    return body


_EXPECTED_GAIN = 2


async def warm(table: BodyTable, view: View, now: float, recipes: Sequence[Recipe]) -> None:
    """Render bodies of a view into a table, piece by piece, without holding the event loop."""
    for recipe in recipes:
        try:
            answer = answer_of(recipe.answer(view, now, recipe.query))
        except QueryError:
            continue  # what was asked for is no longer there
        if answer.tag is not None and answer.shared:
            await shared_body(answer, table, recipe, asked=False).complete(table.turns)
