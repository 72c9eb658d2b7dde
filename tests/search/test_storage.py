import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import optuna
import pytest
from optuna.storages import InMemoryStorage
from oracles import ARMS, contents_of, search_of, task_of

from pipeline.core.errors import InputError
from pipeline.search.optimize import run
from pipeline.search.storage import VARIABLE, opened

ROOT = Path(__file__).parents[2]


def searched(task, storage, trials=4):
    *_, found = run(task, storage, {arm: f"study {arm}" for arm in task.search.arms}, trials=trials)
    return contents_of(found)


@pytest.fixture(scope="module")
def task():
    return task_of(search_of())


@pytest.fixture(scope="module")
def whole(task):
    """What an uninterrupted search finds."""
    return searched(task, InMemoryStorage())


@pytest.fixture(scope="module")
def content(task, whole, tmp_path_factory):
    """The bytes of a journal of a finished search."""
    path = tmp_path_factory.mktemp("journal") / "toy.journal"
    with opened(path) as storage:
        assert searched(task, storage) == whole
    return path.read_bytes()


def goes_on(task, path, content):
    path.write_bytes(content)
    with opened(path) as storage:
        return searched(task, storage)


class TestAJournal:
    def test_is_gone_on_with(self, task, whole, tmp_path):
        path = tmp_path / "studies/toy.journal"
        for trials in (2, 3, 4):
            with opened(path) as storage:
                found = searched(task, storage, trials)
        assert found == whole

    def test_that_is_finished_gets_no_more_trials(self, task, whole, content, tmp_path):
        path = tmp_path / "toy.journal"
        assert goes_on(task, path, content) == whole
        assert path.read_bytes().startswith(content)
        assert path.read_bytes().count(b'"state"') == content.count(b'"state"') == 4 * len(ARMS)

    def check(self, task, whole, content, path, ends):
        for end in ends:
            assert goes_on(task, path, content[:end]) == whole, end
            assert path.read_bytes().startswith(content[: content[:end].rfind(b"\n") + 1]), end

    def test_torn_within_its_last_line_loses_that_line_alone(self, task, whole, content, tmp_path):
        start = content[:-1].rfind(b"\n") + 1
        self.check(task, whole, content, tmp_path / "j", [start, start + 1, len(content) - 2, len(content) - 1])

    def test_torn_within_its_first_lines(self, task, whole, content, tmp_path):
        second = content.index(b"\n") + 1
        self.check(task, whole, content, tmp_path / "j", [0, 1, second - 1, second, second + 5])

    @pytest.mark.slow
    def test_torn_at_every_byte_of_its_last_line(self, tmp_path):
        task, path = task_of(search_of(arms={"none": []})), tmp_path / "j"
        whole = goes_on(task, path, b"")
        content = path.read_bytes()
        start = content[:-1].rfind(b"\n") + 1
        assert len(content) - start > 100
        self.check(task, whole, content, path, range(start, len(content)))

    @pytest.mark.slow
    def test_torn_anywhere(self, task, whole, content, tmp_path):
        self.check(task, whole, content, tmp_path / "j", range(0, len(content), len(content) // 100))

    @pytest.mark.slow
    def test_torn_at_the_end_of_every_line(self, task, whole, content, tmp_path):
        ends = [place + 1 for place, byte in enumerate(content) if byte == ord("\n")]
        self.check(task, whole, content, tmp_path / "j", ends)

    def test_stays_as_it_is_where_it_is_whole(self, content, tmp_path):
        path = tmp_path / "j"
        for whole in (b"", content):
            path.write_bytes(whole)
            with opened(path):
                assert path.read_bytes() == whole

    @pytest.mark.parametrize(
        "garbage",
        [
            b"text\n",
            b"\xff\xfe\0\n",
            b"5\n",
            b"[1]\n",
            b"{}\n",
            b'{"op_code": 99}\n',
            b'{"op_code": 0}\n',
            b"\n\n",
            b"[" * 10**5 + b"\n",
        ],
    )
    def test_with_garbage_is_one_line_and_left_alone(self, tmp_path, garbage):
        path = tmp_path / "toy.journal"
        path.write_bytes(garbage)
        with pytest.raises(InputError, match=r"toy\.journal: damaged .* move it away") as caught, opened(path):
            pass
        assert str(caught.value).isprintable()
        assert path.read_bytes() == garbage

    def test_one_search_at_a_time(self, tmp_path):
        path = tmp_path / "toy.journal"
        with opened(path), pytest.raises(InputError, match=r"toy\.journal: another search is running"), opened(path):
            pass
        with opened(path):  # it has let go
            pass

    def test_lets_go_after_an_error(self, tmp_path):
        def fail():
            with opened(tmp_path / "j"):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fail()
        with opened(tmp_path / "j"):
            pass


HOLDER = """
    import fcntl, sys, time
    from pathlib import Path
    import optuna
    from pipeline.search.storage import opened

    with opened(Path(sys.argv[1])) as storage:
        study = optuna.create_study(storage=storage, study_name="held")
        lock = storage._backend._lock
        if sys.argv[2] == "writing":
            lock.acquire()
        print("ready", flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("when", ["searching", pytest.param("writing", marks=pytest.mark.slow)])
def test_a_killed_process_leaves_no_lock_behind(tmp_path, when):
    """Optuna's own lock is a file: the next search would wait for it until half a minute has passed."""
    path = tmp_path / "toy.journal"
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), str(path), when]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ})
    try:
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(InputError, match="another search is running"), opened(path):
            pass
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        process.stdout.close()
    begun = time.monotonic()
    with opened(path) as storage:
        study = optuna.create_study(storage=storage, study_name="held", load_if_exists=True)
        study.add_trial(optuna.trial.create_trial(value=1.0))
    assert time.monotonic() - begun < 10


