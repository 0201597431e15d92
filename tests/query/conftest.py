"""Fixtures of these tests: as for those of the API, requests are not logged."""

from tests.api.conftest import _no_debug_lines  # noqa: F401 - used by pytest
