"""Is there a database or HTTP server? Asked before others do, who wait for minutes, or again and again, in silence."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from pipeline.core.errors import InputError
from pipeline.core.redaction import reason, redacted

if TYPE_CHECKING:
    from sqlalchemy import URL

PATIENCE = 6  # seconds until a server that has said nothing counts as unreachable
GREETINGS = {  # kind -> its port, and what its servers answer to: MySQL's speak first
    "postgresql": (5432, (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")),  # SSLRequest of its protocol
    "mysql": (3306, b""),
    "mariadb": (3306, b""),
}
PORTS = {"http": 80, "https": 443}


def reach(url: str, *, setting: str) -> None:
    """Connect with a PostgreSQL or MySQL server once; nothing is asked of URLs of another kind.

    A server may be slow: it has `PATIENCE` seconds for its first byte, and its driver's time for all the rest.

    Raises:
        InputError: the server is not there, is silent, or refuses; the line names the setting, and no password.
    """
    if re.split(r"\W", url)[0] not in GREETINGS:
        return
    from sqlalchemy import NullPool, create_engine  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    with _explained(url, setting, OSError, ValueError, ImportError, SQLAlchemyError):
        engine = create_engine(url, poolclass=NullPool)
        _hear(engine.url)
        engine.connect().close()


def reach_http(url: str, *, setting: str) -> None:
    """Wait for the first byte of an HTTP server; of one of HTTPS, until it listens. Behind a proxy none is asked.

    Nothing is asked where the URL names no server, either: its user says more about that.

    Raises:
        InputError: the server is not there, is silent, or refuses; the line names the setting, and no password.
    """
    place = _place(url)
    if place is None:
        return
    with _explained(url, setting, OSError):
        _first_byte(*place, b"HEAD / HTTP/1.0\r\n\r\n" if url.startswith("http:") else None)


@contextmanager
def _explained(url: str, setting: str, *broken: type[Exception]) -> Iterator[None]:
    """Say in one line that an address cannot be opened, where it fails in these ways or takes too long."""
    try:
        yield
    except TimeoutError:
        failure = f"no answer within {PATIENCE} seconds"
    except broken as error:
        failure = reason(error, url)
    else:
        return
    raise InputError(f"{setting}: {redacted(url, url)} cannot be opened: {failure}") from None


def _place(url: str) -> tuple[str, int] | None:
    """The host and the port of an HTTP server that no proxy is before."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return None
    proxies = getproxies()
    has_proxy = (parts.scheme in proxies or "all" in proxies) and not proxy_bypass(host or "")
    return (host, port) if host and port and parts.scheme in PORTS and not has_proxy else None


def _hear(url: URL) -> None:
    """Wait for a server's first byte; one on a socket of this machine's is not asked."""
    port, greeting = GREETINGS[url.get_backend_name()]
    if url.host:
        _first_byte(url.host, url.port or port, greeting)


def _first_byte(host: str, port: int, greeting: bytes | None) -> None:
    """Connect, and wait for what a server says to a greeting; without one it is not waited for."""
    with socket.create_connection((host, port), timeout=PATIENCE) as server:
        if greeting is not None:
            server.sendall(greeting)
            if not server.recv(1):
                raise ConnectionError("the connection was closed at once")
