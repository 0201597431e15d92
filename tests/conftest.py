"""Fixtures that every test may use."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from switchboard.store.embedded import EmbeddedRedis

# How long an example may take, or be made, says something of the machine only.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture
async def redis_server() -> AsyncIterator[EmbeddedRedis]:
    """A private Redis server, started empty."""
    async with EmbeddedRedis() as server:
        yield server


@pytest.fixture(autouse=True)
def _plain_logging() -> Iterator[None]:
    """What a test configures for logs ends with it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level
