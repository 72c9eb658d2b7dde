"""A text that is parsed once is to be read as if it were parsed each time."""

from io import TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from parsed_texts import remembering
from project import PIPELINES, ROOT
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

parse = YAML.load.__wrapped__  # the library's own: all tests run with one that remembers


@pytest.fixture
def parses(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is parsed in truth."""
    seen: list[Any] = []
    monkeypatch.setattr(YAML, "load", remembering(lambda yaml, stream: (seen.append(stream), parse(yaml, stream))[1]))
    return seen


@pytest.mark.parametrize("path", ["params.yaml", *PIPELINES])
def test_values_are_those_of_the_library(path: str) -> None:
    text = (ROOT / path).read_text()
    for _ in range(2):
        assert repr(YAML(typ="safe", pure=True).load(text)) == repr(parse(YAML(typ="safe", pure=True), text))


def test_changes_of_what_was_given_reach_nobody_else(parses: list[Any]) -> None:
    for _ in range(2):
        values = YAML(typ="safe", pure=True).load("a: {b: [1]}")
        assert values == {"a": {"b": [1]}}
        values["a"]["b"].append(2)
    assert len(parses) == 1


def test_a_mistake_is_found_each_time(parses: list[Any]) -> None:
    for _ in range(2):
        with pytest.raises(YAMLError):
            YAML(typ="safe", pure=True).load("a: [")
    assert len(parses) == 2


def test_only_texts_of_plain_values_are_remembered(parses: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    for text in ("a: 1", "a: 2"):
        path.write_text(text)
        with path.open() as file:
            assert YAML(typ="safe").load(file) == YAML().load(text) == parse(YAML(typ="safe"), text)
    assert [type(stream) for stream in parses] == 2 * [TextIOWrapper, str]
