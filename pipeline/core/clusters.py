"""Clusters as joblib's backends: a Dask scheduler, or Ray; workers get the pins and this code where they lack them."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit
from warnings import catch_warnings, simplefilter

from pipeline.core.arithmetic import Arithmetic, arithmetic, first_difference
from pipeline.core.determinism import PINNED
from pipeline.core.errors import InputError
from pipeline.core.fingerprint import PACKAGE, package_digest
from pipeline.core.parallel import Cluster

SECONDS = 5  # that an address has to answer
RAY = {  # its settings, unless the user has set them
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # or it warns of what will change
    "RAY_CLIENT_INITIAL_CONNECTION_TIMEOUT_S": "1",  # of three attempts, which would take 5, 10 and 15 s
    "RAY_CLIENT_MAX_CONNECTION_TIMEOUT_S": "2",
}
NOT_CODE = shutil.ignore_patterns("__pycache__")


@contextmanager
def dask(address: str) -> Iterator[Cluster]:
    """The workers of a Dask scheduler.

    Those that lack the pins or this code get both from their nannies, which start them again; other users' tasks on
    them are done again.

    Raises:
        InputError: dask is not installed, nobody answers, or there is no worker.
    """
    try:
        from distributed import KilledWorker  # noqa: PLC0415
        from distributed.client import FutureCancelledError  # noqa: PLC0415
        from distributed.comm import CommClosedError  # noqa: PLC0415
    except ImportError:
        raise InputError(_not_installed("dask", "distributed")) from None
    _reach(f"dask:{address}", address)
    with _client(address) as client:
        from pipeline.core.dask_backend import DaskBackend  # noqa: PLC0415

        backend = DaskBackend(client=client)
        try:
            backend.effective_n_jobs(-1)
        except TimeoutError:
            raise InputError(f"dask:{address}: no worker came within 10 s") from None
        lost = (KilledWorker, FutureCancelledError, CommClosedError)  # the second where data went with the worker
        expected = arithmetic()
        if not _is_ready(client, expected):
            _prepare(client)
            _require_ready(client, expected)
        yield Cluster(backend, backend.effective_n_jobs(-1), expected, lost)


def _client(address: str) -> Any:
    """A client of a scheduler, which has answered."""
    from distributed import Client  # noqa: PLC0415

    try:
        asyncio.run(_greet(address))
        return Client(address, timeout=SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"dask:{address}: no scheduler of Dask answers: {_line(error)}") from None


async def _greet(address: str) -> None:
    """Exchange greetings with a scheduler: for those of a server that says nothing, Dask's client waits for ever."""
    from distributed.comm import connect  # noqa: PLC0415

    try:
        comm = await asyncio.wait_for(connect(address, timeout=SECONDS), SECONDS)
    except TimeoutError:
        raise TimeoutError(f"nothing was said within {SECONDS} s") from None
    except Exception:  # whatever reading the words of other servers fails with, a lack of memory for one
        raise OSError("something else listens there") from None
    await comm.close()


def _is_ready(client: Any, expected: Arithmetic) -> bool:
    """Whether the scheduler can read calls, and all workers of the moment compute as they must."""
    answers = client.run(arithmetic, on_error="return")
    return not _of_scheduler(client) and all(answer == expected for answer in answers.values())


def _require_ready(client: Any, expected: Arithmetic) -> None:
    """Raise InputError unless the scheduler can read calls, and all workers of the moment compute as they must."""
    if error := _of_scheduler(client):
        raise InputError(f"the scheduler cannot import this code, though it was sent: {error}")
    for address, answer in client.run(arithmetic, on_error="return").items():
        if isinstance(answer, BaseException):
            reason = f"it lacks this code or its libraries, and has no nanny that could send it: {_line(answer)}"
            raise InputError(f"worker {address}: {reason}")
        if difference := first_difference(answer, expected):
            again = "a worker that has a nanny is started again with what it lacks"
            raise InputError(f"worker {address}: {difference}; {again}")


def _of_scheduler(client: Any) -> str:
    """What keeps the scheduler from reading calls, which it unpickles before workers do; "" where nothing does."""
    try:
        client.run_on_scheduler(package_digest)
    except Exception as error:  # whatever an import fails with
        return _line(error)
    return ""


def _prepare(client: Any) -> None:
    """Send this code to the scheduler, and let nannies start their workers again, with this code and the pins.

    Workers without a nanny stay as they are.
    """
    from distributed.diagnostics.plugin import NannyPlugin, UploadDirectory  # noqa: PLC0415

    class Pins(NannyPlugin):  # type: ignore[misc]  # inside, so that it is sent by value to nannies that lack this code
        restart = True

        def __init__(self, environment: Mapping[str, str]) -> None:
            self.environment = environment

        def setup(self, nanny: Any) -> None:
            nanny.pre_spawn_env.update(self.environment)  # `env` would come too late: workers import numpy before

    with TemporaryDirectory() as folder:
        code = Path(folder) / f"regularization-lab-{package_digest()[:12]}"
        shutil.copytree(PACKAGE, code / PACKAGE.name, ignore=NOT_CODE)
        client.register_plugin(UploadDirectory(str(code), update_path=True, mode="all"))
    client.register_plugin(Pins(PINNED), name="regularization-lab-pins")


@contextmanager
def ray(address: str, cores: int) -> Iterator[Cluster]:
    """The workers of a Ray cluster, or of one on this machine where there is no address.

    They are started with the pins and with this code.

    Raises:
        InputError: ray is not installed, nobody answers, or versions do not agree.
    """
    for name, value in RAY.items():
        os.environ.setdefault(name, value)
    try:
        import ray as library  # noqa: PLC0415

        from pipeline.core.ray_backend import RayBackend  # noqa: PLC0415
    except ImportError:
        raise InputError(_not_installed("ray", "ray")) from None
    if address:
        _reach(address, address)
    where = {"address": address} if address else {"address": "local", "num_cpus": cores, "include_dashboard": False}
    runtime = {"env_vars": PINNED, "py_modules": [str(PACKAGE)]}
    try:
        with catch_warnings():
            simplefilter("ignore", UserWarning)  # the error says the same
            library.init(**where, runtime_env=runtime, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(f"{address or 'ray'}: Ray cannot be used: {_line(error)}") from None
    try:
        count = int(library.available_resources().get("CPU", 0))
        if count == 0:
            raise InputError(f"{address or 'ray'}: no core is free, of {library.cluster_resources().get('CPU', 0):g}")
        backend = RayBackend(ray_remote_args={"num_cpus": 1, "scheduling_strategy": "SPREAD"})
        yield Cluster(backend, count, arithmetic(), (library.exceptions.RayError,), library.put)
    finally:
        library.shutdown()


def _reach(name: str, address: str) -> None:
    """Raise InputError unless someone listens at an address: clients of clusters try for minutes."""
    parts = urlsplit(address)
    try:
        host, port = parts.hostname, parts.port
        if not host or port is None:
            raise InputError(f"{name}: the address must name a host and a port, as tcp://host:8786")
        socket.create_connection((host, port), timeout=SECONDS).close()
    except ValueError:
        raise InputError(f"{name}: the address must name a host and a port, as tcp://host:8786") from None
    except OSError as error:
        raise InputError(f"{name}: nobody answers: {error.strerror or error}") from None


def _not_installed(kind: str, library: str) -> str:
    return f"{kind}: {library} is not installed: pip install -c constraints.txt -c constraints-clusters.txt '.[{kind}]'"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
