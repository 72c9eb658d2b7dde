"""Servers as one meets them: silent, overrun, far away. Each is a context manager that hands out host and port."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

Address = tuple[str, int]


@contextmanager
def silent() -> Iterator[Address]:
    """Accepts connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


@contextmanager
def full() -> Iterator[Address]:
    """Answers no attempt to connect, as where a firewall drops packets: its queue is full."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(server.getsockname())
        yield server.getsockname()


@contextmanager
def absent() -> Iterator[Address]:
    """Refuses every connection: nobody listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()
