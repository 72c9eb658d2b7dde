"""Is there a database server? Asked before others do, who wait for minutes, or try again and again, in silence."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

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

    try:
        engine = create_engine(url, poolclass=NullPool)
        _hear(engine.url)
        engine.connect().close()
    except TimeoutError:
        failure = f"no answer within {PATIENCE} seconds"
    except (OSError, ValueError, ImportError, SQLAlchemyError) as error:
        failure = reason(error, url)
    else:
        return
    raise InputError(f"{setting}: {redacted(url, url)} cannot be opened: {failure}") from None


def _hear(url: URL) -> None:
    """Wait for a server's first byte; one on a socket of this machine's is not asked."""
    port, greeting = GREETINGS[url.get_backend_name()]
    if url.host:
        with socket.create_connection((url.host, url.port or port), timeout=PATIENCE) as server:
            server.sendall(greeting)
            if not server.recv(1):
                raise ConnectionError("the connection was closed at once")
