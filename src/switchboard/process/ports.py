"""The ports that a command listens on: all are bound, or one sentence names all that are taken, and what helps."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from socket import socket

from switchboard.config.addresses import http_url
from switchboard.errors import ConfigError, PortTaken
from switchboard.process.probe import is_switchboard
from switchboard.process.sockets import ANY_ADDRESS, listen

MADE_BY = "STARTED_WITH_MAKE"
"""Environment variable that the Makefile sets: options are then typed in another form."""
_MOST_PORTS = 100
"""Ports above a taken one that are looked at for a free one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address to listen on, and the options that change it."""

    host: str
    port: int
    host_flag: str
    port_flag: str
    variable: str
    """Environment variable of the port."""


def listen_on(command: str, addresses: Sequence[Address]) -> list[socket]:
    """A listening socket for each address. ``command`` is the one that was typed, for the sentence of an error.

    Raises PortTaken, which names all ports that are taken, or ConfigError.
    """
    taken: list[Address] = []
    with ExitStack() as stack:
        sockets = []
        for address in addresses:
            try:
                sock = listen(address.host, address.port, host_option=address.host_flag, port_option=address.port_flag)
            except PortTaken:
                taken.append(address)
            else:
                sockets.append(stack.enter_context(sock))
        if taken:
            raise PortTaken(_sentence(command, taken))
        stack.pop_all()
    return sockets


def _sentence(command: str, taken: Sequence[Address]) -> str:
    ports = " and ".join(f"port {address.port} on {address.host}" for address in taken)
    urls = [http_url(ANY_ADDRESS.get(address.host, address.host), address.port) for address in taken]
    running = [url for url in urls if is_switchboard(url)]
    who = f" (Switchboard is running already: {', '.join(running)})" if running else ""
    flags = [word for address in taken for word in (address.port_flag, str(_free_port(address)))]
    variables = ", ".join(address.variable for address in taken)
    is_or_are = "is" if len(taken) == 1 else "are"
    return f"{ports} {is_or_are} taken{who}: choose another with {_typed(command, flags)} (or {variables})"


def _typed(command: str, flags: Sequence[str]) -> str:
    """The command with these flags, in the form in which it was typed; other options of it are only hinted at."""
    words = shlex.join(flags)
    others = "... " if len(sys.argv) > 2 else ""
    if os.environ.get(MADE_BY) == command:
        return f'make {command} ARGS="{others}{words}"'
    return f"switchboard {command} {others}{words}"


def _free_port(address: Address) -> int:
    """The first free port above the one that is taken."""
    for port in range(address.port + 1, min(address.port + _MOST_PORTS, 65536)):
        with suppress(PortTaken, ConfigError):
            listen(address.host, port, host_option="", port_option="").close()
            return port
    return 0  # any free one
