"""Parallel work, done by the engine that was chosen, which changes no bit.

Where no engine is chosen, processes of this machine do it, but threads train networks until processes are there, or
worth their start: threads share an interpreter, which keeps them waiting for each other.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar
from warnings import catch_warnings, simplefilter

from pipeline.core.engines import Engine
from pipeline.core.errors import InputError

if TYPE_CHECKING:
    from pipeline.core.arithmetic import Arithmetic

_ARITHMETIC, _CLUSTERS = "pipeline.core.arithmetic", "pipeline.core.clusters"
"""Imported by name: results, and so their fingerprints, do not depend on engines, nor on what is installed of them."""
_GIVEN_UP = "a worker died twice at the same work; what is finished is kept, and the same command goes on from there"
_LOOK = 1.0  # seconds, after which a worker sees whether it still works for anybody
_SENT_ONCE = 1 << 20  # bytes that a shared object says it has, so that joblib's Dask backend sends it once a worker

Item = TypeVar("Item")
Result = TypeVar("Result")
Value = TypeVar("Value")


class Crew(NamedTuple):
    """Workers: how many, whether they are of a cluster, and whether they are threads of this process."""

    size: int
    is_remote: bool
    are_threads: bool


@dataclass(frozen=True)
class Cluster:
    """Workers that are there.

    Attributes:
        backend: joblib's.
        cores: of all workers.
        arithmetic: what every worker must compute with: the same as this process.
        lost: errors that say that a worker is gone, not that its work is wrong.
        put: stores an object where workers find it, and gives back what they find it by; None where joblib sees to it.
    """

    backend: Any
    cores: int
    arithmetic: Arithmetic
    lost: tuple[type[BaseException], ...]
    put: Callable[[object], object] | None = None


class Shared(Generic[Value]):
    """An object that many calls are given, and that a cluster's worker is sent once."""

    def __init__(self, value: Value, reference: object = None) -> None:
        self.value, self._reference = value, reference

    def __sizeof__(self) -> int:
        return _SENT_ONCE

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (Shared, (self.value,)) if self._reference is None else (_fetched, (self._reference,))


@contextmanager
def using(engine: Engine) -> Iterator[None]:
    """Let an engine do the work; a cluster is connected to when there is work, and left at the end."""
    with ExitStack() as stack:
        token = _SESSION.set(_Session(engine, stack))
        try:
            yield
        finally:
            _SESSION.reset(token)


def crew(jobs: int, *, threads: bool = False, long: bool = False, local: bool = False) -> Crew:
    """Who would do the work that `results` is given with the same arguments.

    Raises:
        InputError: the cluster cannot be reached.
    """
    session = _session()
    kind = session.engine.kind
    if kind in ("dask", "ray") and not local:
        return Crew(session.cluster(jobs).cores, is_remote=True, are_threads=False)
    size, worth = session.engine.workers or jobs, long or session.has_processes
    by_threads = local or kind == "threads" or (kind == "auto" and (size == 1 or not worth))
    return Crew(size, is_remote=False, are_threads=threads and by_threads)


def shared(value: Value, jobs: int) -> Shared[Value] | Value:
    """A value as calls are given it: a cluster's worker is sent it once, others as joblib does it."""
    if not crew(jobs).is_remote:
        return value
    put = _session().cluster(jobs).put
    return Shared(value, put and put(value))


def results(
    function: Callable[..., Result],
    items: Sequence[Item],
    *,
    arguments: Callable[[Item], tuple[Any, ...]],
    jobs: int,
    threads: bool = False,
    long: bool = False,
    local: bool = False,
) -> Iterator[Result]:
    """The result for each item, in their order, as soon as it is there.

    What a worker that died was doing is done again; an error of the work itself is raised.

    Args:
        function: the work, of a module, so that workers can import it.
        items: what there is to be done.
        arguments: of the function, for an item; asked when a worker is about to need them. Those that are `shared`
            come as they are.
        jobs: workers of this machine; a cluster has its own.
        threads: whether threads can do it, for most of it is outside of the interpreter.
        long: whether it takes so long that processes are worth their start nevertheless, where no engine is chosen
            and none are there yet.
        local: whether this machine does it whatever is chosen.

    Raises:
        InputError: the cluster cannot be reached, a worker computes with something else, or it dies again and again.
    """
    done, is_stuck = 0, False
    while True:
        before = done
        try:
            workers = crew(jobs, threads=threads, long=long, local=local)
            given = _once(function, items[done:], arguments, workers=workers, jobs=jobs)
            with _closing(given):
                for result in given:
                    done += 1
                    yield result
        except _lost(jobs, local=local) as error:
            if is_stuck and done == before:
                raise InputError(f"{_GIVEN_UP} ({' '.join(str(error).split())[:200]})") from None
            is_stuck = done == before
        else:
            return


