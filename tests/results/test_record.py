"""Finished tables are read and written again byte by byte; what does not fit is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from pipeline.core.errors import InputError
from pipeline.results.record import Record, read_record, write_record
from pipeline.results.search import SearchResults
from pipeline.results.study_files import StudySummary
from pipeline.results.summary import Summary
from pipeline.results.textbook import TextbookResults

REPORTS = Path(__file__).parents[2] / "reports"
TABLES: dict[str, type[BaseModel]] = {
    "mixture/results.json": StudySummary,
    "digits/results.json": StudySummary,
    "mixture/search.json": SearchResults,
    "digits/search.json": SearchResults,
    "claims.json": TextbookResults,
    "summary.json": Summary,
}
TARGET = Path("reports/again.json")


@pytest.mark.parametrize("name", TABLES)
def test_a_published_table_is_written_again_with_the_same_bytes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = read_record(TABLES[name], REPORTS / name)
    monkeypatch.chdir(tmp_path)
    write_record(TARGET, table)
    assert TARGET.read_bytes() == (REPORTS / name).read_bytes()


def test_the_first_key_that_does_not_fit_is_named(tmp_path: Path) -> None:
    class Inner(Record):
        share: float

    class Outer(Record):
        rows: tuple[Inner, ...]

    path = tmp_path / "table.json"
    path.write_text(json.dumps({"rows": [{"share": 0.5}, {"share": "half"}]}))
    with pytest.raises(InputError, match=r"rows\.1\.share: .*valid number"):
        read_record(Outer, path)
    path.write_text(json.dumps({"rows": []}))
    assert read_record(Outer, path) == Outer(rows=())
    with pytest.raises(InputError, match="no such file"):
        read_record(Outer, tmp_path / "other.json")
