"""Bodies that are rendered once for many."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from switchboard.api.answer import Answer
from switchboard.api.bodies import BodyTable, Recipe, SharedBody
from switchboard.view.view import View


def nothing(view: View, now: float, query: object) -> Answer:
    return Answer(200, [])


RECIPE = Recipe(nothing, None)


def counted(pieces: list[bytes], taken: list[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        taken.append(piece)
        yield piece


def broken() -> Iterator[bytes]:
    yield b"["
    raise ValueError("no")


async def test_one_renders_and_all_get_it() -> None:
    """However many wait for a body, each piece is rendered once, and the event loop turns in between."""
    taken: list[bytes] = []
    turns = 0

    async def watch() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    body = SharedBody(counted([b"a", b"b", b"c"], taken), 0)
    watching = asyncio.create_task(watch())
    results = await asyncio.gather(*(body.complete(asyncio.Lock()) for _ in range(20)))
    watching.cancel()
    assert set(results) == {b"abc"}
    assert taken == [b"a", b"b", b"c"]
    assert turns >= 3


async def test_who_gives_up_leaves_the_rest_to_others() -> None:
    """When the client that renders goes away, the next one that waits goes on."""
    body = SharedBody(iter([b"a", b"b", b"c"]), 0)
    first, second = (
        asyncio.create_task(body.complete(asyncio.Lock())),
        asyncio.create_task(body.complete(asyncio.Lock())),
    )
    await asyncio.sleep(0)
    first.cancel()
    assert await second == b"abc"


async def test_a_broken_body_is_never_taken_for_a_whole_one() -> None:
    """What fails to render fails for everyone, and is forgotten by the table."""
    table = BodyTable()
    body = SharedBody(broken(), 0)
    table.add(b"tag", RECIPE, body, asked=True)
    with pytest.raises(ValueError, match="no"):
        await body.complete(asyncio.Lock())
    with pytest.raises(RuntimeError):
        await body.complete(asyncio.Lock())
    assert table.get(b"tag", RECIPE) is None


def whole(size: int) -> SharedBody:
    body = SharedBody(iter([b"x" * size]), 10)
    while not body.advance():
        pass
    return body


def test_a_table_has_a_bound_in_bodies_and_in_bytes() -> None:
    """The body that was not used for longest goes first; an unfinished one counts with what it is expected to take."""
    table = BodyTable(most_bodies=3, most_bytes=100)
    for name in (b"a", b"b", b"c"):
        table.add(name, RECIPE, whole(20), asked=True)
    assert table.get(b"a", RECIPE) is not None
    table.add(b"d", RECIPE, whole(20), asked=True)
    assert (table.get(b"b", RECIPE), len(table)) == (None, 3)
    table.add(b"e", RECIPE, whole(70), asked=True)
    assert [table.get(name, RECIPE) is not None for name in (b"c", b"a", b"d", b"e")] == [False, False, True, True]
    table.add(b"f", RECIPE, SharedBody(iter([]), 1000), asked=True)
    assert [table.get(name, RECIPE) is not None for name in (b"d", b"e", b"f")] == [False, False, True]


def test_a_body_is_known_by_its_tag_and_its_recipe() -> None:
    """Another query never gets the body, even if its tag is the same by chance; nor does another snapshot."""
    table = BodyTable()
    body = whole(1)
    table.add(b"tag", RECIPE, body, asked=True)
    assert table.get(b"tag", RECIPE) is body
    assert table.get(b"tag", RECIPE._replace(query=b"other")) is None
    assert table.get(b"tag", RECIPE._replace(gzip=True)) is None
    assert table.get(b"other", RECIPE) is None


def test_only_what_clients_asked_for_is_made_again() -> None:
    """A body that was rendered ahead, and that no client took, is not rendered ahead again."""
    table = BodyTable()
    recipes = {name: Recipe(nothing, name) for name in (b"a", b"b", b"c")}
    table.add(b"tag", recipes[b"a"], whole(1), asked=False)
    table.add(b"tag", recipes[b"b"], whole(1), asked=False)
    table.add(b"tag", recipes[b"c"], whole(1), asked=True)
    table.get(b"tag", recipes[b"a"])
    assert table.last_asked(4) == [recipes[b"c"], recipes[b"a"]]
    assert table.last_asked(1) == [recipes[b"a"]]
