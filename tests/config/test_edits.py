"""Values are written into a YAML file, and every other byte stays as it is."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.edits import with_value
from pipeline.config.reading import LARGEST_INTEGER, parse_yaml
from pipeline.core.errors import InputError

PATH = Path("params.yaml")
ENTRY = {"kind": "file", "path": "inputs/a.csv", "ignore": ["id", "a: b"], "dates": {"joined": "%d/%m/%Y"}}
LINES = '  a:\n    kind: file\n    path: inputs/a.csv\n    ignore: [id, "a: b"]\n    dates: {joined: "%d/%m/%Y"}\n'


LAST = LINES.rstrip()
DEEPER = LINES.replace("    ", "      ").replace("  a:", "    a:")
WHERE = {
    "comment": ("# x\nb:\n  b: {n: 1} # mine\n\n# y\nz: 1\n", f"# x\nb:\n  b: {{n: 1}} # mine\n{LINES}\n# y\nz: 1\n"),
    "block": ("b:\n  b:\n    n: 1\n# y\nz: 1\n", f"b:\n  b:\n    n: 1\n{LINES}# y\nz: 1\n"),
    "no line end": ("b:\n  b: 1", f"b:\n  b: 1\n{LINES}"),
    "literal": ("b:\n  b: |\n    text\n\n\nz: 1\n", f"b:\n  b: |\n    text\n{LINES}\n\nz: 1\n"),
    "replaced": ("b:\n  a: {n: 1} # mine\n  c: 2\n", f"b:\n{LAST} # mine\n  c: 2\n"),
    "block replaced": ("b:\n  a:\n    n: 1 # 1\n    # 2\n  c: 2\n", f"b:\n{LAST} # 1\n    # 2\n  c: 2\n"),
    "deeper": ("b:\n    b: 1\n", f"b:\n    b: 1\n{DEEPER}"),
}


@pytest.mark.parametrize(("before", "after"), WHERE.values(), ids=WHERE.keys())
def test_an_entry_is_written_in(before: str, after: str) -> None:
    assert with_value(before, ["b", "a"], ENTRY, PATH) == after
    assert with_value(after, ["b", "a"], ENTRY, PATH) == after
    windows = before.replace("\n", "\r\n")
    assert with_value(windows, ["b", "a"], ENTRY, PATH) == after.replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("study: {seeds: 3, datasets: [a]} # c\n", "study: {seeds: 3, datasets: [x]} # c\n"),
        ("study: {seeds: 3} # c\n", "study: {seeds: 3, datasets: [x]} # c\n"),
        ("study: {seeds: 3,}\n", "study: {seeds: 3, datasets: [x],}\n"),
        ("study: {}\n", "study: {datasets: [x]}\n"),
        ("study:\n  datasets: [a, b] # c\n  seeds: 3\n", "study:\n  datasets: [x] # c\n  seeds: 3\n"),
        ("study:\n  datasets:\n    - a # c\n    - b # d\n  seeds: 3\n", "study:\n  datasets: [x] # d\n  seeds: 3\n"),
        ("\ufeffstudy:\n  seeds: 3\n", "\ufeffstudy:\n  seeds: 3\n  datasets: [x]\n"),
    ],
)
def test_a_value_is_written_in(before: str, after: str) -> None:
    assert with_value(before, ["study", "datasets"], ["x"], PATH) == after


@pytest.mark.parametrize("text", ["a: &x {n: 1}\nstudy: *x\n", "base: &b {n: 1}\nstudy:\n  <<: *b\n"])
def test_what_would_change_something_else_is_left_to_the_user(text: str) -> None:
    message = "params.yaml: study.n: cannot be written in by itself; add this by hand: n: 2"
    with pytest.raises(InputError, match=f"^{message}$"):
        with_value(text, ["study", "n"], 2, PATH)


def test_a_section_must_be_there() -> None:
    with pytest.raises(InputError, match=r"params\.yaml: study: must be a mapping"):
        with_value("a: 1\n", ["study", "seeds"], 2, PATH)


@given(
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.one_of(
        st.integers(-LARGEST_INTEGER, LARGEST_INTEGER),
        st.floats(allow_nan=False, allow_infinity=False),
        st.booleans(),
        st.text(st.characters(codec="utf-8")),
    ),
)
def test_any_text_is_written_so_that_it_is_read_again(key: str, value: object) -> None:
    written = with_value("datasets:\n  b: 1\n", ["datasets", "a"], {"ignore": [key], "x": value}, PATH)
    assert parse_yaml(written, PATH) == {"datasets": {"b": 1, "a": {"ignore": [key], "x": value}}}
