"""The card of a model says all that its readers need, and nothing that the tables do not."""

from __future__ import annotations

from pathlib import Path

from champion_results import DIGITS

from pipeline.data.schema import ColumnSummary, Finding, TableNotes
from pipeline.reporting.text.model_card import card
from pipeline.reporting.text.numbers import fixed, interval
from pipeline.results.study import StudyResults
from pipeline.results.study_files import read_study
from pipeline.tracking.versions import DESCRIPTION_LIMIT

ROOT = Path(__file__).parents[2]
STUDY = read_study(ROOT / "reports/digits/results.json")
NAME = "regularization-lab-digits"


def text(study: StudyResults = STUDY) -> str:
    return card(study, DIGITS, name=NAME, md5="0123abcd")


def test_sections_come_in_order() -> None:
    heads = [line for line in text().splitlines() if line.startswith("#")]
    sections = ("Data", "Protocol", "Parts", "Metrics", "Calibration", "Limits", "How to use it and to make it again")
    assert heads == ["# Model of digits", *(f"## {section}" for section in sections)]


def test_numbers_are_those_of_the_tables() -> None:
    said = text()
    for part in DIGITS.parts:
        if part.share:
            assert f"| {part.kind} | {part.share:.0%} | {fixed(part.held_out)} |" in said
    for mean in (DIGITS.champion.nll, DIGITS.champion.brier, DIGITS.champion.accuracy):
        assert f"| {interval(mean.mean, mean)} |" in said
    event = DIGITS.calibration.event
    assert f"calibration error of the top label is {fixed(event.error)}" in said
    assert f"would show {fixed(event.floor)} by chance" in said
    assert f"{DIGITS.train:,} rows in {DIGITS.folds} folds" in said
    assert STUDY.dataset.md5 in said
    assert "0123abcd" in said


def test_commands_name_the_model() -> None:
    said = text()
    assert f"python -m pipeline predict models:/{NAME}@champion new.csv" in said
    assert f"mlflow models serve -m models:/{NAME}@champion" in said
    assert "dvc repro champion@digits" in said


def test_it_fits_into_a_description() -> None:
    assert len(text()) < DESCRIPTION_LIMIT


def test_what_was_noticed_of_a_table_is_told() -> None:
    column = ColumnSummary(name="age", role="feature", kind="number", missing=3, distinct=9, example="4")
    finding = Finding(severity="warning", topic="missing", column="age", message="column 'age' lacks 3 values")
    notes = TableNotes(summaries=(column,), findings=(finding,))
    study = STUDY.model_copy(update={"dataset": STUDY.dataset.model_copy(update={"table": notes})})
    assert "- column 'age' lacks 3 values" in text(study)
    assert "column 'age'" not in text()
