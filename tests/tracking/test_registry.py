"""Models in MLflow's registry: each once, the better one as champion, and the same numbers wherever it is loaded."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.error import HTTPError, URLError

import numpy as np
import pandas as pd
import pytest
from tracking.test_publish import server

from pipeline.__main__ import main
from pipeline.calibration.conformal import fit_conformal
from pipeline.champion.fit import EstimatorRecipe, NetworkRecipe, fit_library
from pipeline.champion.storage import Model, from_arrays, to_arrays
from pipeline.config.baselines import read_baselines
from pipeline.config.points import Point
from pipeline.core.arrays import encode_arrays, read_arrays
from pipeline.core.determinism import PINNED
from pipeline.core.files import dvc_digest
from pipeline.core.paths import PARAMS
from pipeline.data.dataset import Pool
from pipeline.data.folds import folds_of
from pipeline.data.options import Reading, TableOptions
from pipeline.data.schema import DateColumn
from pipeline.data.tables.encoding import schema_of
from pipeline.data.tables.load import to_pool
from pipeline.data.tables.table import Table
from pipeline.models.baselines import make
from pipeline.tracking import model_folder
from pipeline.tracking.client import connected
from pipeline.tracking.database import locked, stored_versions, uri_of
from pipeline.tracking.model_folder import example_of, requirements
from pipeline.tracking.plan import ALIAS
from pipeline.tracking.promotion import Decision, champion_of, compared
from pipeline.tracking.publish import publish
from pipeline.tracking.registry import downloaded, register
from pipeline.tracking.runs import RunRecord
from pipeline.tracking.versions import DESCRIPTION_LIMIT, Candidate

ROWS = 80
NAME = "regularization-lab-mine"
PROJECT = Path(__file__).parents[2]
POINT = Point(
    hidden=(8,), epochs=6, batch_size=16, optimizer="adam", schedule="constant", momentum=0.9, learning_rate=0.02,
)  # fmt: skip
BESIDE = read_baselines(
    {"linear": {"estimator": "LogisticRegressionCV", "Cs": 2, "cv": 2},
     "trees": {"estimator": "HistGradientBoostingClassifier", "max_iter": 4}},
    PARAMS,
)  # fmt: skip


def table(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    numbers = generator.standard_normal(rows) / 3
    days = pd.Timestamp("2024-03-01") + pd.to_timedelta(generator.integers(0, 300, rows), unit="D")
    frame = pd.DataFrame({"size": [str(each) for each in numbers], "day": days.strftime("%d.%m.%Y")})
    frame["color"] = np.where(numbers > 0.3, "red", np.where(numbers > -0.3, "green", "blue"))
    frame.loc[::9, "size"] = ""
    return frame.assign(answer=np.where(numbers + generator.normal(0, 0.3, rows) > 0, "yes", "no"))


def pool_of(frame: pd.DataFrame) -> Pool:
    return to_pool(Table("t", frame, Reading()), TableOptions(target="answer", missing="impute"))


def fitted(pool: Pool, *, rows: int = ROWS) -> Model:
    recipes = [EstimatorRecipe(name, name, partial(make, row)) for name, row in BESIDE.items()]
    folds = folds_of(pool, np.arange(rows), folds=2)
    library = fit_library(
        [NetworkRecipe("plain", POINT)], recipes, pool, folds, scale="standard", jobs=1, tick=lambda epochs: None
    )
    parts = [each.part for each in library.candidates]
    everyone = {"parts": parts, "shares": [0.5, 0.25, 0.25]}  # every kind of part has a say
    blend = replace(library.blend(size=3).champion, **everyone)
    conformal = fit_conformal(blend.probabilities(pool.features), pool.labels)
    return Model(blend, schema_of(pool), pool.classes, conformal)


@pytest.fixture(scope="module")
def pool() -> Pool:
    return pool_of(table())


@pytest.fixture(scope="module")
def model(pool: Pool) -> Model:
    return fitted(pool)


def worse(model: Model) -> Model:
    """The same model, sure of the opposite."""
    calibrator = replace(model.champion.calibrator, weights=-model.champion.calibrator.weights)
    return replace(model, champion=replace(model.champion, calibrator=calibrator))


# Who is better


def test_better_and_worse_are_told_from_the_same_rows(pool: Pool, model: Model) -> None:
    rows = pool.features, pool.labels
    better = compared(model, worse(model), *rows)
    assert better.moves
    assert better.why.startswith("test NLL changes by -")
    assert "on 80 test rows" in better.why
    for new in (model, worse(model)):
        same = compared(new, model, *rows)
        assert not same.moves
        assert same.why.endswith("which is not better")


def test_the_difference_is_that_of_the_rows(pool: Pool, model: Model) -> None:
    new, old = (each.champion.probabilities(pool.features) for each in (model, worse(model)))
    rows = np.arange(ROWS), pool.labels
    assert (
        f"{np.mean(np.log(old[rows]) - np.log(new[rows])):+.4f} ["
        in compared(model, worse(model), pool.features, pool.labels).why
    )


def test_other_classes_or_columns_cannot_be_compared(pool: Pool, model: Model) -> None:
    renamed = replace(model, classes=("no", "maybe"))
    fewer = replace(model, schema=model.schema.model_copy(update={"columns": model.schema.columns[:2]}))
    assert compared(model, renamed, pool.features, pool.labels) == Decision(False, "the old one knows other classes")
    assert not (decision := compared(model, fewer, pool.features, pool.labels)).moves
    assert "other columns" in decision.why


def test_an_example_row_is_read(model: Model) -> None:
    example = example_of(model)
    assert list(example.columns) == [column.name for column in model.schema.columns]
    dates = [column for column in model.schema.columns if isinstance(column, DateColumn)]
    assert [example[column.name][0] for column in dates] == [
        pd.Timestamp(column.first).strftime("%d.%m.%Y") for column in dates
    ]
    assert dates


def test_requirements_are_the_pins_of_the_project() -> None:
    pins = (PROJECT / "constraints.txt").read_text().splitlines()
    assert set(requirements()) <= set(pins)


# The registry


class Store:
    """A store in a folder, and models that are put into it."""

    def __init__(self, folder: Path, pool: Pool) -> None:
        self.folder, self.pool = folder, pool
        self.uri = uri_of(folder / "mlflow.db")
        (folder / "files").mkdir(parents=True)

    def candidate(self, model: Model, *, card: str = "# A card") -> Candidate:
        content = encode_arrays(*to_arrays(model))
        path = self.folder / "files" / "model.safetensors"
        path.write_bytes(content)

        def compare(old: Path) -> Decision:
            before = from_arrays(*read_arrays(old), name="old")
            return compared(model, before, self.pool.features, self.pool.labels)

        return Candidate(
            dataset="mine", experiment="mine regularization", key="mine+champion", file=path, md5=dvc_digest(path),
            data="abc", load=lambda: model, card=lambda: card, compare=compare,
        )  # fmt: skip

    def put(self, model: Model, *, force: bool = False, **changes: str) -> str:
        made = self.candidate(model, **changes)
        record = RunRecord(
            key=made.key, experiment=made.experiment, name="champion", artifacts={"champion.json": made.md5.encode()}
        )
        publish([record], uri=self.uri, provenance={})
        return register(made, uri=self.uri, force=force)

    def versions(self) -> list[tuple[int, bool]]:
        return [(each.number, each.is_champion) for each in stored_versions(self.folder / "mlflow.db", NAME)]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without models, for a new one takes seconds."""
    folder = tmp_path_factory.mktemp("empty")
    uri = uri_of(folder / "mlflow.db")
    with locked(uri), connected(uri):
        return folder


