"""Tables: one model, three renderings, and the numbers in them."""

import pytest

from pipeline.reporting.table import Cell, Column, Heading, Table, markdown, screen_width, terminal
from pipeline.reporting.text.numbers import fixed, interval, short, short_interval
from pipeline.results.study import MetricSummary

COLUMNS = (
    Column("name", "point", kind="text"),
    Column("nll", "NLL", "as trained"),
    Column("verdict", "verdict", "as trained", kind="label"),
    Column("nll_calibrated", "NLL", "after scaling", alone="NLL TS"),
)
TABLE = Table(
    "made",
    COLUMNS,
    (
        (Cell("a | b", target="a"), Cell(".500"), Cell("better†", "good"), Cell(".250")),
        (Cell("[bold]c[/bold]"), Cell("1.500"), Cell("worse", "bad"), Cell("")),
    ),
    caption="what it shows",
    notes=("[1] a note",),
)


def test_columns_can_be_chosen_and_set_beside_each_other() -> None:
    chosen = TABLE.only("verdict", "name")
    assert [column.key for column in chosen.columns] == ["verdict", "name"]
    assert [[cell.text for cell in row] for row in chosen.rows] == [["better†", "a | b"], ["worse", "[bold]c[/bold]"]]
    assert (chosen.caption, chosen.notes) == (TABLE.caption, TABLE.notes)
    both = TABLE.only("name").beside(TABLE.only("nll_calibrated"))
    assert [column.key for column in both.columns] == ["name", "nll_calibrated"]
    with pytest.raises(ValueError, match="nothing"):
        TABLE.only("nothing")


def test_groups_stand_above_their_columns() -> None:
    top, below = TABLE.headings
    assert top == (Heading("point", 1, 2, "text"), Heading("as trained", 2, 1), Heading("after scaling", 1, 1))
    assert [heading.title for heading in below] == ["NLL", "verdict", "NLL"]
    (line,) = TABLE.only("name").headings
    assert line == (Heading("point", 1, 1, "text"),)


def test_markdown_escapes_and_makes_bad_bold() -> None:
    assert markdown(TABLE).splitlines() == [
        "| point | NLL | verdict | NLL TS |",
        "| --- | ---: | --- | ---: |",
        "| a \\| b | .500 | better† | .250 |",
        "| [bold]c[/bold] | 1.500 | **worse** |  |",
    ]


def test_a_terminal_aligns_wraps_and_takes_nothing_for_markup() -> None:
    lines = terminal(TABLE, width=40).splitlines()
    assert lines[0].split() == ["point", "NLL", "verdict", "NLL", "TS"]
    assert lines[2].startswith("[bold]c[/bold] 1.500 worse")
    assert lines[-1] == "[1] a note"
    assert max(map(len, lines)) <= 40
    colored = terminal(TABLE, color=True)
    assert "\x1b[1;32mbetter†" in colored
    assert "\x1b[1;31mworse" in colored


def test_titles_are_stacked_before_columns_are_left_out_and_columns_before_words_are_cut() -> None:
    roomy, tight, narrow = (terminal(TABLE, width=width, optional=("verdict",)) for width in (60, 34, 26))
    assert roomy.splitlines()[0].split() == ["point", "NLL", "verdict", "NLL", "TS"]
    assert [line.split() for line in tight.splitlines()[:2]] == [["NLL"], ["point", "NLL", "verdict", "TS"]]
    assert "No room" not in tight
    assert [line.split() for line in narrow.splitlines()[:2]] == [["NLL"], ["point", "NLL", "TS"]]
    assert "No room for verdict: a" in narrow
    assert "COLUMNS=34" in narrow.replace("\n", " ")
    assert max(map(len, narrow.splitlines())) <= 26


def test_notes_may_be_left_out() -> None:
    assert "[1] a note" in terminal(TABLE)
    assert "[1] a note" not in terminal(TABLE, notes=False)


@pytest.mark.parametrize(("columns", "width"), [("60", 60), ("7", 40), ("", 120)])
def test_the_width_is_what_columns_says(columns: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert screen_width() == width


def test_numbers_have_signs_as_they_are_printed() -> None:
    assert [fixed(value, sign=True) for value in (-1.25, 0.0, -0.0004, 2.0)] == ["−1.250", "0.000", "0.000", "+2.000"]
    assert [short(value) for value in (-0.25, 0.0, 9.9996, 123.456, None)] == ["−.250", ".000", "10.000", "123", "-"]


def test_an_interval_that_is_not_known_is_left_out() -> None:
    known, unknown = MetricSummary(mean=0.5, low=-0.25, high=1.0), MetricSummary(mean=0.5, low=None, high=None)
    assert interval(0.5, known, sign=True) == "+0.500 [−0.250, +1.000]"
    assert interval(0.5, unknown, digits=1) == "0.5"
    assert short_interval(0.5, known, digits=2) == ".50 [−.25,1.00]"
    assert short_interval(0.5, unknown, digits=2) == ".50 [-,-]"
