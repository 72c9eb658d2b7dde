"""Calibrators as text: the table of points and calibrators, and how many verdicts survive."""

from pathlib import Path

import pytest

from pipeline.reporting.text import calibrators as text
from pipeline.reporting.text.numbers import short
from pipeline.results.calibrators import CalibratorResult, CalibratorResults
from pipeline.results.readable_names import readable
from pipeline.results.record import read_record
from pipeline.results.study_files import read_study

ROOT = Path(__file__).parents[2]
COMMITTED = {
    name: read_record(CalibratorResults, ROOT / f"reports/{name}/calibrators.json") for name in ("mixture", "digits")
}

STUDIES = {name: read_study(ROOT / f"reports/{name}/results.json") for name in COMMITTED}


@pytest.fixture(params=list(COMMITTED))
def made(request: pytest.FixtureRequest) -> CalibratorResults:
    return COMMITTED[request.param]


def found(name: str, **findings: str) -> CalibratorResult:
    """A calibrator after which this is found of points, whose differences are those of a real one."""
    entry = next(iter(COMMITTED["digits"].usual.against_reference.values()))
    entries = {
        key: entry.model_copy(update={"verdict": verdict, "equivalent": False, "p_holm": 0.0})
        for key, verdict in findings.items()
    }
    return CalibratorResult(name=name, nll={"none": 0.5, **dict.fromkeys(findings, 0.25)}, against_reference=entries)


def table(*others: CalibratorResult, **findings: str) -> CalibratorResults:
    usual = found("temperature scaling", **findings)
    return CalibratorResults(seeds=30, confidence=0.95, counted=tuple(findings), usual=usual, others=others)


def test_survivors_are_counted_and_what_turns_round_is_named() -> None:
    usual = {"dropout=0.5": "better", "l2=1": "worse", "mixup=1": "no evidence"}
    made = table(
        found("vector scaling", **{**usual, "mixup=1": "worse"}),
        found("Venn-Abers", **{**usual, "dropout=0.5": "worse"}),
        **usual,
    )
    assert text.sentences(made) == [
        "Of 3 verdicts after temperature scaling, 2 survive vector scaling, 2 Venn-Abers.",
        "Of the 2 that are “better” or “worse”, 2 survive vector scaling, 1 Venn-Abers; from one to the other turn "
        "dropout 0.5 (Venn-Abers).",
        "Mean test NLL of no regularization after each: temperature scaling .500, vector scaling .500, Venn-Abers "
        ".500.",
    ]


def test_nothing_is_said_where_nothing_is_compared() -> None:
    assert text.sentences(table(found("Venn-Abers"))) == []


def test_where_nothing_is_decided_there_are_two_sentences() -> None:
    usual = {"l2=1": "no evidence"}
    assert len(text.sentences(table(found("Venn-Abers", **usual), **usual))) == 2


def test_every_point_but_none_is_a_row_with_its_findings(made: CalibratorResults) -> None:
    study = STUDIES["digits"]
    shown = text.page_table(study, made)
    keys = [point.key for point in study.points if point.key != study.reference.key]
    columns = [column.key for column in shown.columns]
    assert [row[0].text for row in shown.rows] == [readable(key) for key in keys]
    for key, row in zip(keys, shown.rows, strict=True):
        cells = dict(zip(columns, (cell.text for cell in row), strict=True))
        for each in (made.usual, *made.others):
            entry = each.against_reference[key]
            assert cells[f"{each.name}/difference"] == short(entry.difference, sign=True)
            verdict = cells[f"{each.name}/verdict"]
            assert verdict.removesuffix(" ≠").removesuffix("†") == entry.finding
            assert verdict.endswith("≠") == (entry.finding != made.usual.findings[key])


def test_the_terminal_shows_what_calibrators_disagree_on(made: CalibratorResults) -> None:
    printed = text.render("digits", made)
    assert max(map(len, printed.splitlines())) <= 120
    head = printed.split("\n\n")[0]
    assert head.count("≠") == sum(len(made.changed(other)) for other in made.others)
    for said in text.sentences(made):
        assert said in " ".join(printed.split())
    assert "\x1b[1;3" in text.render("digits", made, color=True)


def test_where_calibrators_agree_there_are_sentences_alone() -> None:
    usual = {"l2=1": "worse"}
    printed = text.render("digits", table(found("Venn-Abers", **usual), **usual))
    assert printed.startswith(f"{text.title('digits')}\nOf 1 verdicts")
    assert "≠" not in printed


def test_where_nothing_is_compared_there_is_nothing() -> None:
    assert text.render("digits", None) == text.render("digits", table(found("Venn-Abers"))) == ""
