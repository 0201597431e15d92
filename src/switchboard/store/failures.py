"""What goes wrong between us and Redis, in words: which call failed, why, and what helps."""

from __future__ import annotations

import re
from typing import NamedTuple

from redis import exceptions

from switchboard.config.masks import MASK
from switchboard.errors import ConfigError, KeyUnusable, StoreError, StoreRefused, StoreUnavailable

DOCUMENT = "docs/operation.md"


class _Cause(NamedTuple):
    """A reason for which a server refuses."""

    name: str
    pattern: re.Pattern[str]
    """Finds it in the answer. Redis 6.2 puts the error of a command in a script into the text of another error."""
    sentence: str
    """Continues "cannot …: redis://… "."""
    error: type[StoreError] = StoreRefused
    is_of_wrong_server: bool = False
    """Whether only a server answers so that is not the primary, or not yet."""


def _word(*words: str) -> re.Pattern[str]:
    """Error codes as Redis writes them, alone or within the text of a script's error."""
    return re.compile(rf"(?:^|[-\s:])(?:{'|'.join(words)})\b")


_CAUSES = (
    _Cause("loading", _word("LOADING"), "is loading its data, and answers when that is done", StoreUnavailable, True),
    _Cause(
        "clients",
        re.compile("max number of clients"),
        "has as many clients as it takes: raise its maxclients, or end other clients",
        StoreUnavailable,
    ),
    _Cause(
        "protected",
        re.compile("protected mode"),
        "is in protected mode and takes clients of its own machine only: set a password or users in it",
        StoreUnavailable,
    ),
    _Cause("full", _word("OOM"), "is full: raise its maxmemory, or remove other data from it"),
    _Cause(
        "disk",
        _word("MISCONF"),
        'cannot save to its disk and therefore refuses writes: free space there, or do without: CONFIG SET save ""',
    ),
    _Cause("busy", _word("BUSY"), "is busy with a script of another client: wait for it, or end it with SCRIPT KILL"),
    _Cause(
        "replica",
        _word("READONLY"),
        "refuses writes: it is a replica, which is read-only",
        is_of_wrong_server=True,
    ),
    _Cause(
        "masterless",
        _word("MASTERDOWN"),
        "refuses: it is a replica that cannot reach its primary",
        is_of_wrong_server=True,
    ),
    _Cause(
        "replicas",
        _word("NOREPLICAS"),
        "refuses writes: too few replicas follow it",
        is_of_wrong_server=True,
    ),
    _Cause(
        "cluster",
        _word("MOVED", "ASK", "CLUSTERDOWN", "CROSSSLOT", "TRYAGAIN"),
        "is a node of a cluster: name a server, or a node that holds all slots",
    ),
)
_DENIED = re.compile(r"NOPERM|ACL failure in script|user executing the script can't|no permissions? to", re.IGNORECASE)
_DENIED_COMMAND = re.compile(r"'([A-Za-z|]+)' command")
_WRONG_TYPE = _word("WRONGTYPE")
_IN_PIPELINE = re.compile(r"Command # \d+ .* of pipeline caused error: \(?['\"]*(.*?)['\"]*,?\)?", re.DOTALL)
_UNTRUSTED = re.compile(r"CERTIFICATE_VERIFY_FAILED|\[SSL[:\]]|SSL (?:handshake|error)|TLSV\d+_ALERT")
"""Only as the library of TLS writes it: the text also has the name of the host, which may be ``alerts``."""
_NO_ENTRY = _word("NOAUTH", "WRONGPASS")


def is_of_wrong_server(error: Exception) -> bool:
    """Whether only a server answers so that is not the primary, or not yet, or that has other users than before."""
    error = _first(error)
    if not isinstance(error, exceptions.RedisError):
        return False
    text = _coded(error, _text(error))
    wrong = (cause.pattern for cause in _CAUSES if cause.is_of_wrong_server)
    return _lets_nobody_in(error, text) or any(pattern.search(text) for pattern in wrong)


def refuses_clients(error: exceptions.ResponseError) -> bool:
    """Whether the server has refused the connection as a whole, and closes it."""
    return any(cause.pattern.search(str(error)) for cause in _CAUSES if cause.name in {"clients", "protected"})


