"""What schemathesis cannot be told in its settings; loaded by its own process."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.hook
def before_load_schema(_context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """Leave ``cursor`` out: only an earlier answer can give one, for its own query, so no valid one can be made up."""
    for operations in raw_schema["paths"].values():
        for operation in operations.values():
            known = operation.get("parameters", [])
            operation["parameters"] = [parameter for parameter in known if parameter["name"] != "cursor"]