class TestADatabase:
    def test_is_named_by_a_url(self, task, whole, tmp_path):
        url = f"sqlite:///{tmp_path}/optuna.db"
        with opened(tmp_path / "toy.journal", url) as storage:
            assert searched(task, storage) == whole
        assert (tmp_path / "optuna.db").exists()
        assert not (tmp_path / "toy.journal").exists()
        with opened(tmp_path / "toy.journal", url) as storage:
            assert searched(task, storage) == whole

    def test_one_search_at_a_time(self, tmp_path):
        url, path = f"sqlite:///{tmp_path}/optuna.db", tmp_path / "toy.journal"
        with opened(path, url), pytest.raises(InputError, match="another search is running"), opened(path, url):
            pass

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("nonsense", "must be a database URL, such as postgresql://"),
            ("postgresql://me:secret@host:port/name", "must be a database URL"),
            ("postgresql://me@127.0.0.1:1/name?password=secret", "postgresql://me@127.0.0.1:1/name cannot be opened"),
            ("nosuch://me:secret@host/name", "nosuch://***@host/name cannot be opened"),
            ("postgresql://me:secret@127.0.0.1:1/name", "postgresql://me:***@127.0.0.1:1/name cannot be opened"),
            ("mysql://me:secret@host/name", "mysql://me:***@host/name cannot be opened: No module named"),
            (
                "postgresql://me:secret@secret2@127.0.0.1:1/name",
                "postgresql://me:***@127.0.0.1:1/name cannot be opened",
            ),
            ("sqlite:////nonexistent/folder/x.db", "unable to open database file"),
            ("sqlite:///{folder}/text.db", "file is not a database"),
        ],
    )
    def test_that_cannot_be_opened_is_one_line_without_the_password(self, tmp_path, url, words):
        (tmp_path / "text.db").write_text("text " * 1000)
        if url.startswith("postgresql"):
            pytest.importorskip("psycopg")
        with pytest.raises(InputError) as caught, opened(tmp_path / "j", url.format(folder=tmp_path)):
            pass
        message = str(caught.value)
        assert message.startswith(f"{VARIABLE}: ")
        assert words in message
        assert len(message.splitlines()) == 1
        assert "secret" not in message
        with opened(tmp_path / "j"):  # it has let go
            pass


@pytest.mark.slow
class TestPostgreSQL:
    def test_a_search_finds_what_it_finds_in_a_journal(self, task, whole, database_url, tmp_path):
        for trials in (3, 4):
            with opened(tmp_path / "toy.journal", database_url) as storage:
                found = searched(task, storage, trials)
        assert found == whole

    def test_processes_may_open_an_empty_database_at_once(self, database_url, tmp_path):
        code = "import sys; from pathlib import Path; from pipeline.search.storage import opened\n"
        code += "with opened(Path(sys.argv[1]), sys.argv[2]): pass"
        paths = {**os.environ, "PYTHONPATH": str(ROOT)}
        started = [
            subprocess.Popen([sys.executable, "-c", code, str(tmp_path / f"{n}.journal"), database_url], env=paths)
            for n in range(4)
        ]
        assert [process.wait(120) for process in started] == [0] * 4

    @pytest.mark.parametrize("search", [{"pruner": "none", "objectives": ["nll", "calibration"]}, {"sampler": "nsga2"}])
    def test_with_other_samplers_and_two_objectives(self, database_url, tmp_path, search):
        task = task_of(search_of(**search))
        with opened(tmp_path / "toy.journal", database_url) as storage:
            found = searched(task, storage)
        assert found == searched(task, InMemoryStorage())

    def test_a_trial_that_diverged_is_kept_as_it_is(self, database_url, tmp_path):
        space = {"learning_rate": {"low": 0.01, "high": 1e30, "log": True}}
        search = search_of(space=space, arms={"none": []}, sampler="random", pruner="median")
        task = task_of(search, optimizer="sgd")

        def both(storage):
            *_, found = run(task, storage, {"none": "wild"}, trials=6)
            return contents_of(found)

        with opened(tmp_path / "toy.journal", database_url) as storage:
            found = both(storage)
        assert any(trial["state"] == "FAIL" for trial in found["none"])
        assert found == both(InMemoryStorage())

    def test_killed_at_any_moment_it_goes_on(self, task, whole, database_url, tmp_path):
        command = [sys.executable, "-c", textwrap.dedent(SEARCHER), str(tmp_path / "toy.journal"), database_url]
        paths = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
        ended = []
        for added in (0, 1, 2, 4):
            process = subprocess.Popen([*command, str(added)], cwd=tmp_path, env=paths)
            ended.append(process.wait(120))
        assert ended == [-signal.SIGKILL] * 4
        with opened(tmp_path / "toy.journal", database_url) as storage:
            left = optuna.get_all_study_summaries(storage)
            assert sum(summary.n_trials for summary in left) == 7
            assert searched(task, storage) == whole


SEARCHER = """
    from pipeline.core import determinism
    determinism.pin()
    import os, signal, sys
    from pathlib import Path
    from optuna.storages import RDBStorage
    from oracles import ARMS, search_of, task_of
    from pipeline.search.optimize import run
    from pipeline.search.storage import opened

    path, url, left = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    store = RDBStorage._create_new_trial

    def killed(*arguments, **options):
        global left
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return store(*arguments, **options)

    RDBStorage._create_new_trial = killed
    with opened(path, url) as storage:
        for _ in run(task_of(search_of()), storage, {arm: f"study {arm}" for arm in ARMS}, trials=4):
            pass
"""