@pytest.fixture
def store(empty: Path, tmp_path: Path, pool: Pool) -> Store:
    made = Store(tmp_path / "store", pool)
    shutil.copy(empty / "mlflow.db", made.folder)
    (made.folder / "mlruns").mkdir()
    return made


@pytest.mark.slow
class TestRegistry:
    def test_a_model_is_a_version_once(self, store: Store, model: Model) -> None:
        assert store.put(model) == f"{NAME}: version 1 registered, is the champion: there is no other"
        for force in (False, True):
            assert store.put(model, force=force) == ""

    def test_a_server_has_versions_and_the_alias_too(self, store: Store, model: Model) -> None:
        with server(store.folder, ["--backend-store-uri", store.uri]) as store.uri:
            assert store.put(model) == f"{NAME}: version 1 registered, is the champion: there is no other"
            assert store.put(model) == ""
            said = store.put(worse(model))
            assert said.startswith(f"{NAME}: version 2 registered, is not the champion: against version 1, test NLL ")
            with downloaded(f"models:/{NAME}@champion", uri=store.uri) as path:
                assert dvc_digest(path) == store.candidate(model).md5
            assert store.put(worse(model), force=True).startswith(f"{NAME}: version 2 is the champion: it was forced")

    def test_a_second_look_does_not_import_mlflow(self, store: Store, model: Model) -> None:
        store.put(model)
        code = (
            "import sys\nfrom pathlib import Path\nfrom pipeline.tracking.registry import register\n"
            "from pipeline.tracking.versions import Candidate\n"
            f"made = Candidate(dataset='mine', experiment='mine regularization', key='', file=Path(), data='',"
            f" md5={store.candidate(model).md5!r}, load=None, card=None, compare=None)\n"
            f"print([register(made, uri={store.uri!r})], 'mlflow' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["['']", "False"]

    def test_a_better_one_becomes_the_champion(self, store: Store, model: Model) -> None:
        store.put(worse(model))
        line = store.put(model)
        assert line.startswith(
            f"{NAME}: version 2 registered, is the champion: against version 1, test NLL changes by -"
        )
        assert store.versions() == [(1, False), (2, True)]

    def test_another_does_not_unless_forced(self, store: Store, model: Model) -> None:
        store.put(model)
        line = store.put(worse(model))
        assert line.startswith(
            f"{NAME}: version 2 registered, is not the champion: against version 1, test NLL changes"
        )
        assert line.endswith("which is not better; `python -m pipeline track --force-champion` moves it")
        assert store.versions() == [(1, True), (2, False)]
        again = store.put(worse(model))
        assert again.startswith(f"{NAME}: the champion is version 1, and not the present model, version 2: against")
        assert (
            store.put(worse(model), force=True)
            == f"{NAME}: version 2 is the champion: it was forced, in place of version 1"
        )
        assert store.versions() == [(1, False), (2, True)]

    def test_what_cannot_be_compared_stays(self, store: Store, model: Model) -> None:
        store.put(replace(worse(model), classes=("no", "maybe")))
        assert "is not the champion: against version 1, the old one knows other classes" in store.put(model)
        assert store.versions() == [(1, True), (2, False)]

    def test_one_that_cannot_be_read_stays(self, store: Store, model: Model) -> None:
        store.put(worse(model))
        path = champion_folder(store) / model_folder.FILE
        path.write_bytes(path.read_bytes()[:-200])
        assert "is not the champion: against version 1, which cannot be read: " in store.put(model)
        assert store.versions() == [(1, True), (2, False)]

    def test_a_person_may_move_the_alias_back(self, store: Store, model: Model) -> None:
        store.put(worse(model))
        store.put(model)
        with connected(store.uri) as client:
            client.set_registered_model_alias(NAME, ALIAS, "1")
        assert "the champion is version 1, and not the present model, version 2" in store.put(model)
        assert store.versions() == [(1, True), (2, False)]

    def test_going_back_to_a_better_one_makes_it_the_champion_again(self, store: Store, model: Model) -> None:
        store.put(model)
        store.put(worse(model))
        store.put(worse(model), force=True)
        assert store.put(model).startswith(
            f"{NAME}: version 1 is the champion: against version 2, test NLL changes by -"
        )
        assert "version 2 is not the champion: " not in store.put(model)
        assert store.versions() == [(1, True), (2, False)]

    def test_what_was_deleted_or_moved_comes_back(self, store: Store, model: Model) -> None:
        store.put(worse(model))
        store.put(model)
        (store.folder / "mlflow.db").unlink()
        shutil.rmtree(store.folder / "mlruns")
        assert store.put(model) == f"{NAME}: version 1 registered, is the champion: there is no other"
        moved = store.folder.with_name("moved")
        store.folder.rename(moved)
        store.folder, store.uri = moved, uri_of(moved / "mlflow.db")
        assert store.put(model).endswith(
            "version 2 registered, is the champion: it is version 1 again, whose files are gone"
        )
        assert store.put(model) == ""

    def test_an_interruption_leaves_no_half_model(self, store: Store, model: Model, monkeypatch) -> None:
        def interrupt(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("pipeline.tracking.versions.save_folder", interrupt)
            with pytest.raises(KeyboardInterrupt):
                store.put(model)
        assert store.versions() == []
        store.put(model)
        with connected(store.uri) as client:
            experiment = client.get_experiment_by_name("mine regularization").experiment_id
            assert [str(each.status) for each in client.search_logged_models([experiment])] == ["READY"]
        with monkeypatch.context() as patch:
            patch.setattr("pipeline.tracking.registry._decision", interrupt)
            with pytest.raises(KeyboardInterrupt):
                store.put(worse(model))
        assert store.versions() == [(1, True), (2, False)]
        assert "version 2 is not the champion" in store.put(worse(model))

    def test_a_long_card_is_cut_and_whole_beside_the_model(self, store: Store, model: Model) -> None:
        card = "# A card\n\n" + "- a line\n" * 1000
        store.put(model, card=card)
        with connected(store.uri) as client:
            description = client.get_model_version(NAME, "1").description
        assert len(description) <= DESCRIPTION_LIMIT
        assert description.endswith("- a line\n\n(All of it is in the model's `model_card.md`.)")
        folder = champion_folder(store)
        assert (folder / "model_card.md").read_text() == card


def champion_folder(store: Store) -> Path:
    version = champion_of(stored_versions(store.folder / "mlflow.db", NAME))
    assert version is not None
    return Path(version.location.removeprefix("file://"))


# The same numbers everywhere


@pytest.fixture(scope="module")
def served(empty: Path, tmp_path_factory: pytest.TempPathFactory, pool: Pool, model: Model) -> Store:
    made = Store(tmp_path_factory.mktemp("served") / "store", pool)
    shutil.copy(empty / "mlflow.db", made.folder)
    (made.folder / "mlruns").mkdir()
    made.put(model)
    rows = table(300, seed=1).drop(columns="answer")
    rows.loc[5, "color"] = "mauve"
    rows.loc[6, "color"] = ""
    rows.to_csv(made.folder / "new.csv", index=False)
    return made


def printed(store: Store, model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(store.folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert main(["predict", model, "new.csv"]) == 0
    return capsys.readouterr().out


def as_csv(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False, float_format="%.9g")


def typed(store: Store) -> pd.DataFrame:
    """The rows as a program has them: numbers as numbers."""
    rows = pd.read_csv(store.folder / "new.csv", dtype=str, keep_default_na=False)
    return rows.assign(size=[float(each) if each else np.nan for each in rows["size"]])


@pytest.mark.slow
class TestServing:
    def test_the_command_takes_what_is_registered(self, served: Store, capsys, monkeypatch) -> None:
        expected = printed(served, "files/model.safetensors", capsys, monkeypatch)
        assert expected.count("\n") == 301
        for model in (f"models:/{NAME}@champion", f"models:/{NAME}/1"):
            assert printed(served, model, capsys, monkeypatch) == expected

    @pytest.mark.parametrize("name", [f"models:/{NAME}@nobody", f"models:/{NAME}/7", "models:/no/1", "models:/no@one"])
    def test_what_is_not_registered_is_one_line(self, served: Store, capsys, monkeypatch, name: str) -> None:
        monkeypatch.chdir(served.folder)
        assert main(["predict", name, "new.csv"]) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert said.count("\n") == 1

    def test_without_a_store_there_is_none_made(self, served: Store, tmp_path, capsys, monkeypatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert main(["predict", f"models:/{NAME}@champion", str(served.folder / "new.csv")]) == 2
        assert "mlflow.db does not exist" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []

    def test_mlflow_loads_the_same_model_without_the_project(self, served: Store, capsys, monkeypatch) -> None:
        expected = printed(served, "files/model.safetensors", capsys, monkeypatch)
        typed(served).to_parquet(served.folder / "typed.parquet")
        code = (
            "import mlflow.pyfunc, pandas\n"
            f"model = mlflow.pyfunc.load_model('models:/{NAME}@champion')\n"
            "frame = model.predict(pandas.read_parquet('typed.parquet'))\n"
            "frame.to_csv('out.csv', index=False, float_format='%.9g')\n"
            "import pipeline; print(pipeline.__path__)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=served.folder,
            env=outside(served),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert str(served.folder) in done.stdout  # the copy of the package beside the model
        assert (served.folder / "out.csv").read_text() == expected

    def test_the_folder_holds_no_pickle_and_no_path_of_this_machine(self, served: Store) -> None:
        folder = champion_folder(served)
        names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert {"MLmodel", "model_card.md", "served_model.py", model_folder.FILE, "input_example.json"} <= names
        assert {Path(name).suffix for name in names} <= {
            "",
            ".md",
            ".py",
            ".safetensors",
            ".json",
            ".yaml",
            ".txt",
            ".jinja",
            ".js",
            ".typed",
        }
        assert "loader_module: mlflow.pyfunc.loaders.code_model" in (folder / "MLmodel").read_text()

    def test_a_server_answers_with_the_numbers_of_the_command(self, served: Store, capsys, monkeypatch) -> None:
        expected = printed(served, "files/model.safetensors", capsys, monkeypatch)
        with serving(served) as ask:
            rows = typed(served)
            cells = rows.astype(object).where(rows.notna(), None).to_numpy().tolist()
            status, answer = ask({"dataframe_split": {"columns": list(rows.columns), "data": cells}})
            assert status == 200, answer
            assert as_csv(pd.DataFrame(answer["predictions"])) == expected
            alone = rows.iloc[[7]].to_dict(orient="records")
            _, answer = ask({"dataframe_records": alone})
            assert as_csv(pd.DataFrame(answer["predictions"])).splitlines()[1] == expected.splitlines()[8]
            status, answer = ask({"dataframe_records": [{"size": 1.0, "color": "red"}]})
            assert status == 400
            assert "day" in answer["message"]


def outside(store: Store) -> dict[str, str]:
    """An environment that knows nothing of the project: neither its package nor how it pins arithmetic.

    Python writes no bytecode in it, which would lie in the model's folder that other tests look at.
    """
    kept = {name: value for name, value in os.environ.items() if name not in {*PINNED, "PYTHONPATH"}}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    settings = {"MLFLOW_TRACKING_URI": store.uri, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**kept, "PATH": path, **settings}


Answer = tuple[int, dict]


@contextmanager
def serving(store: Store) -> Iterator[Callable[[dict], Answer]]:
    """MLflow's server of the champion, on a free port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = ["-m", "mlflow", "models", "serve", "-m", f"models:/{NAME}@champion", "--env-manager", "local"]
    server = subprocess.Popen(
        [sys.executable, *command, "--host", "127.0.0.1", "--port", str(port)],
        cwd=store.folder, env=outside(store), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", server)
        yield partial(post, f"http://127.0.0.1:{port}/invocations")
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)


def wait_for(address: str, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert server.poll() is None
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.3)
    raise TimeoutError(address)


def post(address: str, content: dict) -> Answer:
    request = urllib.request.Request(address, json.dumps(content).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as reply:
            return reply.status, json.load(reply)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)