def passes(error: StoreError) -> bool:
    """Whether a server has refused because of its state, or of a password, and not because of what was asked."""
    return error.cause == "password" or any(error.cause == cause.name for cause in _CAUSES)


def is_wrong_type(answer: object) -> bool:
    """Whether an answer, or the error of a call, says that the key holds another type of value."""
    return isinstance(answer, exceptions.ResponseError) and bool(_WRONG_TYPE.search(_text(answer)))


class Failures:
    """Explains the failed calls of one server, which has let us in as ``user``."""

    def __init__(self, shown_url: str, user: str, most_connections: int) -> None:
        self._shown_url = shown_url
        self._user = user
        self._most_connections = most_connections

    def explained(self, error: Exception, what: str, command: str, key: str, secret: str) -> StoreError:
        """What to raise in place of ``error``; ``secret`` is not shown."""
        error = _first(error)
        failed = f"cannot {what}: "
        told = f"{failed}{self._shown_url} "
        text = _text(error, secret)
        if isinstance(error.__cause__, ConfigError):  # a file was to be read for a new connection
            return StoreUnavailable(f"{failed}{error.__cause__}", cause="settings")
        if isinstance(error, exceptions.MaxConnectionsError):
            return StoreUnavailable(f"{failed}more than {self._most_connections} calls at once", cause="calls")
        if _lets_nobody_in(error, text):
            return StoreRefused(f"{told}refuses the user or password ({text})", cause="password")
        if _DENIED.search(_coded(error, text)):
            # Not the key: that of a block is another one at each attempt, and the cause is told once.
            return StoreRefused(told + self._denied(text, command, key), cause=f"denied {what}")
        if is_wrong_type(error):
            return KeyUnusable(f"{failed}the key {key} holds another type of value than ours (WRONGTYPE)")
        for cause in _CAUSES:
            found = cause.pattern.search(_coded(error, text))
            if found:
                return cause.error(f"{told}{cause.sentence} ({found[0].strip(' -:')})", cause=cause.name)
        return self._other(error, told, failed, text)

    def _denied(self, text: str, command: str, key: str) -> str:
        named = _DENIED_COMMAND.search(text)
        denied = named[1].upper() if named else command
        return (
            f"does not let user {self._user!r} run {denied or 'this'}{f' on {key}' if key else ''} "
            f"(NOPERM: {text}): {DOCUMENT} has the rights that it needs"
        )

    def _other(self, error: Exception, told: str, failed: str, text: str) -> StoreError:
        if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError | OSError | TimeoutError):
            if _UNTRUSTED.search(text):
                hint = "redis_ca_file, redis_client_cert"
                return StoreUnavailable(f"{told}and we do not agree on TLS ({text}): look at {hint}", cause="tls")
            return StoreUnavailable(f"{told}does not answer ({text})")
        if isinstance(error, exceptions.InvalidResponse):
            return StoreUnavailable(f"{told}does not speak the protocol of Redis ({text})", cause="protocol")
        if isinstance(error, exceptions.RedisError):
            return StoreRefused(f"{told}refuses ({text})", cause=text)
        # A connection that is reset in the middle of a call fails in many ways: uvloop raises RuntimeError, redis-py
        # AttributeError. None of these errors may end the process.
        broke = f"the connection to {self._shown_url} broke ({type(error).__name__}: {text})"
        return StoreUnavailable(f"{failed}{broke}")


def _lets_nobody_in(error: Exception, text: str) -> bool:
    """Whether user or password are not those of the server."""
    return isinstance(error, exceptions.AuthenticationError) or bool(_NO_ENTRY.search(text))


def _first(error: Exception) -> Exception:
    """The error that came first: redis-py wraps some errors of a new connection into another ConnectionError."""
    while isinstance(error.__cause__, exceptions.RedisError):
        error = error.__cause__
    return error


def _coded(error: Exception, text: str) -> str:
    """The text with the code that redis-py takes off for errors that it knows."""
    code = getattr(error, "status_code", None)
    return f"{code} {text}" if code else text


def _text(error: Exception, secret: str = "") -> str:
    """The text of an error without the password: a server that does not know AUTH quotes its arguments."""
    text = str(error).partition(", with args beginning with")[0] or type(error).__name__
    in_pipeline = _IN_PIPELINE.fullmatch(text)
    if in_pipeline:
        text = in_pipeline[1]
    return text.replace(secret, MASK) if secret else text
