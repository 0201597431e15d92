"""Run an ASGI app on a socket, behind a guard against slow, oversized and malformed requests."""

from switchboard.serving.guard import GuardedProtocol
from switchboard.serving.server import serve
from switchboard.serving.sweep import Deadlines

__all__ = ["Deadlines", "GuardedProtocol", "serve"]
