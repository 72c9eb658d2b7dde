"""Every reader under thousands of mutations: it takes what it reads, or refuses it in one short line."""

from __future__ import annotations

import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from corpus_cases import base
from mutations import HOSTILE, fuzzed, of_bytes, of_json, of_stored, of_values

from pipeline.calibration.conformal import fit_conformal
from pipeline.champion.fit import EstimatorRecipe, fit_library
from pipeline.champion.storage import Model, from_arrays
from pipeline.champion.storage import to_arrays as of_model
from pipeline.config import textbook, textbook_map
from pipeline.config.baselines import read_baselines
from pipeline.config.params import params_of
from pipeline.config.reading import parse_yaml, validate
from pipeline.core.arrays import encode_arrays, read_arrays
from pipeline.core.paths import MAP, PARAMS, TEXTBOOK, topic_file
from pipeline.data.folds import folds_of
from pipeline.data.options import Reading, TableOptions
from pipeline.data.seed_data import seed_data
from pipeline.data.sources import File, Mixture
from pipeline.data.storage import to_arrays
from pipeline.data.tables.encoding import encode, schema_of, unread
from pipeline.data.tables.load import read_file, to_pool
from pipeline.data.tables.predicted import read_predicted
from pipeline.data.tables.probability_columns import Wanted
from pipeline.data.tables.reading import read_table
from pipeline.models.baselines import make
from pipeline.results.champion import ChampionResults
from pipeline.results.parquet import read_parquet, write_parquet
from pipeline.results.point_metrics import COLUMNS, Cells, read_metrics, write_metrics
from pipeline.results.record import read_record
from pipeline.results.search import SearchResults
from pipeline.results.study import PointResult
from pipeline.results.study_files import read_study
from pipeline.results.summary import Summary
from pipeline.search.trials import read_trials
from pipeline.stages.stored_dataset import load_data
from pipeline.textbook.known_names import require_known_names

pytestmark = pytest.mark.slow
FINISHED = Path(__file__).parents[1] / "reports"
TABLES = [
    b"a,b,y\n" + b"1,2,no\n2,1,yes\n3,4,no\n5,5,yes\n" * 4,
    b"a;b;y\n" + b"1,5;x;0\n2.000,25;z;1\n" * 8,
    b"day,city,y\n" + b"2020-01-02,rome,a\n2021-03-04,oslo,b\n2019-05-06,,c\n" * 6,
    b"when\tprice\ty\n" + b"03/04/2020 10:30\t$1,200.50\tYes\n13/12/2021 9:05\t$3.10\tno\n" * 6,
    b"name,share,y\n" + "ü,5 %,1\né,70 %,0\n".encode() * 8,
    b"sep=;\nid;x y;y\n" + b"1;-3e5;a\n2;NA;b\n3;?;a\n" * 6,
]
PREDICTIONS = [
    b"y,p_no,p_yes\n" + b"no,0.8,0.2\nyes,0.3,0.7\n" * 6,
    b"y,p\n" + b"1,0.8\n0,0.3\n" * 6,
    b"y;p(a);p(b);p(c)\n" + b"a;0,5;0,25;0,25\nb;0,1;0,8;0,1\nc;0;0;1\n" * 5,
]
OPTIONS = TableOptions(target="y", missing="impute", rare="drop", unlabeled="drop")
PEOPLE = b"day,city,n,y\n" + b"".join(
    b"20%02d-01-02,%s,%d,%s\n" % (i, [b"rome", b"oslo", b""][i % 3], i * i, [b"a", b"b"][i % 2]) for i in range(10, 40)
)
PLAIN = {"string": str, "float64": float, "int64": int, "bool": bool}
FRAME = pd.DataFrame({"a": range(20), "b": list("xyzw") * 5, "y": ["n", "m"] * 10})


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("inputs").mkdir()


