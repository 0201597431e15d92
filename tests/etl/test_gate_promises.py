"""What the gate promises of every sequence of bodies: the real parser counts, the real gate judges, time is ours."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from switchboard.config.sources import ColumnSettings
from switchboard.etl.gate import PATIENCE_INTERVALS, Action, Memory, Verdict, decide
from switchboard.etl.transform import Transform
from switchboard.model import Manifest
from tests.etl.limits import limits
from tests.etl.test_gate import CURRENT
from tests.lab.fuzz import fuzz

INTERVAL = 10.0
START = 1_795_460_000
HEADER = "timestamp,switch_id,port,rx"
IMPOSSIBLE = 100_000
"""A time so far ahead is refused, whatever the hour."""

Row = tuple[str, int, float]
"""Switch, port, and how far the time is ahead of the true one, in seconds."""


class Site:
    """A source that is looked at now and then. Its current snapshot never expires: a refusal has to end by itself."""

    def __init__(self) -> None:
        self.current: Manifest | None = None
        self.memory = Memory()
        self.refused_at: float | None = None
        """When the first body after the last publication was looked at."""
        self.rows = 0
        """Rows of the last body that can be used."""

    def look(self, now: float, lines: list[str]) -> Verdict:
        """Parse and judge a body ``now`` seconds after the start."""
        with Transform(
            ColumnSettings(), limits(), round((START + now) * 1e6), watch_times=self.memory.spread is not None
        ) as transform:
            transform.feed("\n".join([HEADER, *lines, ""]).encode("latin-1"))
            transform.finish()
            counts = transform.counts(has_source_clock=False)
            verdict, self.memory = decide(
                counts, self.current, limits(), interval_seconds=INTERVAL, memory=self.memory, now=now
            )
            self.rows = counts.rows
            if verdict.action is not Action.PUBLISH:
                self.refused_at = now if self.refused_at is None else self.refused_at
                return verdict
            self.refused_at = None
            assert counts.data_max_us is not None
            self.current = msgspec.structs.replace(
                CURRENT,
                rows=transform.builder.rows,
                data_max_us=counts.data_max_us,
                rejects=dict(counts.rejects.counts),
            )
            return verdict


def line(now: float, row: Row) -> str:
    switch, port, ahead = row
    return f"{START + now + ahead:.0f},{switch},{port},1"


AHEAD = st.one_of(
    st.just(0.0), st.floats(-30, 30), st.sampled_from([-21.0, -3600.0, -90_000.0, 300.0, 590.0, float(IMPOSSIBLE)])
)
LOOKS = st.lists(
    st.tuples(
        st.sampled_from([0.1, 0.5, 2.5, 10.0, 10.0]),
        st.dictionaries(st.tuples(st.integers(0, 5), st.integers(1, 3)), AHEAD, max_size=18),
    ),
    min_size=10,
    max_size=30,
)


@fuzz(0.1)
@given(looks=LOOKS)
def test_no_clocks_keep_a_source_out(looks: list[tuple[float, dict[tuple[int, int], float]]]) -> None:
    """Whatever the clocks of switches say, and however many rows come and go: as long as any row can be used, a body is
    published with all that can, at the latest two intervals after the first that was not.
    """
    site, now = Site(), 0.0
    for pause, clocks in looks:
        now += pause
        rows = [("true", 1, 0.0), *((f"sw{switch}", port, ahead) for (switch, port), ahead in clocks.items())]
        verdict = site.look(now, [line(now, row) for row in rows])
        assert site.rows == sum(ahead < IMPOSSIBLE for _, _, ahead in rows)
        if site.refused_at is not None:
            assert now - site.refused_at < PATIENCE_INTERVALS * INTERVAL, verdict


ONE_FAULT = {
    "of the future": lambda now, port: f"{START + now + IMPOSSIBLE:.0f},bad,{port},1",
    "of 1970": lambda now, port: f"{port},bad,{port},1",
    "without a time": lambda now, port: f"NULL,bad,{port},1",
    "a comma too many": lambda now, port: f"{START + now:.0f},bad,{port},1,1",
    "a control byte": lambda now, port: f"{START + now:.0f},bad,{port},\x01",
    "a quote": lambda now, port: f'{START + now:.0f},bad,{port},1"1',
    "not UTF-8": lambda now, port: f"{START + now:.0f},b\xe4d,{port},1",
    "no port": lambda now, port: f"{START + now:.0f},bad,,1",
    "a long name": lambda now, port: f"{START + now:.0f},{'b' * 200},{port},1",
    "twice": lambda now, port: f"{START + now:.0f},bad,1,1",
}


@fuzz(0.1)
@given(
    faults=st.lists(st.sampled_from(sorted(ONE_FAULT)), min_size=3, max_size=12),
    ports=st.integers(1, 60),
    healthy=st.integers(1, 30),
)
def test_a_fault_of_one_switch_keeps_out_no_other(faults: list[str], ports: int, healthy: int) -> None:
    """All rows of one switch are bad: the others, which are at least as many, are published at once; or at the second
    look if half of the current rows are gone.
    """
    site = Site()
    for number, fault in enumerate(faults):
        now = number * INTERVAL / 2
        good = [
            line(now, (f"sw{switch}", port, 0)) for switch in range(healthy) for port in range(-(-ports // healthy))
        ]
        bad = [ONE_FAULT[fault](now, port) for port in range(1, ports + 1)]
        verdict = site.look(now, good[:1] + bad + good[1:])
        assert site.rows == len(good) + (fault == "twice")
        assert verdict.action is Action.PUBLISH, verdict


@fuzz(0.1)
@given(
    ahead=st.one_of(st.floats(-(10**7), -40), st.floats(-10, 10), st.floats(40, 580)),
    jitter=st.lists(st.floats(-9, 9), min_size=6, max_size=12),
    healthy=st.integers(1, 30),
    ports=st.integers(1, 60),
)
def test_a_clock_that_is_wrong_for_good_is_doubted_once(
    ahead: float, jitter: list[float], healthy: int, ports: int
) -> None:
    """One switch is ahead or behind, and goes on: published from the second look on, half an interval later."""
    site = Site()
    for number, shift in enumerate(jitter):
        now = number * INTERVAL / 2
        rows = [(f"sw{switch}", 1, 0.0) for switch in range(healthy)]
        # Where it may have the newest row, it varies by less than the time between two looks: that row never goes back.
        rows += [("wrong", port, ahead + (shift if ahead < -30 else shift / 5)) for port in range(ports)]
        verdict = site.look(now, [line(now, row) for row in rows])
        assert verdict.action is Action.PUBLISH or (number == 0 and verdict.reason == "torn"), verdict
        if verdict.note is not None and (healthy > 1 or ahead < 0) and abs(ahead) > 30:
            assert (
                f"1 of {healthy + 1} switches is {'ahead' if ahead > 0 else 'behind'}: 'wrong'" in verdict.note.sentence
            )
