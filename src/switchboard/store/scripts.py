"""The Lua scripts: each runs in Redis as one step, which no other command can interrupt."""

from __future__ import annotations

from importlib.resources import files
from typing import Any


def script(client: Any, name: str) -> Any:
    """The script ``name``.lua, with the functions of fence.lua before it; call it with keys and arguments.

    redis-py sends the hash of a script, and its text only to a server that does not know the hash.
    """
    folder = files("switchboard.store")
    text = "".join(folder.joinpath(f"{each}.lua").read_text(encoding="utf-8") for each in ("fence", name))
    return client.register_script(text)
