"""HTTP/1.1 on a socket: reads requests, sends the replies of a service, and bounds what a client may do."""

from switchboard.serving.message import Reply, Request, Service
from switchboard.serving.server import serve
from switchboard.serving.sweep import Deadlines

__all__ = ["Deadlines", "Reply", "Request", "Service", "serve"]
