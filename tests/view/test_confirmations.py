"""What a reader believes about the age of a snapshot, as a pure function of what it has read."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.model import FORMAT, Manifest
from switchboard.view.confirmations import MOST_EPOCHS, Heard, Reading
from tests.lab.snapshots import pack

TTL_MS = 30_000
MANIFEST = msgspec.structs.replace(pack(b"switch_id,a\nsw1,1\n").manifest, format=FORMAT, ttl_ms=TTL_MS, seq=1)


def numbered(epoch: int, seq: int) -> Manifest:
    return msgspec.structs.replace(MANIFEST, epoch=epoch, seq=seq)


def read(heard: Heard, manifest: Manifest, ttl_ms: int, asked_at: float) -> tuple[Reading, Heard]:
    return heard.after_pointer(manifest, ttl_ms, asked_at)


def confirmed_at(heard: Heard) -> float | None:
    return None if heard.confirmation is None else heard.confirmation.confirmed_at


@pytest.mark.parametrize(
    ("ttl_ms", "at"),
    [
        (30_000, 100.0),
        (29_800, 99.8),
        (12_000, 99.0),  # it cannot have been confirmed before the last read
        (1, 99.0),
        (0, 99.0),  # impossible
        (-1, 99.0),
        (30_001, 99.0),
        (3_600_000, 99.0),
    ],
)
def test_a_greater_number_was_confirmed_between_two_reads(ttl_ms: int, at: float) -> None:
    """The remaining TTL tells when, between the last read and this one; an impossible TTL tells nothing more."""
    for manifest in (numbered(1, 2), numbered(2, 1)):
        _, heard = read(Heard(), numbered(1, 1), 30_000, 99.0)
        reading, heard = read(heard, manifest, ttl_ms, 100.0)
        assert reading is Reading.CONFIRMED
        assert confirmed_at(heard) == pytest.approx(at)
        assert heard.confirmation is not None
        assert heard.confirmation.expires_at == pytest.approx(at + 30)


def test_a_read_without_a_pointer_is_a_read() -> None:
    """A pointer that appears after such a read was confirmed after the read, whatever its TTL says."""
    for ttl_ms, at in ((12_000, 99.0), (-1, 99.0), (29_900, 99.9)):
        _, heard = read(Heard().after_nothing(99.0), numbered(1, 1), ttl_ms, 100.0)
        assert confirmed_at(heard) == pytest.approx(at)


@pytest.mark.parametrize(("ttl_ms", "at"), [(30_000, 100.0), (1, 70.001), (0, None), (-1, None), (30_001, None)])
def test_the_first_read_believes_what_is_possible(ttl_ms: int, at: float | None) -> None:
    """With an impossible TTL, the age is not known until the next number."""
    reading, heard = read(Heard(), numbered(1, 1), ttl_ms, 100.0)
    assert confirmed_at(heard) == (None if at is None else pytest.approx(at))
    assert reading is (Reading.AGE_UNKNOWN if at is None else Reading.CONFIRMED)
    reading, again = read(heard, numbered(1, 1), 30_000, 101.0)
    assert reading is (Reading.AGE_UNKNOWN if at is None else Reading.KNOWN)
    assert again.confirmation == heard.confirmation
    reading, heard = read(again, numbered(1, 2), -1, 102.0)
    assert (reading, confirmed_at(heard)) == (Reading.CONFIRMED, 101.0)


def test_a_lesser_number_is_older_while_the_snapshot_lives() -> None:
    """Later its age is not known, and the next number confirms, if it is greater than all of its own epoch."""
    _, heard = read(Heard(), numbered(5, 7), 30_000, 100.0)
    for lesser, next_seq in ((numbered(5, 6), 8), (numbered(4, 100), 101)):
        assert read(heard, lesser, 30_000, 129.9)[0] is Reading.OLDER
        reading, anew = read(heard, lesser, 30_000, 130.0)
        assert (reading, anew.confirmation) == (Reading.AGE_UNKNOWN, None)
        assert read(anew, lesser, 30_000, 131.0)[0] is Reading.AGE_UNKNOWN
        reading, anew = read(anew, numbered(lesser.epoch, next_seq), 29_500, 132.0)
        assert (reading, confirmed_at(anew)) == (Reading.CONFIRMED, 131.5)


@pytest.mark.parametrize("other", [(5, 6), (5, 8), (4, 100), (6, 1)])
def test_two_old_numbers_in_turn_confirm_nothing(other: tuple[int, int]) -> None:
    """Two servers behind one address show two old numbers in turn, and no ETL writes: each number counts only once."""
    heard = Heard()
    for turn in range(20):
        for number in ((5, 7), other):
            reading, heard = read(heard, numbered(*number), 20_000, 100.0 + 40 * turn)
            assert turn == 0 or reading is not Reading.CONFIRMED


def test_many_epochs_are_not_kept() -> None:
    """What is remembered of a source is bounded; the latest epochs stay."""
    heard = Heard()
    for epoch in range(1, 100):
        _, heard = read(heard, numbered(epoch, 1), 30_000, 100.0 + epoch)
    assert heard.greatest == tuple((epoch, 1) for epoch in range(100 - MOST_EPOCHS, 100))


def test_the_greatest_number_confirms_nothing_twice() -> None:
    """A dead source's pointer that lives on keeps the end that was known first."""
    _, heard = read(Heard(), numbered(1, 1), 30_000, 100.0)
    for asked_at in (101.0, 129.0, 131.0, 5000.0):
        reading, heard = read(heard, numbered(1, 1), 30_000, asked_at)
        assert (reading, confirmed_at(heard)) == (Reading.KNOWN, 100.0)