@contextmanager
def _closing(given: Generator[Any, None, None]) -> Iterator[None]:
    """Close a generator of joblib's, which warns of what nobody wants any more."""
    try:
        yield
    finally:
        with catch_warnings():
            simplefilter("ignore", UserWarning)
            given.close()


def _once(
    function: Callable[..., Result],
    items: Sequence[Item],
    arguments: Callable[[Item], tuple[Any, ...]],
    *,
    workers: Crew,
    jobs: int,
) -> Generator[Result, None, None]:
    from joblib import Parallel, delayed  # noqa: PLC0415

    if workers.is_remote:
        session = _session()
        expected = session.cluster(jobs).arithmetic
        yield from session.parallel(jobs)(_remote_call(expected, function, arguments(item)) for item in items)
        return
    _session().has_processes |= not workers.are_threads
    count, backend = max(1, min(workers.size, len(items))), "threading" if workers.are_threads else "loky"
    local_call = delayed(function if workers.are_threads else partial(_working_for, os.getpid(), function))
    yield from Parallel(count, backend=backend, return_as="generator")(local_call(*arguments(item)) for item in items)


def _working_for(process: int, function: Callable[..., Result], *arguments: Any) -> Result:
    """The work of one of this machine's workers."""
    if os.getpid() != process:
        _end_with(process)
    return function(*arguments)


@cache
def _end_with(process: int) -> None:
    """Let this worker end once the process that it works for has: where that is killed, it would wait for ever."""

    def watch() -> None:
        while os.getppid() == process:
            sleep(_LOOK)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _remote_call(expected: Arithmetic, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """A call for joblib, pickled, because Dask's scheduler would unpickle it, and shall need no library for that."""
    from joblib import delayed  # noqa: PLC0415

    shared_ones = [each for each in arguments if isinstance(each, Shared)]
    places = [number for number, each in enumerate(arguments) if isinstance(each, Shared)]
    others = [None if isinstance(each, Shared) else each for each in arguments]
    work: Any = pickle.dumps((function, others, places))
    return delayed(_called)(expected, work if len(work) < _SENT_ONCE else Shared(work), *shared_ones)


def _called(expected: Arithmetic, work: bytes | Shared[bytes], *shared_ones: Shared[Any]) -> Any:
    """The work of one of a cluster's workers, which is refused unless it computes with what the sender does."""
    import_module(_ARITHMETIC).require_same(expected)
    function, arguments, places = pickle.loads(work.value if isinstance(work, Shared) else work)
    for place, each in zip(places, shared_ones, strict=True):
        arguments[place] = each.value
    return function(*arguments)


def _fetched(reference: Any) -> Shared[Any]:
    """What Ray stores under a reference, where it is needed."""
    return Shared(import_module("ray").get(reference))


def _lost(jobs: int, *, local: bool) -> tuple[type[BaseException], ...]:
    """Errors that say that a worker is gone."""
    from joblib.externals.loky.process_executor import BrokenProcessPool  # noqa: PLC0415

    remote = crew(jobs, local=local).is_remote
    return _session().cluster(jobs).lost if remote else (BrokenProcessPool,)


class _Session:
    """An engine, and what it is connected to once there is work; whether processes of this machine have had some."""

    def __init__(self, engine: Engine, stack: ExitStack) -> None:
        self.engine, self._stack = engine, stack
        self.has_processes = False
        self._cluster: Cluster | None = None
        self._parallel: Any = None

    def cluster(self, jobs: int) -> Cluster:
        """The engine's cluster; of a Ray of our own `jobs` workers."""
        if self._cluster is None:
            clusters, address = import_module(_CLUSTERS), self.engine.address
            context = clusters.dask(address) if self.engine.kind == "dask" else clusters.ray(address, jobs)
            self._cluster = self._stack.enter_context(context)
        cluster: Cluster = self._cluster
        return cluster

    def parallel(self, jobs: int) -> Any:
        """Joblib on this cluster; it keeps workers from one call to the next."""
        from joblib import Parallel  # noqa: PLC0415

        if self._parallel is None:
            cluster = self.cluster(jobs)
            pool = Parallel(cluster.cores, backend=cluster.backend, return_as="generator")
            self._parallel = self._stack.enter_context(pool)
        return self._parallel


_SESSION: ContextVar[_Session] = ContextVar("session")
_HERE = _Session(Engine("auto"), ExitStack())


def _session() -> _Session:
    return _SESSION.get(_HERE)
