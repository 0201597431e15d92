"""The gate as a table: what was counted, what is current, what was remembered, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from switchboard.etl.gate import Action, BodyCounts, Memory, Verdict, after_success, decide
from switchboard.inputs.rejects import Rejects
from switchboard.model import Manifest
from tests.etl.limits import limits

NOW_US = 1_795_460_000_000_000
SECOND = 1_000_000
CURRENT = Manifest(
    source="lab",
    snapshot="1-a",
    epoch=1,
    scraped_ms=NOW_US // 1000,
    published_ms=NOW_US // 1000,
    last_time_updated=NOW_US // SECOND,
    data_min_us=NOW_US,
    data_max_us=NOW_US,
    interval_ms=10_000,
    ttl_ms=30_000,
    rows=100,
    switches=100,
    values=300,
    blocks=100,
    size_bytes=10_000,
    rejects={},
)


def counted(
    rows: int = 100, *, newest: float = 10, spread: float = 0, of: str = "", others: int = 1, **reasons: int
) -> BodyCounts:
    """A body; times in seconds, ``newest`` after that of the current snapshot. ``of``: the switch of all rejects."""
    rejects = Rejects()
    for reason, count in reasons.items():
        for line in range(count):
            rejects.add(reason, line + 2, switch=of)
    newest_us = NOW_US + round(newest * SECOND)
    if rows == 0:
        return BodyCounts(rows=0, rejects=rejects, data_min_us=None, data_max_us=None)
    oldest_us = newest_us - round(spread * SECOND)
    return BodyCounts(
        rows=rows,
        rejects=rejects,
        data_min_us=oldest_us,
        data_max_us=newest_us,
        switches=[f"other{number}" for number in range(others)],
    )


def judge(body: BodyCounts, current: Manifest | None = CURRENT, **more: Any) -> tuple[Verdict, Memory]:
    memory, now, interval = more.pop("memory", Memory()), more.pop("now", 1000.0), more.pop("interval", 10)
    return decide(body, current, limits(**more), interval_seconds=interval, memory=memory, now=now)


@dataclass(frozen=True)
class Case:
    name: str
    body: BodyCounts
    reason: str = ""
    action: Action = Action.REJECT
    limits: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


PUBLISH, HOLD, REJECT = Action.PUBLISH, Action.HOLD, Action.REJECT
CASES = [
    Case("all is well", counted(), "", PUBLISH),
    # Bad rows: max(10, 1 %), and half of all
    Case("ten bad rows", counted(90, columns=10), "", PUBLISH),
    Case("eleven bad rows of a hundred", counted(89, columns=11), "too_many_rejects"),
    Case("one per cent", counted(9900, columns=100), "", PUBLISH),
    Case("more than one per cent", counted(9899, columns=101), "too_many_rejects"),
    Case("half of few rows", counted(5, columns=5), "", PUBLISH, {"min_rows_ratio": 0}),
    Case("more than half of few rows", counted(4, columns=5), "too_many_rejects"),
    Case("several reasons add up", counted(89, columns=6, control=5), "too_many_rejects"),
    Case("bad cells do not count", counted(bad_number=5000, not_finite=100, out_of_range=100), "", PUBLISH),
    Case("more may be allowed", counted(60, columns=40), "", PUBLISH, {"max_dropped_rows": 40}),
    Case("a larger share may be allowed", counted(60, columns=40), "", PUBLISH, {"max_dropped_ratio": 0.4}),
    Case(
        "none may be allowed",
        counted(99, columns=1),
        "too_many_rejects",
        REJECT,
        {
            "max_dropped_rows": 0,
            "max_dropped_ratio": 0.0,
        },
    ),
    # Rows in the future
    Case("one row in the future", counted(99, future=1), "", PUBLISH),
    Case("two rows in the future", counted(98, future=2), "clock"),
    Case("all rows in the future", counted(0, future=100), "clock"),
    Case("some rows of 1970", counted(90, bad_timestamp=10), "", PUBLISH),
    Case("many rows of 1970", counted(89, bad_timestamp=11), "clock"),
    Case("most of few rows of 1970", counted(2, bad_timestamp=3), "clock"),
    Case("rows of 1970 and of the future", counted(89, bad_timestamp=10, future=1), "clock"),
    Case("rows of 1970 alone", counted(0, bad_timestamp=3), "no_rows"),
    # One switch alone
    Case("one switch of two in the future", counted(1, of="sw2", future=1), "", PUBLISH, {"min_rows_ratio": 0}),
    Case("one switch of two, with many ports", counted(9, of="sw2", future=90), "", PUBLISH, {"min_rows_ratio": 0}),
    Case("one switch of twenty in the future", counted(95, of="sw2", future=5), "", PUBLISH),
    Case("one switch of twenty in 1970", counted(95, of="sw2", bad_timestamp=36), "", PUBLISH),
    Case("the only switch is in the future", counted(0, of="sw2", future=5), "clock"),
    Case("one switch is there twice", counted(95, of="sw2", duplicate=5), "", PUBLISH),
    Case("one switch cannot be read", counted(80, of="sw2", columns=20), "", PUBLISH),
    Case("one switch of two cannot be read", counted(50, of="sw2", columns=51), "too_many_rejects"),
    Case("the only switch cannot be read", counted(80, of="other0", columns=20), "too_many_rejects"),
    Case("the only switch is there twice", counted(50, of="other0", duplicate=50), "duplicates"),
    Case("one of two that is there twice", counted(50, of="other0", others=2, duplicate=50), "", PUBLISH),
    # Duplicates
    Case("one duplicate", counted(99, duplicate=1), "", PUBLISH),
    Case("two duplicates", counted(98, duplicate=2), "duplicates"),
    Case("duplicates are not bad rows", counted(9890, duplicate=95, columns=15), "", PUBLISH),
    # No row
    Case("no row can be used", counted(0, columns=3), "no_rows"),
    Case("no row at all", counted(0), "empty"),
    Case("no row at all, and that is allowed", counted(0), "row_collapse", HOLD, {"allow_empty": True}),
    # Times far apart
    Case("two intervals apart", counted(spread=20), "", PUBLISH),
    Case("more than two intervals apart", counted(spread=20.1), "torn"),
    Case("further apart, where that is known", counted(spread=300), "", PUBLISH, {"max_spread": 300.0}),
    # Times going back
    Case("the same time", counted(newest=0), "", PUBLISH),
    Case("an earlier time", counted(newest=-0.001), "regress"),
    # Rows gone
    Case("half of the rows gone", counted(50), "", PUBLISH),
    Case("more than half of the rows gone", counted(49), "row_collapse", HOLD),
    Case("rows gone, and that is allowed", counted(1), "", PUBLISH, {"min_rows_ratio": 0.0}),
    Case("ten times as many rows", counted(1000), "", PUBLISH),
    # Of two reasons, the one that says more
    Case("bad and in the future", counted(50, columns=20, future=30), "clock"),
    Case("torn and earlier", counted(newest=-5, spread=100), "torn"),
    Case("earlier and few", counted(10, newest=-5), "regress"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_body_gets_the_verdict_of_the_table(case: Case) -> None:
    """The verdict has its reason; one that publishes nothing has a sentence, and one that publishes has none."""
    verdict, _ = judge(case.body, **case.limits)
    assert (verdict.action, verdict.reason) == (case.action, case.reason)
    assert bool(verdict.sentence) is (case.action is not PUBLISH)
    assert verdict.note is None or case.action is PUBLISH


@pytest.mark.parametrize("body", [counted(3), counted(newest=-100), counted(3, newest=-100)])
def test_without_a_current_snapshot_there_is_nothing_to_compare_with(body: BodyCounts) -> None:
    """Few rows and early times are fine when the current snapshot has expired."""
    assert judge(body, None) == (Verdict(PUBLISH), Memory())


def test_fewer_rows_are_accepted_at_the_second_like_pull() -> None:
    """A hold ends with the next body whose number of rows is within ten per cent of the first."""
    held, memory = judge(counted(40))
    assert held.action is HOLD
    for rows, action in ((44, PUBLISH), (36, PUBLISH), (45, HOLD), (35, HOLD), (100, PUBLISH)):
        assert judge(counted(rows), memory=memory)[0].action is action
    assert judge(counted(40), memory=memory)[1] == Memory()


def test_a_row_count_that_keeps_changing_is_held_again() -> None:
    """What is compared is the last body that was held, not the first."""
    memory = judge(counted(40))[1]
    held, memory = judge(counted(20), memory=memory)
    assert held.action is HOLD
    assert judge(counted(20), memory=memory)[0].action is PUBLISH


def test_an_empty_body_is_accepted_the_second_time() -> None:
    """Where a header alone is a snapshot, it is held like any other collapse."""
    memory = judge(counted(0), allow_empty=True)[1]
    assert judge(counted(0), allow_empty=True, memory=memory)[0].action is PUBLISH


def test_an_empty_snapshot_does_not_hold_back_times() -> None:
    """The time of a snapshot without rows is ours, so earlier rows after it are no regress."""
    empty = msgspec.structs.replace(CURRENT, rows=0)
    assert judge(counted(newest=-8), empty)[0].action is PUBLISH


def test_an_earlier_time_is_accepted_once_it_has_moved_on() -> None:
    """A source that was restarted with another clock is believed after half an interval in which it advanced."""
    refused, memory = judge(counted(newest=-100), now=1000.0)
    assert refused.reason == "regress"
    for newest, now, reason in (
        (-100, 1010.0, "regress"),  # it stands still
        (-101, 1010.0, "regress"),
        (-98, 1004.0, "regress"),  # it moves, but only a moment has passed
        (-90, 1010.0, ""),
        (-90, 1005.0, ""),
    ):
        verdict, after = judge(counted(newest=newest), memory=memory, now=now)
        assert verdict.reason == reason
        assert after == (memory if reason else Memory())


def test_old_rows_that_stay_the_same_are_no_torn_body() -> None:
    """Rows of a switch that sleeps are believed after half an interval, also when the others have gone on."""
    refused, memory = judge(counted(newest=0, spread=100), now=1000.0)
    assert refused.reason == "torn"
    for spread, newest, now, reason in (
        (100, 0, 1004.0, "torn"),  # the same, but only a moment later
        (100, 0, 1005.0, ""),
        (110, 10, 1010.0, ""),  # the others went on, these did not
        (1000, 900, 1010.0, ""),  # and on
        (50, 10, 1010.0, "torn"),  # other old rows, and not as far apart: another mixture
    ):
        verdict, after = judge(counted(spread=spread, newest=newest), memory=memory, now=now)
        assert verdict.reason == reason
        if not reason:
            for kept in (after, after_success(after)):  # also when the snapshot was confirmed in between
                assert judge(counted(spread=spread, newest=newest), memory=kept, now=now + 1)[0].action is PUBLISH


def test_a_clock_that_is_behind_for_good_is_believed_at_the_second_look() -> None:
    """Times that stay as far apart are those of a clock that is wrong; how far healthy switches are apart may vary."""
    refused, memory = judge(counted(newest=10, spread=21), now=1000.0)
    assert refused.reason == "torn"
    assert "published if this is still so after 5 s" in refused.sentence
    early, memory = judge(counted(newest=14, spread=22), memory=memory, now=1004.0)
    assert early.reason == "torn"
    for newest, spread, now in ((20, 21, 1010.0), (30, 40, 1020.0), (40, 25, 1030.0)):
        verdict, memory = judge(counted(newest=newest, spread=spread), memory=memory, now=now)
        assert (verdict.action, verdict.note and verdict.note.reason) == (PUBLISH, "torn")
    for newest, spread, now in ((50, 19, 1040.0), (60, 21, 1050.0)):  # about the limit
        verdict, memory = judge(counted(newest=newest, spread=spread), memory=memory, now=now)
        assert (verdict.action, verdict.note is not None) == (PUBLISH, spread == 21)
    whole, memory = judge(counted(newest=70, spread=5), memory=memory, now=1060.0)
    assert (whole, memory) == (Verdict(PUBLISH), Memory())
    assert judge(counted(newest=80, spread=21), memory=memory, now=1070.0)[0].reason == "torn"


def test_clocks_of_several_switches_are_believed_to_be_wrong_at_the_second_look() -> None:
    """Rows of the future are left out, and the others are published, once as many were there half an interval ago."""
    refused, memory = judge(counted(90, future=10), now=1000.0)
    assert refused.reason == "clock"
    assert "published if this is still so after 5 s" in refused.sentence
    assert judge(counted(90, future=10), memory=memory, now=1004.0)[0].reason == "clock"
    assert judge(counted(70, future=30), memory=memory, now=1005.0)[0].reason == "clock"  # more of them: another doubt
    verdict, memory = judge(counted(88, future=12), memory=memory, now=1005.0)
    assert (verdict.action, verdict.note and verdict.note.reason) == (PUBLISH, "clock")
    assert judge(counted(90, future=10), memory=after_success(memory), now=1006.0)[0].action is PUBLISH
    assert judge(counted(), memory=memory, now=1006.0) == (Verdict(PUBLISH), Memory())


@pytest.mark.parametrize(
    "bodies",
    [
        [counted(spread=40 * number**2, newest=number) for number in range(1, 9)],
        [counted(100 - 12 * (number % 4), future=12 * (number % 4)) for number in range(1, 9)],
        [counted(newest=-number) for number in range(1, 9)],
        [counted(10 * (number % 4 + 1)) for number in range(8)],
    ],
    ids=["ever other spreads", "ever other clocks", "ever earlier", "ever other numbers of rows"],
)
def test_no_doubt_lasts_longer_than_two_intervals(bodies: list[BodyCounts]) -> None:
    """A source that is never like itself is believed in the end, while its last snapshot is still there."""
    memory = Memory()
    for now, body in enumerate(bodies):
        verdict, memory = judge(body, memory=memory, now=1000.0 + 4 * now)
        if verdict.action is PUBLISH:
            assert 1 < now <= 5
            return
    pytest.fail("nothing was published")


def test_counts_of_a_sentence_add_up() -> None:
    """The rows of a body are those that can be used and those that cannot; a row that is there twice is one of them."""
    verdict, _ = judge(counted(1, duplicate=1))
    assert verdict.sentence.startswith("1 of 2 rows repeat the switch and port of an earlier row")
    assert judge(counted(18, future=2))[0].sentence.startswith("2 of 20 rows are more than 10 minutes in the future")


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (counted(0), "allow_empty"),
        (counted(0, bad_timestamp=3), "columns.timestamp_unit"),
        (counted(0, bad_port=3), "columns.port"),
        (counted(50, columns=50), "max_dropped_ratio"),
        (counted(9000, columns=1000), "max_dropped_rows"),
        (counted(50, duplicate=50), "columns.port"),
        (counted(50, duplicate=50), "max_dropped_ratio"),
        (counted(50, future=50), "max_dropped_ratio"),
        (counted(0, future=50), "the clock of this host"),
        (counted(spread=300), "max_spread"),
        (counted(1), "min_rows_ratio"),
    ],
)
def test_a_sentence_names_what_would_help(body: BodyCounts, names: str) -> None:
    """Whoever reads why nothing is published knows which setting, or which clock, to look at."""
    assert names in judge(body)[0].sentence


def test_fewer_rows_of_an_earlier_time_pass_both_tests() -> None:
    """A restart that also lost rows is first proven, then held, then accepted."""
    memory = judge(counted(10, newest=-100), now=1000.0)[1]
    held, memory = judge(counted(10, newest=-90), memory=memory, now=1010.0)
    assert (held.action, held.reason) == (HOLD, "row_collapse")
    assert judge(counted(10, newest=-90), memory=memory, now=1012.5)[0].action is PUBLISH


def test_the_sentence_of_a_refusal_names_the_first_bad_row() -> None:
    """Who reads it knows how many rows, of what kind, and where to look first."""
    verdict, _ = judge(counted(10, columns=90))
    assert verdict.sentence == (
        "90 of 100 rows cannot be used: more than half, which no setting allows: columns: 90; first: line 2: columns ''"
    )


@pytest.mark.parametrize(("interval", "most"), [(1, 20), (10, 20), (30, 60)])
def test_the_allowed_spread_is_two_periods_of_whoever_is_slower(interval: float, most: float) -> None:
    """Asking a source more often than it samples does not make its samples closer."""
    for spread, reason in ((most, ""), (most + 0.1, "torn")):
        assert judge(counted(spread=spread), interval=interval)[0].reason == reason
