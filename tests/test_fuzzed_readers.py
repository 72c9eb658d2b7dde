"""Every reader under thousands of mutations: it takes what it reads, or refuses it in one short line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from corpus_cases import base
from mutations import fuzzed, of_bytes, of_json, of_values

from pipeline.config.params import params_of
from pipeline.config.reading import parse_yaml
from pipeline.config.textbook import load_topic
from pipeline.config.textbook_map import load_map
from pipeline.core.files import encode_arrays, read_arrays
from pipeline.core.paths import MAP, PARAMS, topic_file
from pipeline.data.options import TableOptions
from pipeline.data.sources import Mixture
from pipeline.data.storage import to_arrays
from pipeline.data.tables.load import read_file
from pipeline.data.tables.predicted import read_predicted
from pipeline.data.tables.probability_columns import Wanted
from pipeline.data.tables.reading import read_table
from pipeline.results.record import read_record
from pipeline.stages.stored_dataset import load_data
from pipeline.textbook.known_names import require_known_names

pytestmark = pytest.mark.slow
TABLES = Path(__file__).parent / "corpus/tables"
FINISHED = Path(__file__).parents[1] / "reports"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("data", "textbook", "results"):
        Path(name).mkdir()


def good(reader: str, file: str) -> Any:
    return json.loads(base(reader)[1][file])


def as_file(path: Path, read: Callable[[], object]) -> Callable[[bytes], object]:
    """A reader of a file as one of its content."""

    def of_content(content: bytes) -> object:
        path.write_bytes(content)
        return read()

    return of_content


def test_params() -> None:
    raw = good("params", "params.yaml")
    assert fuzzed(lambda values: params_of(_mapping(values), PARAMS), of_values, [raw], rounds=6000) == {}


def _mapping(values: Any) -> dict[str, Any]:
    return values if isinstance(values, dict) else {}


def test_params_as_text() -> None:
    text = base("params")[1]["params.yaml"]

    def read(content: bytes) -> object:
        return params_of(parse_yaml(content.decode("utf-8", "replace"), PARAMS), PARAMS)

    assert fuzzed(read, of_bytes, [text[:300] + b"}", b"a: [1, 2]\nb: &x {c: *x}\n"], rounds=2000) == {}
