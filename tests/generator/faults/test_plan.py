from __future__ import annotations

import pytest

from switchboard.errors import ConfigError
from switchboard.generator.faults.kinds import FAULT_KINDS
from switchboard.generator.faults.plan import Fault, FaultPlan, checked, parse_faults


class Slots:
    """The slot of the present moment, as the test says."""

    def __init__(self) -> None:
        self.slot = 7

    def __call__(self) -> int:
        return self.slot


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", {}),
        ("  ", {}),
        ("slow_drip", {"slow_drip": Fault()}),
        ("server_error=0.3", {"server_error": Fault(0.3)}),
        ("server_error=0.3:503", {"server_error": Fault(0.3, 503)}),
        (" restart = 1 : 60 , html_page=0", {"restart": Fault(1, 60), "html_page": Fault(0)}),
        ("slow_drip=1:1e3", {"slow_drip": Fault(1, 1000)}),
    ],
)
def test_settings_name_faults_with_share_and_amount(text: str, faults: dict[str, Fault]) -> None:
    """A fault is NAME, NAME=SHARE or NAME=SHARE:AMOUNT, and several are separated by commas."""
    assert parse_faults(text) == faults


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("slow_drop", "there is no fault 'slow_drop': there are server_error, "),
        ("slow_drip,", "there is no fault ''"),
        ("slow_drip=", "'slow_drip=' is not NAME, NAME=SHARE or NAME=SHARE:AMOUNT"),
        ("slow_drip=x", "'slow_drip=x' is not NAME"),
        ("slow_drip=1.2.3", "'slow_drip=1.2.3' is not NAME"),
        ("slow_drip=1:2:3", "'slow_drip=1:2:3' is not NAME"),
        ("slow_drip=1:1e", "'slow_drip=1:1e' is not NAME"),
        ("slow_drip=1.1", "fault slow_drip: the share 1.1 is not between 0 and 1"),
        ("slow_drip=1:0", "fault slow_drip: 0 is not between 1 and 1e+09 (bytes per second)"),
        ("server_error=1:200", "fault server_error: 200 is not between 500 and 599 (status)"),
        ("html_page=1:5", "fault html_page has no amount, but got 5"),
        ("html_page,html_page", "faults names 'html_page' twice"),
        ("x" * 5000, "there is no fault 'xxx"),
        ("X" * 5000, "is not NAME"),
    ],
)
def test_fault_that_cannot_be_is_refused(text: str, told: str) -> None:
    """The error names the fault, the value and what would be right, and stays short."""
    with pytest.raises(ConfigError) as caught:
        parse_faults(text)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("amount", [float("nan"), float("inf")])
def test_amount_is_a_finite_number(amount: float) -> None:
    """An amount that is not a number is within no limits."""
    with pytest.raises(ConfigError, match="is not between"):
        checked({"slow_drip": Fault(1, amount)})


def test_every_fault_has_a_usual_amount_within_its_limits() -> None:
    """The table says what each fault does, and can be asked for without an amount."""
    for name, kind in FAULT_KINDS.items():
        assert kind.does, name
        assert not kind.amount or kind.least <= kind.usual <= kind.most, name


def test_share_of_the_requests_is_hit() -> None:
    """Of many requests about the share is hit, the same ones for the same seed and slot."""
    slots = Slots()
    faults = {"server_error": Fault(0.3), "slow_drip": Fault(0.3)}

    def hits_of(seed: int, slot: int) -> list[list[str]]:
        plan = FaultPlan(faults, seed, slots)
        slots.slot = slot
        return [[hit.name for hit in plan.hits()] for _ in range(1_000)]

    hits = hits_of(1, 7)
    assert 250 < sum("server_error" in hit for hit in hits) < 350
    assert 50 < sum(len(hit) == 2 for hit in hits) < 130
    assert hits == hits_of(1, 7)
    assert hits != hits_of(2, 7)
    assert hits != hits_of(1, 8)


def test_hits_begin_anew_in_every_slot() -> None:
    """Whatever came in earlier slots, the first request of a slot has its own draw."""
    slots = Slots()
    plan, other = (FaultPlan({"server_error": Fault(0.5)}, 1, slots) for _ in range(2))
    for _ in range(3):
        plan.hits()
    slots.slot = 8
    assert [plan.hits() for _ in range(20)] == [other.hits() for _ in range(20)]


def test_faults_are_hit_in_the_order_of_the_table_with_the_usual_amounts() -> None:
    """Order and missing amounts are those of the table."""
    plan = FaultPlan({"restart": Fault(), "server_error": Fault(1, 503), "slow_drip": Fault()}, 1, Slots())
    assert [(hit.name, hit.amount) for hit in plan.hits()] == [
        ("server_error", 503),
        ("slow_drip", FAULT_KINDS["slow_drip"].usual),
        ("restart", FAULT_KINDS["restart"].usual),
    ]


def test_switching_replaces_or_adds() -> None:
    """Faults are set as a whole or added to; what cannot be changes nothing."""
    plan = FaultPlan({"slow_drip": Fault()}, 1, Slots())
    plan.switch({"html_page": Fault()}, keep=True)
    assert set(plan.active) == {"slow_drip", "html_page"}
    with pytest.raises(ConfigError):
        plan.switch({"restart": Fault(), "nothing": Fault()})
    assert set(plan.active) == {"slow_drip", "html_page"}
    plan.switch({"restart": Fault()})
    assert set(plan.active) == {"restart"}
    plan.switch({})
    assert plan.hits() == []