def test_without_numbers_the_ttl_is_believed_as_far_as_it_is_possible() -> None:
    """Format 1: the remaining TTL, never more than the whole and never less than nothing."""
    old = msgspec.structs.replace(MANIFEST, format=1, seq=0)
    heard = Heard()
    for asked_at, ttl_ms, at in (
        (100.0, 30_000, 100.0),
        (101.0, 29_000, 100.0),
        (102.0, 10**9, 102.0),
        (103.0, -1, 73.0),
    ):
        reading, heard = read(heard, old, ttl_ms, asked_at)
        assert reading is Reading.CONFIRMED
        assert confirmed_at(heard) == pytest.approx(at)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.floats(0.01, 40)),
        st.tuples(st.just("confirm"), st.just(0)),
        st.tuples(st.just("restart"), st.just(0)),  # another ETL: a higher epoch
        st.tuples(st.just("read"), st.one_of(st.integers(-2, TTL_MS), st.integers(TTL_MS, 10**9))),
    ),
    min_size=1,
    max_size=60,
)


def test_an_epoch_below_all_that_are_remembered_is_followed() -> None:
    """Many ETLs came and went, then the store lost everything and its clock went back: the living one counts."""
    heard = Heard()
    for epoch in range(100, 100 + 2 * MOST_EPOCHS):
        _, heard = read(heard, numbered(epoch, 1), 30_000, float(epoch))
    readings = []
    for seq in range(1, 10):
        reading, heard = read(heard, numbered(5, seq), 30_000, 200.0 + 10 * seq)
        readings.append(reading)
    assert readings == [Reading.AGE_UNKNOWN, *[Reading.CONFIRMED] * 8]


@given(STEPS)
def test_whatever_the_clock_of_the_store_says_age_is_wrong_by_one_read_at_most(
    steps: Sequence[tuple[str, float]],
) -> None:
    """A source that is confirmed at any moments, read at any moments, with any remaining TTL: what is believed lies
    between the read before and the truth's next read, and without a new number no end is put off.
    """
    now, epoch, seq, truth = 1000.0, 1, 1, 1000.0
    heard, last_read = Heard().after_nothing(now), now
    for step, value in steps:
        now += value if step == "wait" else 0.001
        if step == "confirm":
            seq, truth = seq + 1, now
        elif step == "restart":
            epoch, seq, truth = epoch + 1, 1, now
        elif step == "read":
            before = heard
            reading, heard = read(heard, numbered(epoch, seq), int(value), now)
            assert reading in {Reading.CONFIRMED, Reading.KNOWN}
            assert heard.confirmation is not None
            if reading is Reading.KNOWN:
                assert heard.confirmation == before.confirmation
            else:
                assert last_read <= heard.confirmation.confirmed_at <= now
                assert last_read <= truth <= now
            last_read = now
