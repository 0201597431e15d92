"""What is simulated: switches and metrics, read from the settings and checked.

The settings are text (``100`` or ``leaf1,leaf2``; ``NAME=LOW:HIGH,…``), because flags and variables are. Here they
become values with nothing left open; a fabric that exists can be simulated.

Every switch and every metric has a key: 64 bits that depend on the seed and on its *name* alone. All randomness comes
from these keys, so a switch keeps its values whatever other switches are configured.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from switchboard.config.settings import GeneratorSettings
from switchboard.errors import ConfigError
from switchboard.generator.draws import key_of

MAX_SWITCHES = 1_000_000
MAX_NAME_BYTES = 128
MAX_DECIMALS = 6
MIN_HOLD_SECONDS, MAX_HOLD_SECONDS = 0.001, 1e9

_RESERVED = frozenset(
    {"timestamp", "switch_id", "source_id", "node_guid", "port_guid", "port", "port_num", "port_number"}
)
_NUMBER = re.compile(r"-?[0-9]{1,20}(?:\.([0-9]{1,20}))?")
_COUNTER_ENDINGS = ("errors", "packets", "bytes", "octets", "drops", "discards", "total")
_LINK_WORDS = ("bandwidth", "throughput", "bps")


@dataclass(frozen=True, slots=True)
class Metric:
    """A numeric column. ``low`` and ``high`` are whole numbers of the smallest step, which is 10 ** -decimals."""

    name: str
    low: int
    high: int
    decimals: int
    key: int
    """64 random bits of this metric."""

    @property
    def is_counter(self) -> bool:
        """Whether the values only grow, until a reboot: a whole number whose name says that it counts."""
        return self.decimals == 0 and self.name.lower().endswith(_COUNTER_ENDINGS)

    @property
    def follows_link(self) -> bool:
        """Whether the values drop to ``low`` while the switch's link is down."""
        return not self.is_counter and any(word in self.name.lower() for word in _LINK_WORDS)


@dataclass(frozen=True, slots=True, eq=False)
class Fabric:
    """All that is simulated; the arrays are never written to."""

    switches: tuple[str, ...]
    metrics: tuple[Metric, ...]
    switch_keys: NDArray[np.uint64]
    """64 random bits per switch, in the order of ``switches``."""


def build_fabric(settings: GeneratorSettings) -> Fabric:
    """Read and check the settings that say what is simulated.

    Raises ConfigError, naming the setting and the value that cannot be used.
    """
    check_seed_and_hold(settings)
    switches = parse_switches(settings.switches)
    metrics = _parse_metrics(settings.metrics, settings.seed)
    if settings.profile == "encoded" and (len(switches) > 9_999 or len(metrics) > 99):
        raise ConfigError(
            f"generator profile 'encoded' has room for 9,999 switches and 99 metrics, not for "
            f"{len(switches):,} and {len(metrics):,}"
        )
    return Fabric(switches, metrics, keys_of_switches(settings.seed, switches))


def check_seed_and_hold(settings: GeneratorSettings) -> None:
    """Raise ConfigError if no profile can use these two."""
    if settings.seed < 0:
        raise ConfigError(f"generator seed {settings.seed} is negative: it must be 0 or more")
    if not MIN_HOLD_SECONDS <= settings.hold <= MAX_HOLD_SECONDS:
        raise ConfigError(
            f"generator hold {settings.hold:g} s is out of range: {MIN_HOLD_SECONDS:g} to {MAX_HOLD_SECONDS:g} s"
        )


def keys_of_switches(seed: int, switches: tuple[str, ...]) -> NDArray[np.uint64]:
    """64 random bits per switch."""
    keys = np.fromiter((key_of(seed, "switch", name) for name in switches), np.uint64, len(switches))
    keys.flags.writeable = False
    return keys


def parse_switches(text: str) -> tuple[str, ...]:
    """``100`` means sw1 … sw100; anything else is names with commas. Raises ConfigError for what is neither."""
    if re.fullmatch(r"\s*[+-]?[0-9]+\s*", text):
        number = text.strip()
        count = int(number) if len(number) < 20 else MAX_SWITCHES + 1
        if not 1 <= count <= MAX_SWITCHES:
            raise ConfigError(f"generator switches {shown(number)} is out of range: 1 to {MAX_SWITCHES:,}")
        return tuple(f"sw{i}" for i in range(1, count + 1))
    names = tuple(name.strip() for name in text.split(","))
    if len(names) > MAX_SWITCHES:
        raise ConfigError(f"generator switches has {len(names):,} names: at most {MAX_SWITCHES:,} are possible")
    seen: set[str] = set()
    for name in names:
        _check_name("switches", name, text)
        if name in seen:
            raise ConfigError(f"generator switches names {shown(name)} twice")
        seen.add(name)
    return names


def _parse_metrics(text: str, seed: int) -> tuple[Metric, ...]:
    """Read ``NAME=LOW:HIGH`` with commas."""
    metrics: dict[str, Metric] = {}
    for item in text.split(","):
        name, _, limits = (part.strip() for part in item.partition("="))
        _check_name("metrics", name, text)
        if name.lower() in _RESERVED:
            raise ConfigError(f"generator metrics: {shown(name)} is reserved for a column that is no metric")
        if name in metrics:
            raise ConfigError(f"generator metrics names {shown(name)} twice")
        metrics[name] = _parse_limits(item.strip(), name, limits, key_of(seed, "metric", name))
    return tuple(metrics.values())


def _parse_limits(item: str, name: str, limits: str, key: int) -> Metric:
    """Read ``LOW:HIGH``; the more exact of the two numbers sets the decimals."""
    numbers = [part.strip() for part in limits.split(":")]
    matches = [_NUMBER.fullmatch(number) for number in numbers]
    if len(matches) != 2 or not all(matches):
        raise ConfigError(
            f"generator metrics: {shown(item)} is not NAME=LOW:HIGH with plain numbers, like 0.10:5000.00"
        )
    decimals = max(len(match[1] or "") for match in matches if match)
    if decimals > MAX_DECIMALS:
        raise ConfigError(
            f"generator metrics: {shown(item)} has {decimals} decimals: at most {MAX_DECIMALS} are possible"
        )
    low, high = (int(Decimal(number).scaleb(decimals)) for number in numbers)
    if low > high:
        raise ConfigError(f"generator metrics: {shown(item)} is reversed: LOW must not be above HIGH")
    # What is drawn is int64, and of a decimal metric decimal64, which holds 18 digits.
    limit = 10**18 if decimals else 2**63
    if low < -limit or high >= limit or high - low >= limit:
        raise ConfigError(
            f"generator metrics: {shown(item)} is too wide: "
            + ("18 digits are possible" if decimals else "LOW, HIGH and HIGH - LOW must fit into 64 bits with a sign")
        )
    return Metric(name, low, high, decimals, key)


def _check_name(setting: str, name: str, text: str) -> None:
    """Refuse a name that would need quotes in CSV, could not be seen, or is too long for a key."""
    if not name:
        raise ConfigError(f"generator {setting} {shown(text)} has an empty name")
    # A lone surrogate is not printable, so what passes here can be encoded.
    if '"' in name or not name.isprintable():
        raise ConfigError(
            f"generator {setting}: the name {shown(name)} has a quote or a character that cannot be printed"
        )
    if len(name.encode()) > MAX_NAME_BYTES:
        raise ConfigError(f"generator {setting}: the name {shown(name)} is longer than {MAX_NAME_BYTES} bytes")


def shown(text: str) -> str:
    """A value for an error message: quoted, and shortened if it is long."""
    return repr(text if len(text) <= 60 else text[:57] + "…")