def good(reader: str, file: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(base(reader)[1][file])
    return content


def of_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A reader of a file as one of its content."""
    path = Path("inputs", name)

    def of_content(content: bytes) -> object:
        path.write_bytes(content)
        return read(path)

    return of_content


def of_mapping(read: Callable[[dict[str, Any]], object]) -> Callable[[Any], object]:
    return lambda values: read(values if isinstance(values, dict) else {})


def test_params() -> None:
    read = of_mapping(lambda values: params_of(values, PARAMS))
    assert fuzzed(read, of_values, [good("params", "params.yaml")], rounds=6000) == {}


def test_texts_of_yaml() -> None:
    def read(content: bytes) -> object:
        return params_of(parse_yaml(content.decode("utf-8", "replace"), PARAMS), PARAMS)

    seeds = [base("params")[1]["params.yaml"][:300] + b"}", b"a: [1, 2]\nb: &x {c: *x}\n? [d]\n: !!set {e}\n"]
    assert fuzzed(read, of_bytes, seeds, rounds=1500) == {}


def test_the_textbook(monkeypatch: pytest.MonkeyPatch) -> None:
    values: dict[str, Any] = good("topic", "textbook/textbook.yaml")
    for module in (textbook, textbook_map):
        monkeypatch.setattr(module, "read_yaml", lambda _: values)
    shared = textbook.load_textbook(TEXTBOOK)

    def of_values_of(load: Callable[[], object]) -> Callable[[Any], object]:
        def read(mutated: dict[str, Any]) -> object:
            nonlocal values
            values = mutated
            return load()

        return of_mapping(read)

    def topic() -> None:
        path = topic_file("dropout")
        require_known_names(textbook.load_topic(path, shared), shared.datasets, str(path))

    share = of_values_of(lambda: textbook.load_textbook(TEXTBOOK))
    assert fuzzed(share, of_values, [good("topic", "textbook/textbook.yaml")], rounds=2000) == {}
    assert fuzzed(of_values_of(topic), of_values, [good("topic", "textbook/dropout.yaml")], rounds=5000) == {}
    of_map = of_values_of(lambda: textbook_map.load_map(MAP))
    assert fuzzed(of_map, of_values, [good("map", "textbook/map.yaml")], rounds=2000) == {}


def test_tables() -> None:
    read = of_file("t.csv", lambda path: read_file(path, OPTIONS))
    assert fuzzed(read, of_bytes, TABLES, rounds=1500) == {}


def test_predictions() -> None:
    def read(path: Path) -> object:
        table = read_table(path, Reading(), target="y")
        return read_predicted(table, Wanted(None, None, None), target="y", percent=False)

    assert fuzzed(of_file("p.csv", read), of_bytes, PREDICTIONS, rounds=1500) == {}


def test_options_of_a_table() -> None:
    Path("inputs/t.csv").write_bytes(PEOPLE)
    option = {
        **{"kind": "file", "path": "inputs/t.csv", "target": "y", "train": 6, "validation": 5, "missing": "impute"},
        **{"rare": "drop", "categorical": ["city"], "dates": {"day": "%Y-%m-%d"}, "cyclical": ["day"]},
        **{"na_values": ["x"], "ignore": [], "max_categories": 5, "encoding": "utf-8", "separator": ",", "header": 1},
        "expects": {"dates": ["day"], "numbers": ["n"], "categories": ["city"], "classes": ["a", "b"]},
    }

    def read(values: Any) -> object:
        return validate(File, values, PARAMS, "datasets.mine").load("mine", seeds=2)

    assert fuzzed(read, of_values, [option], rounds=1500) == {}


def packed(kind: str) -> bytes:
    stream = io.BytesIO()
    match kind:
        case "t.npz":
            np.savez(stream, X=np.arange(40.0).reshape(20, 2), y=np.arange(20) % 2)
        case "t.parquet":
            FRAME.to_parquet(stream)
        case "t.xlsx":
            FRAME.to_excel(stream, index=False)
        case "t.zip":
            with zipfile.ZipFile(stream, "w") as archive:
                archive.writestr("t.csv", TABLES[0])
        case _:
            return gzip.compress(TABLES[0], mtime=0)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["t.npz", "t.parquet", "t.xlsx", "t.zip", "t.csv.gz"])
def test_packed_tables(kind: str) -> None:
    read = of_file(kind, lambda path: read_file(path, OPTIONS))
    assert fuzzed(read, of_bytes, [packed(kind)], rounds=100 if kind == "t.xlsx" else 500) == {}


def of_arrays(read: Callable[[Path], object]) -> Callable[[Any], object]:
    """A reader of a file of arrays as one of these; what cannot be stored is none."""

    def of_content(stored: tuple[dict[str, Any], Any]) -> object:
        Path("data").mkdir(exist_ok=True)
        path = Path("data/mine.safetensors")
        try:
            path.write_bytes(encode_arrays(*stored))
        except (TypeError, ValueError):
            return None
        return read(path)

    return of_content


def test_stored_data_sets() -> None:
    Path("inputs/t.csv").write_bytes(PEOPLE)
    mine = File(kind="file", path="inputs/t.csv", target="y", train=6, validation=5, missing="impute")
    sizes = {"features": 2, "classes": 2, "train": 10, "validation": 10, "test": 10}
    task = Mixture(kind="mixture", components=1, separation=2.0, label_noise=0.1, **sizes)
    stored = [to_arrays(source.load("mine", seeds=2)) for source in (mine, task)]
    assert fuzzed(of_arrays(lambda _: seed_data(load_data("mine"), 0)), of_stored, stored, rounds=1000) == {}

    def of_content(content: bytes) -> object:
        Path("data/mine.safetensors").write_bytes(content)
        return load_data("mine")

    assert fuzzed(of_content, of_bytes, [encode_arrays(*each) for each in stored], rounds=500) == {}


def test_stored_models() -> None:
    Path("inputs/t.csv").write_bytes(PEOPLE)
    options = TableOptions(target="y", missing="impute")
    table = read_table(Path("inputs/t.csv"), options, target="y")
    pool, rows = to_pool(table, options), np.arange(30)
    beside = read_baselines(
        {
            "linear": {"estimator": "LogisticRegressionCV", "Cs": 2, "cv": 2},
            "trees": {"estimator": "HistGradientBoostingClassifier", "max_iter": 2},
        },
        PARAMS,
    )
    recipes = [EstimatorRecipe(name, name, partial(make, row)) for name, row in beside.items()]
    library = fit_library(
        [], recipes, pool, folds_of(pool, rows, folds=2), scale="standard", jobs=1, tick=lambda epochs: None
    )
    conformal = fit_conformal(library.cross_fitted(size=3), library.labels)
    stored = of_model(Model(library.blend(size=9).champion, schema_of(pool), pool.classes, conformal))

    def read(path: Path) -> None:
        model = from_arrays(*read_arrays(path), name="mine")
        unread(table, model.schema)
        model.sets(model.champion.probabilities(encode(table, model.schema)), coverage=0.9, method="aps")

    assert fuzzed(of_arrays(read), of_stored, [stored], rounds=1000) == {}


@pytest.mark.parametrize(
    ("table", "file"),
    [(ChampionResults, "champion.json"), (Summary, "../summary.json")],
)
def test_finished_tables(table: type[ChampionResults | Summary], file: str) -> None:
    content = json.loads((FINISHED / "mixture" / file).read_bytes())
    read = of_file("t.json", lambda path: read_record(table, path))
    assert fuzzed(read, of_json, [json.dumps(content).encode()], rounds=250) == {}


def test_metrics_of_points() -> None:
    table = Path("reports/points.parquet")
    write_metrics(table, [on_test(point) for point in read_study(FINISHED / "mixture/results.json").points[:2]])
    content, (cells,) = table.read_bytes(), read_parquet(table, COLUMNS)
    assert fuzzed(of_file("points.parquet", read_metrics), of_bytes, [content], rounds=1000) == {}

    def read(mutated: Cells) -> object:
        try:
            write_parquet(table, COLUMNS, mutated)
        except (OverflowError, UnicodeEncodeError):
            return None
        return read_metrics(table)

    assert fuzzed(read, of_cells, [cells], rounds=400) == {}
    summary = json.loads((FINISHED / "mixture/results.json").read_bytes())
    summary["points"] = summary["points"][:2]
    Path("inputs/points.parquet").write_bytes(content)
    assert fuzzed(of_file("t.json", read_study), of_json, [json.dumps(summary).encode()], rounds=250) == {}


def of_cells(cells: Cells, rng: random.Random) -> Cells:
    """Other cells of the same types, up to three of them."""
    mutated = {name: [*column] for name, column in cells.items()}
    for _ in range(rng.choice((1, 1, 2, 3))):
        name, column = rng.choice([*mutated.items()])
        kind, optional = COLUMNS[name]
        types = (PLAIN[kind], type(None)) if optional else (PLAIN[kind],)
        column[rng.randrange(len(column))] = rng.choice([each for each in (*HOSTILE, *column) if type(each) in types])
    return mutated


def on_test(point: PointResult) -> PointResult:
    """A point with its metrics on test rows alone."""
    measured = {"metrics": point.metrics, "against_reference": point.against_reference}
    kept = {field: {name: of[name] for name in of if name.split == "test"} for field, of in measured.items()}
    return point.model_copy(update=kept)


def test_tables_of_trials() -> None:
    search = read_record(SearchResults, FINISHED / "mixture/search.json")
    rungs = search.search.pruner.rungs(search.results.points[0].parameters.epochs)
    lines = (FINISHED / "mixture/trials.csv").read_bytes().splitlines(keepends=True)[:6]
    read = of_file("t.csv", lambda path: read_trials(path, search.search, rungs=rungs))
    assert fuzzed(read, of_bytes, [b"".join(lines)], rounds=500) == {}
