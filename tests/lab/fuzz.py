"""How long property tests search: a few hundred examples, or SWITCHBOARD_FUZZ_EXAMPLES of them, then at random."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_EXAMPLES = os.environ.get("SWITCHBOARD_FUZZ_EXAMPLES")


def fuzz(share: float = 1.0) -> settings:
    """Settings for ``@given``; a test whose examples are slow takes a ``share`` of the usual number."""
    return settings(
        max_examples=max(1, round(int(_EXAMPLES or 250) * share)),
        derandomize=_EXAMPLES is None,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
