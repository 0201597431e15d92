from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.generator.harness import Generator, Start, running_generator


@pytest.fixture
def start() -> Iterator[Start]:
    """Start generators that end with the test: ``start(time, **settings)``."""
    with contextlib.ExitStack() as stack:

        def start_one(seconds: float = 1_795_460_003.5, **settings: Any) -> Generator:
            return stack.enter_context(running_generator(seconds, **settings))

        yield start_one
