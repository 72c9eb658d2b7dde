"""Engines: what words choose them, and that results come in order, once, whoever dies."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import pytest
from project import ROOT

from pipeline.core.arithmetic import arithmetic, require_same
from pipeline.core.engines import WORDS, Engine, parse
from pipeline.core.errors import InputError
from pipeline.core.parallel import Shared, crew, results, shared, using


def square(number, _=None):
    return number * number


def pid(_):
    return os.getpid()


def die_once(number, folder):
    """A worker that is killed at its work, as where memory ends, the first time."""
    mark = Path(folder) / str(number)
    if number == 5 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def done(function, items, words="auto", **how):
    with using(parse(words)):
        return list(results(function, items, arguments=lambda item: (item,), jobs=2, **how))


class TestWords:
    @pytest.mark.parametrize(
        ("words", "engine"),
        [
            ("auto", Engine("auto")),
            ("threads", Engine("threads")),
            ("threads:3", Engine("threads", workers=3)),
            ("loky", Engine("loky")),
            ("loky:4", Engine("loky", workers=4)),
            ("dask:tcp://10.0.0.7:8786", Engine("dask", "tcp://10.0.0.7:8786")),
            ("ray://head:10001", Engine("ray", "ray://head:10001")),
            ("ray", Engine("ray")),
        ],
    )
    def test_choose(self, words, engine):
        assert parse(words) == engine

    @pytest.mark.parametrize("words", ["", "dask", "dask:", "dask:host", "loky:0", "loky:x", "ray:4", "ray://", "mpi"])
    def test_others_are_refused(self, words):
        with pytest.raises(InputError) as error:
            parse(words, "--backend")
        assert str(error.value) == f"--backend: must be {WORDS}, got {words!r}"


class TestResults:
    @pytest.mark.parametrize("how", [{"threads": True}, {}, {"local": True}, {"words": "loky:2"}], ids=str)
    def test_come_in_order(self, how):
        assert done(square, range(20), **how) == [number * number for number in range(20)]

    def test_of_nothing(self):
        assert done(square, []) == []

    def test_threads_are_of_this_process_and_others_are_not(self):
        assert set(done(pid, range(4), threads=True)) == {os.getpid()}
        assert os.getpid() not in done(pid, range(4))
        assert os.getpid() not in done(pid, range(4), "loky", threads=True)

    def test_long_work_is_done_by_processes_unless_threads_are_chosen(self):
        assert os.getpid() not in done(pid, range(4), threads=True, long=True)
        for words in ("threads", "auto:1"):
            assert set(done(pid, range(4), words, threads=True, long=True)) == {os.getpid()}

    def test_processes_that_are_there_do_what_threads_would(self):
        with using(parse("auto")):
            arguments = {"arguments": lambda item: (item,), "jobs": 2}
            assert set(results(pid, range(4), threads=True, **arguments)) == {os.getpid()}
            assert os.getpid() not in results(pid, range(4), **arguments)
            assert os.getpid() not in results(pid, range(4), threads=True, **arguments)
            assert set(results(pid, range(4), threads=True, local=True, **arguments)) == {os.getpid()}

    def test_who_stops_asking_hears_nothing(self):
        given = results(square, range(1000), arguments=lambda item: (item,), jobs=2, threads=True)
        assert next(given) == 0
        given.close()

    def test_an_error_of_the_work_is_raised(self):
        with pytest.raises(TypeError):
            done(square, [None], threads=True)

    @pytest.mark.slow
    def test_a_worker_that_was_killed_costs_nothing(self, tmp_path):
        given = results(die_once, range(12), arguments=lambda item: (item, str(tmp_path)), jobs=2)
        assert list(given) == list(range(12))

    @pytest.mark.slow
    def test_a_worker_that_dies_again_and_again_is_one_line_and_what_came_before_is_there(self):
        given, received = results(die, range(8), arguments=lambda item: (item,), jobs=2), []
        with pytest.raises(InputError, match=r"^a worker died twice at the same work; what is finished is kept"):
            received.extend(given)
        assert received == list(range(len(received)))


class TestCrew:
    def test_jobs_unless_the_engine_says_another_number(self):
        assert crew(3, threads=True) == (3, False, True)
        with using(parse("loky:5")):
            assert crew(3, threads=True) == (5, False, False)
        assert crew(3) == (3, False, False)

    def test_what_is_shared_on_one_machine_is_itself(self):
        assert shared(value := [1], 2) is value

    def test_what_is_shared_is_large_enough_to_be_sent_once(self):
        assert sys.getsizeof(Shared(1)) > 1000


class TestArithmetic:
    def test_this_process_computes_as_it_does(self):
        require_same(arithmetic())

    @pytest.mark.parametrize("name", ["numpy", "torch", "MKL_CBWR", "the pipeline's code", "a sample of results"])
    def test_what_differs_is_one_line(self, name):
        with pytest.raises(InputError) as error:
            require_same({**arithmetic(), name: "another"})
        assert f": {name} must be another, as here, got {arithmetic()[name]}" in str(error.value)

    @pytest.mark.slow
    def test_pins_that_come_after_the_libraries_are_seen(self):
        """An environment that is patched in a process that has imported torch without it."""
        code = (
            "import torch; torch.ones(2, 2) @ torch.ones(2, 2); from pipeline.core.determinism import pin; pin(); "
            "from pipeline.core.arithmetic import arithmetic; print(arithmetic()['kernels of MKL'])"
        )
        free = {name: value for name, value in os.environ.items() if "MKL" not in name and "ATEN" not in name}
        printed = subprocess.run([sys.executable, "-c", code], env=free, capture_output=True, text=True, check=True)
        if not arithmetic()["kernels of MKL"]:
            pytest.skip("this torch has no MKL")
        assert printed.stdout.strip() != arithmetic()["kernels of MKL"]


@pytest.mark.parametrize("words", ["dask:tcp://127.0.0.1:9", "ray://127.0.0.1:9", "dask:tcp://host-without-port"])
def test_an_address_that_nobody_answers_is_one_line_within_seconds(words):
    pytest.importorskip("distributed" if words.startswith("dask") else "ray")
    start = monotonic()
    with pytest.raises(InputError) as error, using(parse(words)):
        crew(2)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert monotonic() - start < 10


ORPHANS = """
import os, sys, time
from pathlib import Path
from pipeline.core.parallel import results

def work(folder, number):
    Path(folder, str(os.getpid())).touch()
    return bytes(1 << 22)  # more than a pipe holds: without a reader, sending it has no end

if __name__ == "__main__":
    for _ in results(work, range(200), arguments=lambda number: (sys.argv[1], number), jobs=2):
        time.sleep(0.2)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_the_process_that_they_work_for(tmp_path: Path, kind: signal.Signals) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    (tmp_path / "script.py").write_text(ORPHANS)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "script.py", str(pids)], cwd=tmp_path, env=environment)
    wait_until(lambda: len(list(pids.iterdir())) == 2)
    process.send_signal(kind)
    process.wait()
    wait_until(lambda: not any(is_running(int(path.name)) for path in pids.iterdir()))


def wait_until(happens: Callable[[], bool]) -> None:
    deadline = monotonic() + 60
    while not happens():
        assert monotonic() < deadline
        sleep(0.1)


def is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
