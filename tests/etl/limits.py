"""Sources with limits of their own, for tests."""

from __future__ import annotations

from typing import Any

import msgspec

from switchboard.config.limits import Limits
from switchboard.config.resolve import resolve_sources
from switchboard.config.settings import Settings
from switchboard.config.sources import Source, SourceSettings

LIMITS: Limits = resolve_sources(Settings())[0].limits


def limits(**changed: Any) -> Limits:
    """The default limits, with some changed."""
    return msgspec.structs.replace(LIMITS, **changed)


def source(url: str, *, name: str = "lab", interval: float = 10.0, timeout: float = 8.0, **changed: Any) -> Source:
    """A source with a long TTL; ``changed`` are fields of Limits."""
    settings = SourceSettings(
        url=url, name=name, interval=interval, timeout=min(timeout, interval), ttl=30 + 3 * interval
    )
    (resolved,) = resolve_sources(Settings(sources=(settings,)))
    return msgspec.structs.replace(resolved, limits=msgspec.structs.replace(resolved.limits, **changed))
