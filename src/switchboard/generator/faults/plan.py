"""Which faults are switched on, and which requests they hit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from switchboard.errors import ConfigError
from switchboard.generator.draws import key_of
from switchboard.generator.fabric import shown
from switchboard.generator.faults.kinds import FAULT_KINDS

_ITEM = re.compile(r"\s*([a-z_]*)\s*(?:=\s*([0-9.]+)\s*(?::\s*([0-9.e+]+)\s*)?)?")


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fault that is switched on."""

    share: Annotated[float, Meta(ge=0, le=1)] = 1
    """Share of the requests that the fault hits."""
    amount: float | None = None
    """The number that adjusts the fault, as `FaultKind` says; None: the usual one."""


class Hit(NamedTuple):
    """A fault that hits one request."""

    name: str
    amount: float
    key: int
    """64 bits that depend on seed, slot, fault and the request's number within the slot."""


class FaultPlan:
    """The faults that are switched on. Belongs to one event loop.

    Whether a fault hits the n-th request of a slot depends on seed, slot, n and the fault's name: the same requests
    get the same faults in every run.
    """

    def __init__(self, faults: Mapping[str, Fault], seed: int, slot: Callable[[], int]) -> None:
        """``slot`` tells the slot of the present moment. Raises ConfigError for faults that cannot be."""
        self.active = checked(faults)
        self._seed = seed
        self._slot = slot
        self._slot_of_last = 0
        self._requests = 0

    def switch(self, faults: Mapping[str, Fault], *, keep: bool = False) -> None:
        """Switch these on, and all others off unless ``keep``. If it raises ConfigError, nothing has changed."""
        faults = checked(faults)
        self.active = {**self.active, **faults} if keep else faults

    def hits(self) -> list[Hit]:
        """The faults that hit the request that is made now, in the order of the table."""
        if not self.active:
            return []
        slot = self._slot()
        if slot != self._slot_of_last:
            self._slot_of_last, self._requests = slot, 0
        number = self._requests
        self._requests += 1
        hits = []
        for name, kind in FAULT_KINDS.items():
            fault = self.active.get(name)
            if fault is None:
                continue
            key = key_of(self._seed, f"fault {name}", f"{slot} {number}")
            if key < fault.share * 2**64:
                hits.append(Hit(name, kind.usual if fault.amount is None else fault.amount, key))
        return hits


def checked(faults: Mapping[str, Fault]) -> dict[str, Fault]:
    """These faults, if all are in the table and within its limits. Raises ConfigError otherwise."""
    for name, fault in faults.items():
        kind = FAULT_KINDS.get(name)
        if kind is None:
            raise ConfigError(f"there is no fault {shown(name)}: there are {', '.join(FAULT_KINDS)}")
        if not 0 <= fault.share <= 1:
            raise ConfigError(f"fault {name}: the share {fault.share:g} is not between 0 and 1")
        if fault.amount is None:
            continue
        if not kind.amount:
            raise ConfigError(f"fault {name} has no amount, but got {fault.amount:g}")
        if not kind.least <= fault.amount <= kind.most:
            raise ConfigError(
                f"fault {name}: {fault.amount:g} is not between {kind.least:g} and {kind.most:g} ({kind.amount})"
            )
    return dict(faults)


def parse_faults(text: str) -> dict[str, Fault]:
    """Read ``NAME[=SHARE[:AMOUNT]]`` with commas. Raises ConfigError."""
    faults: dict[str, Fault] = {}
    for item in text.split(",") if text.strip() else []:
        try:
            name, fault = _parse(item)
        except ValueError as error:
            raise ConfigError(
                f"generator faults: {shown(item.strip())} is not NAME, NAME=SHARE or NAME=SHARE:AMOUNT, like "
                "server_error=0.3:503"
            ) from error
        if name in faults:
            raise ConfigError(f"generator faults names {shown(name)} twice")
        faults[name] = fault
    return checked(faults)


def _parse(item: str) -> tuple[str, Fault]:
    """Read one ``NAME[=SHARE[:AMOUNT]]``. Raises ValueError."""
    match = _ITEM.fullmatch(item)
    if match is None:
        raise ValueError(item)
    name, share, amount = match.groups()
    return name, Fault(float(share or 1), None if amount is None else float(amount))
