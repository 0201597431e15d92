"""Snapshots that a query insists on."""

from __future__ import annotations

import pytest

from switchboard.errors import ErrorKind, QueryError
from switchboard.view.pins import UnknownSnapshot, parse_pins
from tests.lab.fabric import NOW, row, source, view

BOTH = view(
    source("a", [row("sw1", errors=1)], snapshot="100-a"),
    source("b", [row("sw1", errors=2)], snapshot="200-b"),
)


def test_what_a_header_says_can_be_asked_for() -> None:
    """A plain id, and pairs of source and id, are read as they are written."""
    assert parse_pins("100-a") == ((None, "100-a"),)
    assert parse_pins("a=100-a,b%2Cc=200-b") == (("a", "100-a"), ("b%2Cc", "200-b"))


@pytest.mark.parametrize("text", ["100-a,200-b", "a=1,a=2", "1,a=1", "a=1,2", ","])
def test_a_source_is_pinned_once(text: str) -> None:
    """Two snapshots of one source, or of sources that are not named, are refused."""
    with pytest.raises(QueryError, match="Malformed snapshot parameter") as caught:
        parse_pins(text)
    assert caught.value.kind is ErrorKind.MALFORMED


@pytest.mark.parametrize(
    ("pin", "names"),
    [("100-a", ["a"]), ("200-b", ["b"]), ("a=100-a", ["a"]), ("b=200-b,a=100-a", ["b", "a"])],
)
def test_only_what_is_pinned_answers(pin: str, names: list[str]) -> None:
    """A pinned query is drawn from exactly the snapshots that it names, and misses nothing else."""
    standing = BOTH.standing(NOW, pin=pin)
    assert [live.source.name for live in standing.live] == names
    assert standing.missing == []


@pytest.mark.parametrize(
    ("pin", "kind"),
    [
        ("99-x", ErrorKind.GONE),
        ("100-b", ErrorKind.GONE),
        ("b=100-a", ErrorKind.GONE),
        ("201-x", ErrorKind.NOT_FOUND),
        ("x=100-a", ErrorKind.GONE),
        ("never", ErrorKind.NOT_FOUND),
        ("1²-x", ErrorKind.NOT_FOUND),
    ],
)
def test_an_unknown_snapshot_is_gone_or_not_here_yet(pin: str, kind: ErrorKind) -> None:
    """A snapshot that began before a known one is gone; a later one may still come, and the answer says when."""
    with pytest.raises(UnknownSnapshot) as caught:
        BOTH.standing(NOW, pin=pin)
    assert caught.value.kind is kind
    assert caught.value.retry_after_seconds == (1 if kind is ErrorKind.NOT_FOUND else None)


def test_a_source_and_a_snapshot_of_another_do_not_fit() -> None:
    """``source=`` narrows where the snapshot is looked for."""
    with pytest.raises(UnknownSnapshot):
        BOTH.standing(NOW, "b", "100-a")
