"""A check of the installed uvicorn: whether it has the private names that the guard uses."""

from __future__ import annotations

import inspect
from typing import Any

import uvicorn
from uvicorn.protocols.http import flow_control, httptools_impl
from uvicorn.server import ServerState

PROTOCOL_PARAMETERS = ("config", "server_state", "app_state", "_loop")
CYCLE_PARAMETERS = ("scope", "transport", "flow", "default_headers", "message_event", "keep_alive", "on_response")

STATE = ("connections", "default_headers", "tasks", "total_requests")
PROTOCOL = tuple(
    """
    connections cycle expect_100_continue flow headers loop parser pipeline scope server_state transport url
    _start_asgi_task _unset_keepalive_if_required connection_lost connection_made data_received on_body on_header
    on_headers_complete on_message_begin on_message_complete on_response_complete on_url pause_writing resume_writing
    shutdown
    """.split()
)
CYCLE = (
    "body", "disconnected", "keep_alive", "message_event", "more_body", "response_complete", "response_started",
    "transport",
)  # fmt: skip
FLOW = ("pause_reading", "read_paused", "resume_reading", "write_paused")


def uvicorn_fits() -> str:
    """The missing names, separated by commas; empty if none is missing. Needs a running event loop."""
    missing = [
        *_unknown_parameters(httptools_impl.HttpToolsProtocol, PROTOCOL_PARAMETERS),
        *_unknown_parameters(httptools_impl.RequestResponseCycle, CYCLE_PARAMETERS),
    ]
    if missing:
        return ", ".join(missing)
    state = ServerState()
    config = uvicorn.Config(_no_app, http="httptools", ws="none", lifespan="off", log_config=None)
    protocol = httptools_impl.HttpToolsProtocol(config, state, {})
    missing += _absent("ServerState", state, STATE)
    begin = getattr(protocol, "on_message_begin", None)
    if begin is not None:
        begin()
    missing += _absent("HttpToolsProtocol", protocol, PROTOCOL)
    nothing: Any = None
    names = list(inspect.signature(httptools_impl.RequestResponseCycle).parameters)
    cycle = httptools_impl.RequestResponseCycle(**dict.fromkeys(names, nothing))
    missing += _absent("RequestResponseCycle", cycle, CYCLE)
    missing += _absent("FlowControl", flow_control.FlowControl(nothing), FLOW)
    return ", ".join(missing)


async def _no_app(scope: object, receive: object, send: object) -> None:
    """An app that is never called."""


def _unknown_parameters(kind: type, names: tuple[str, ...]) -> list[str]:
    known = inspect.signature(kind).parameters
    return [f"{kind.__name__}({name}=)" for name in names if name not in known]


def _absent(owner: str, thing: object, names: tuple[str, ...]) -> list[str]:
    return [f"{owner}.{name}" for name in names if not hasattr(thing, name)]
