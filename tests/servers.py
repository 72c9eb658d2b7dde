"""Servers as one meets them: silent, overrun, absent, far away, dying; and a real PostgreSQL."""

import os
import pwd
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from glob import glob
from tempfile import TemporaryDirectory
from typing import Any

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


class Relay:
    """Stands before another server, at a port or a socket's path: its answers come late, or no more.

    Attributes:
        answers: how many have been passed on.
        late: how many of the first ones are held back, `seconds` each.
        last: the number of the answer at which the server dies, as it seems.
    """

    def __init__(
        self, target: Address | str, *, late: int = 0, seconds: float = 0.0, last: float = float("inf")
    ) -> None:
        self.target, self.late, self.seconds, self.last = target, late, seconds, last
        self.answers = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address: Address = self._server.getsockname()

    def __enter__(self) -> Address:
        threading.Thread(target=self._serve, daemon=True).start()
        return self.address

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                if self.answers >= self.last:
                    client.close()
                    continue
                there = socket.socket(socket.AF_UNIX if isinstance(self.target, str) else socket.AF_INET)
                there.connect(self.target)
                for pass_on in (self._ask, self._answer):
                    threading.Thread(target=pass_on, args=(client, there), daemon=True).start()

    def _ask(self, client: socket.socket, there: socket.socket) -> None:
        with suppress(OSError):
            while said := client.recv(65536):
                there.sendall(said)
        self._close(client, there)

    def _answer(self, client: socket.socket, there: socket.socket) -> None:
        with suppress(OSError):
            while (said := there.recv(65536)) and self.answers < self.last:
                self.answers += 1
                time.sleep(self.seconds if self.answers <= self.late else 0)
                client.sendall(said)
        self._close(client, there)

    @staticmethod
    def _close(*both: socket.socket) -> None:
        for each in both:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def has_postgres() -> str | None:
    """Where PostgreSQL's `pg_ctl` is; Debian has it outside of PATH."""
    return shutil.which("pg_ctl", path=os.pathsep.join([os.environ["PATH"], *glob("/usr/lib/postgresql/*/bin")]))


@contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL server that listens on a socket in its own folder only: the folder."""
    account: dict[str, Any] = {}
    with TemporaryDirectory(prefix="postgres-", dir="/tmp") as folder:  # a socket's path may not be long
        if os.geteuid() == 0:  # it refuses to run as root
            users = {user.pw_name: user for user in pwd.getpwall()}
            user = users.get("postgres", users["nobody"])
            os.chown(folder, user.pw_uid, user.pw_gid)
            account = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

        def control(action: str, *options: str) -> None:
            command = [has_postgres(), action, "--silent", f"--pgdata={folder}/data", *options]
            subprocess.run(command, cwd=folder, check=True, **account)

        control("init", "-o", "--auth=trust --username=postgres --encoding=UTF8 --no-locale --no-sync")
        control("start", f"--log={folder}/log", "-o", f"-F -h '' -k {folder}")
        try:
            yield folder
        finally:
            control("stop", "--mode=fast")
