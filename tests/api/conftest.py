"""Fixtures of the API's tests."""

from __future__ import annotations

import logging

import pytest
import structlog


@pytest.fixture(autouse=True)
def _no_debug_lines(_plain_logging: None) -> None:
    """Requests are not logged, as in a service that runs at the level info."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
