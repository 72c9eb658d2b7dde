"""The kinds of tables that people have, one made-up file each: what is said of it, and what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import InputError
from pipeline.data.options import TableOptions
from pipeline.data.preprocessor import fit_preprocessor
from pipeline.data.schema import Understood
from pipeline.data.tables.load import read_file
from pipeline.data.tables.reading import read_table
from pipeline.data.tables.understanding import proposed_options, understand

CORPUS = Path(__file__).parents[1] / "corpus/tables"
PLAIN = {"a": [1, 3, 5], "b": [2.5, 4, 6]}
NAN = np.nan


@dataclass(frozen=True)
class Kind:
    """A file, the options it is read with, and what comes of it."""

    file: str
    options: Mapping[str, object] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()  # of the file
    said: Mapping[str, str] = field(default_factory=dict)  # kind and remark of columns
    warnings: tuple[str, ...] = ()
    features: Mapping[str, list[float]] = field(default_factory=dict)
    classes: tuple[str, ...] = ("no", "yes")


KINDS = [
    Kind("commas.csv", features=PLAIN),
    Kind(
        "semicolons.csv",
        remarks=("fields separated by semicolons",),
        said={"a": "number: decimal commas"},
        features={"a": [1.5, 3, 5.25], "b": [2.25, 4.5, 6]},
    ),
    Kind("tabs.tsv", remarks=("fields separated by tabs",), features=PLAIN),
    Kind("bars.csv", remarks=("fields separated by bars",), features=PLAIN),
    Kind("blanks_between.txt", remarks=("fields separated by blanks",), features=PLAIN),
    Kind("stated_separator.csv", remarks=("fields separated by semicolons",), features=PLAIN),
    Kind(
        "grouped.csv",
        said={
            "price": "number: thousands separated by commas; $ in front left out",
            "people": "number: thousands separated by commas",
        },
        features={"price": [84835, 1000.5, 12], "people": [239554, 1000, 12345]},
    ),
    Kind(
        "german.csv",
        remarks=("fields separated by semicolons",),
        said={"people": "number: decimal commas; thousands separated by points", "share": "number: decimal commas"},
        features={"people": [1234, 12345, 999], "share": [0.5, 0.25, 1]},
        classes=("ja", "nein"),
    ),
    Kind(
        "grouped_or_decimal.csv",
        {"decimal": ","},
        remarks=("fields separated by semicolons",),
        said={"price": "number: decimal commas"},
        features={"price": [1.234, 2.5]},
    ),
    Kind(
        "grouped_or_decimal.csv",
        {"thousands": ","},
        remarks=("fields separated by semicolons",),
        said={"price": "number: thousands separated by commas"},
        features={"price": [1234, 2500]},
    ),
    Kind(
        "utf16.csv",
        remarks=("encoding utf-16",),
        said={"name": "category"},
        features={"name=José": [1, 0], "name=Zoë": [0, 1], "a": [1, 2]},
    ),
    Kind("byte_order_mark.csv", features=PLAIN),
    Kind(
        "cp1252.csv",
        remarks=("fields separated by semicolons", "encoding cp1252, the likeliest: `encoding` names another"),
        said={"prix": "number: decimal commas; unit '€' left out"},
        features={"ville=Château-d'Œx": [0, 1, 0], "ville=Orléans": [1, 0, 1], "prix": [1.5, 2.5, 4]},
        classes=("non", "oui"),
    ),
    Kind("carriage_returns.csv", features=PLAIN),
    Kind("windows_lines.csv", features=PLAIN),
    Kind("packed.csv.gz", features=PLAIN),
    Kind("packed.zip", features=PLAIN),
    Kind(
        "no_header.csv",
        {"target": "x2"},
        remarks=("no header line: the columns are called x0, ..., x2",),
        features={"x0": [5.1, 4.9, 6.2], "x1": [3.5, 3.0, 2.9]},
        classes=("setosa", "virginica"),
    ),
    Kind(
        "two_header_lines.csv",
        {"target": "default"},
        remarks=("two header lines: names from the second, not 'X1', 'X2', 'Y'",),
        features={"age": [24, 26, 34, 37], "limit": [20000, 120000, 90000, 50000]},
    ),
    Kind(
        "two_header_lines.csv",
        {"target": "Y"},
        remarks=("two header lines: names from the first, not 'age', 'limit', 'default'",),
        features={"X1": [24, 26, 34, 37], "X2": [20000, 120000, 90000, 50000]},
    ),
    Kind("long_header.csv", remarks=("the header line has a separator too many at its end",), features=PLAIN),
    Kind("trailing_separators.csv", remarks=("column 4 has no name and is empty: left out",), features=PLAIN),
    Kind(
        "row_names.csv",
        remarks=(
            "the header line lacks a name for the first column",
            "column 1 has no name and counts 1, 2, 3, ...: left out",
        ),
        features=PLAIN,
    ),
    Kind("row_count.csv", remarks=("column 1 has no name and counts 0, 1, 2, ...: left out",), features=PLAIN),
    Kind(
        "nameless_names.csv",
        remarks=("column 1 has no name: called 'unnamed 1'",),
        features={"unnamed 1=Fiat": [0, 1, 0], "unnamed 1=Mazda": [1, 0, 1], "a": [1, 3, 5]},
    ),
    Kind("padded_names.csv", remarks=("blanks around column names left out: 'a ', 'b '",), features=PLAIN),
    Kind(
        "equal_names.csv",
        remarks=("2 columns are called 'a': the last is now 'a (2)'",),
        features={"a": [1, 3, 5], "a (2)": [2.5, 4, 6]},
    ),
    Kind("percent.csv", said={"rate": "number: percent signs left out"}, features={"rate": [12, 7.5, 100]}),
    Kind("units.csv", said={"term": "number: unit 'month' left out"}, features={"term": [36, 60, 1]}),
    Kind(
        "less_than_a_year.csv",
        {"categorical": ["job"]},
        said={"job": "category"},
        features={
            "job=1 year": [0, 0, 0, 1],
            "job=2 years": [1, 0, 0, 0],
            "job=3 years": [0, 0, 1, 0],
            "job=< 1 year": [0, 1, 0, 0],
        },
    ),
    Kind(
        "question_mark.csv",
        {"na_values": ["?"], "missing": "impute"},
        said={"n": "number: blanks around '\\t?' left out; '?' read as missing"},
        features={"n": [1, NAN, 3, 2], "n is missing": [0, 1, 0, 0]},
    ),
    Kind(
        "not_available.csv",
        {"missing": "impute"},
        said={"n": "number: 'NA' read as missing", "c": "category"},
        warnings=("column 'c' takes 'NA' for a category (1 row); `na_values: [NA]` makes it missing",),
        features={"n": [1, NAN, 3], "n is missing": [0, 1, 0], "c=NA": [0, 1, 0], "c=blue": [0, 0, 1]},
    ),
    Kind(
        "not_available.csv",
        {"missing": "impute", "na_values": ["NA"]},
        said={"c": "category: 'NA' read as missing"},
        features={"c=blue": [0, 0, 1], "c=red": [1, 0, 0], "c is missing": [0, 1, 0]},
    ),
    Kind(
        "blanks.csv",
        said={"c": "category: blanks around 'red ' left out", "y": "yes-no: blanks around 'yes ' left out"},
        features={"n": [1, 2, 3], "c=blue": [0, 0, 1], "c=red": [1, 1, 0]},
    ),
    Kind(
        "leading_zeros.csv",
        said={"code": "category: zeros in front: codes, not numbers"},
        features={"code=007": [1, 0, 1], "code=042": [0, 1, 0]},
        classes=("01", "1"),
    ),
    Kind(
        "class_none.csv",
        warnings=(
            "target column 'y' takes 'NA', 'None' for a class (3 rows); "
            "`na_values: [NA, None], unlabeled: drop` makes it missing",
        ),
        features={"n": [1, 2, 3]},
        classes=("NA", "None"),
    ),
    Kind("whole_floats.csv", said={"y": "category: '1.0', '2.0', '1' are 2 names"}, classes=("1", "2")),
    Kind(
        "booleans.csv",
        said={
            "flag": "yes-no: 'TRUE', 'false', 'True' are 2 names",
            "smokes": "yes-no: 'Yes', 'no', 'yes' are 2 names",
        },
        features={"flag=False": [0, 1, 0], "flag=True": [1, 0, 1], "smokes=no": [0, 1, 0], "smokes=yes": [1, 0, 1]},
        classes=("False", "True"),
    ),
    Kind(
        "letter_case.csv",
        warnings=("column 'c' holds names that differ in capital letters only: 'Red', 'red'",),
        features={"c=Red": [1, 0, 0], "c=blue": [0, 0, 1], "c=red": [0, 1, 0]},
    ),
    Kind("dates.csv", said={"when": "date: days since 2020-01-31"}, features={"when (days)": [0, 1.5, 10]}),
    Kind(
        "dates_day_first.csv",
        said={"when": "date: days since 2020-01-31, written %d/%m/%Y"},
        features={"when (days)": [0, 1, 10]},
    ),
    Kind(
        "dates_month_first.csv",
        said={"when": "date: days since 2020-01-31, written %m/%d/%Y"},
        features={"when (days)": [0, 1, 10]},
    ),
    Kind(
        "dates_by_point.csv",
        said={
            "when": "date: days since 2020-01-31, written %d.%m.%y; 69 to 99 are years from 1969, 00 to 68 from 2000"
        },
        features={"when (days)": [0, 1, 10]},
    ),
    Kind(
        "dates_in_order.csv",
        warnings=(
            "rows are in the order of column 'when'; `time: when` trains on earlier rows and tests on later ones, "
            "as when the future is to be predicted",
        ),
        features={"when (days)": [3 * i for i in range(24)]},
    ),
    Kind("dates_in_order.csv", {"time": "when", "ignore": ["when"]}, features={"n": [i * i % 7 for i in range(24)]}),
    Kind(
        "dates_month_names.csv",
        said={"when": "date: days since 2020-01-31, written %d-%b-%Y"},
        features={"when (days)": [0, 1, 10]},
    ),
    Kind("dates_ambiguous.csv", {"dates": {"when": "%m/%d/%Y"}}, features={"when (days)": [0, 62, 126]}),
    Kind("dates_ambiguous.csv", {"dates": {"when": "%d/%m/%Y"}}, features={"when (days)": [0, 62, 155]}),
    Kind(
        "dates_month_names.csv",
        {"cyclical": ["when"]},
        features={"when (days)": [0, 1, 10], "when (sine of week)": list(np.sin(2 * np.pi * np.array([1, 2, 4]) / 7))},
    ),
    Kind(
        "free_text.csv",
        {"ignore": ["review"]},
        said={"review": "text"},
        features={"a": [i % 7 for i in range(60)]},
    ),
    Kind(
        "identifiers.csv",
        {"ignore": ["id", "key"]},
        said={"id": "identifier", "key": "identifier"},
        features={"a": [i * i % 7 for i in range(60)]},
    ),
    Kind(
        "patients.csv",
        said={"patient_id": "number"},
        warnings=(
            "column 'patient_id' has 20 values in 60 rows, as an identifier of patients or customers has; "
            "`group: patient_id` keeps rows of one value on one side of a split, `ignore: [patient_id]` leaves it out",
        ),
        features={"a": [i * i % 7 for i in range(60)], "patient_id": [100 + 7 * (i // 3) for i in range(60)]},
    ),
    Kind("patients.csv", {"group": "patient_id"}, features={"a": [i * i % 7 for i in range(60)]}),
    Kind(
        "row_gaps.csv",
        {"ignore": ["unnamed 1"]},
        remarks=("column 1 has no name: called 'unnamed 1'",),
        said={"unnamed 1": "identifier"},
        features={"a": [i * i % 7 for i in range(24)]},
    ),
    Kind("no_class.csv", {"unlabeled": "drop"}, features={"a": [1, 5]}),
    Kind("codes.csv", said={"code": "number"}, features={"code": [1, 10, 2, 1]}),
    Kind(
        "codes.csv",
        {"categorical": ["code"]},
        said={"code": "category"},
        features={"code=1": [1, 0, 0, 1], "code=2": [0, 0, 1, 0], "code=10": [0, 1, 0, 0]},
    ),
    Kind(
        "missing.csv",
        {"missing": "impute"},
        features={
            "n": [1, NAN, 5],
            "n is missing": [0, 1, 0],
            "c=blue": [0, 1, 0],
            "c=red": [1, 0, 0],
            "c is missing": [0, 0, 1],
        },
    ),
    Kind(
        "minus_999.csv",
        {"na_values": [-999], "missing": "impute"},
        said={"n": "number: '-999' read as missing"},
        features={"n": [1, NAN, 5], "n is missing": [0, 1, 0]},
    ),
    Kind(
        "constant.csv",
        said={"k": "constant"},
        warnings=("column 'k' is always 'x'; `ignore: [k]` leaves it out",),
        features={"a": [1, 2, 3], "k=x": [1, 1, 1]},
    ),
    Kind(
        "types.parquet",
        {"missing": "impute"},
        said={"size": "category: blanks around '10 ' left out", "rate": "number: percent signs left out"},
        features={
            "size=9": [0, 1, 0, 0],
            "size=10": [1, 0, 1, 1],
            "n": [1, NAN, 3, 2**31],
            "when (days)": [0, 1.5, 2, NAN],
            "ok=True": [1, 0, 1, 0],
            "rate": [12, 7, 1, 2],
        },
    ),
]


def named(kind: Kind) -> str:
    return " ".join([kind.file, *(f"{key}={value}" for key, value in kind.options.items())])


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_what_is_said_and_what_is_stored(kind: Kind) -> None:
    pool = read_file(CORPUS / kind.file, TableOptions(**kind.options))
    stored = dict(zip(pool.feature_names, pool.features.T, strict=True))
    for name, values in kind.features.items():
        np.testing.assert_array_equal(stored[name], np.float32(values), err_msg=name)
    assert pool.classes == kind.classes
    said = {each.name: f"{each.kind}: {each.remark}".removesuffix(": ") for each in pool.understood.summaries}
    assert {name: said[name] for name in kind.said} == kind.said
    assert pool.understood.remarks == kind.remarks
    texts = [finding.text for finding in pool.understood.findings]
    assert set(kind.warnings) <= set(texts)
    assert not pool.understood.problems


PROBLEMS = {
    "less_than_a_year.csv": "column 'job', data row 2: '< 1 year' is not a number; "
    '`categorical: [job]` keeps its texts as categories, `na_values: ["< 1 year"]` makes it missing',
    "question_mark.csv": "column 'n', data row 2: '?' is not a number; `na_values: [\"?\"]` makes it missing",
    "typing_error.csv": "column 'n', data row 27: '0x5O' is not a number; `na_values: [\"0x5O\"]` makes it missing",
    "grouped_or_decimal.csv": "column 'price', data row 1: '1,234' may have a decimal comma, or group thousands; "
    '`decimal: ","` or `thousands: ","` says which',
    "dates_ambiguous.csv": "column 'when', data row 1: '01/02/2020' may be one of two dates; "
    '`dates: {when: "%d/%m/%Y"}` or `dates: {when: "%m/%d/%Y"}` says which',
    "dates_one_stray.csv": "column 'when', data row 2: 'last week' is not a date; "
    '`categorical: [when]` keeps its texts as categories, `na_values: ["last week"]` makes it missing',
    "free_text.csv": "column 'review' must have at most 50 categories; got 60 (looks like free text); "
    "`ignore: [review]` leaves it out",
    "identifiers.csv": "column 'key' must have at most 50 categories; got 60 (looks like an identifier); "
    "`ignore: [key]` leaves it out",
    "many_categories.csv": "column 'c' must have at most 50 categories; got 53; `max_categories: 50` "
    "pools the rare ones, `ignore: [c]` leaves it out",
    "no_class.csv": "target column 'y', data row 2: missing value, and every row needs a class; "
    "`unlabeled: drop` leaves their rows out",
    "missing.csv": "column 'n', data row 2: missing value; column 'c', data row 3: missing value; "
    "`missing: impute` allows it",
}


@pytest.mark.parametrize("file", PROBLEMS)
def test_what_cannot_be_used_is_told_with_what_to_type(file: str) -> None:
    with pytest.raises(InputError) as caught:
        read_file(CORPUS / file, TableOptions())
    assert str(caught.value) == f"{CORPUS / file}: {PROBLEMS[file]}"


@pytest.mark.parametrize("file", sorted(PROBLEMS))
def test_what_is_proposed_is_enough(file: str) -> None:
    understood = look(file)
    proposed = proposed_options(understood.problems)
    read_file(CORPUS / file, TableOptions(**{"missing": "impute", **proposed}))


def look(file: str, **options: object) -> Understood:
    """What is understood of a file, with its problems."""
    asked = TableOptions(**options)
    return understand(read_table(CORPUS / file, asked, target=asked.target), asked)


def test_every_file_is_tried() -> None:
    tried = {kind.file for kind in KINDS} | PROBLEMS.keys() | {"book.xlsx", "seconds.csv", "rare_classes.csv"}
    assert {path.name for path in CORPUS.iterdir()} == tried


def test_large_numbers_stay_apart() -> None:
    pool = read_file(CORPUS / "seconds.csv", TableOptions())
    assert pool.features.shape == (200, 2)
    standard = fit_preprocessor(pool.features).transform(pool.features)
    for column in standard.T:
        assert len(np.unique(column)) == 200
        np.testing.assert_allclose(column, np.linspace(column[0], column[-1], 200), atol=1e-5)
        assert abs(column.mean()) < 1e-5


def test_rare_categories_are_pooled_when_asked() -> None:
    pool = read_file(CORPUS / "many_categories.csv", TableOptions(max_categories=3))
    assert len(pool.feature_names) == 3
    assert pool.feature_names[-1] == "c=other"
    np.testing.assert_array_equal(pool.features.sum(axis=1), 1)
    assert look("many_categories.csv", max_categories=3).summaries[0].remark == "51 rare categories pooled as `other`"


@pytest.mark.parametrize(
    ("rare", "classes", "rows"),
    [
        ("error", ("maybe", "never", "no", "yes"), [2, 1, 20, 20]),
        ("drop", ("no", "yes"), [20, 20]),
        ("pool", ("no", "yes", "other"), [20, 20, 3]),
    ],
)
def test_rare_classes(rare: str, classes: tuple[str, ...], rows: list[int]) -> None:
    pool = read_file(CORPUS / "rare_classes.csv", TableOptions(rare=rare))
    assert pool.classes == classes
    assert np.bincount(pool.labels).tolist() == rows
    assert len(pool.features) == sum(rows)


def test_an_excel_file() -> None:
    pytest.importorskip("openpyxl")
    pool = read_file(CORPUS / "book.xlsx", TableOptions(na_values=["?"], missing="impute"))
    assert pool.understood.remarks == ("sheet 'Data' of 'Data', 'Notes'",)
    assert pool.feature_names == ("a", "when (days)", "c=blue", "c=red", "n", "n is missing")
    np.testing.assert_array_equal(pool.features[1], [2.5, 1, 1, 0, NAN, 1])
    with pytest.raises(InputError, match=r"sheet 'Date' does not exist \(did you mean 'Data'\?\)"):
        read_file(CORPUS / "book.xlsx", TableOptions(sheet="Date"))


def test_an_excel_file_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(InputError, match="Excel files need the package openpyxl; pip install openpyxl"):
        read_file(CORPUS / "book.xlsx", TableOptions())


def test_an_archive_of_two_files(tmp_path: Path) -> None:
    import zipfile  # noqa: PLC0415

    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", "a,y\n1,no\n")
        archive.writestr("b.csv", "a,y\n1,no\n")
    with pytest.raises(InputError, match=r"two\.zip: must hold one file; it holds 'a\.csv', 'b\.csv'"):
        read_file(tmp_path / "two.zip", TableOptions())


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("n,d,m,y\n1,2020-01-01,1,no\n?,2020-01-02,,yes\n3,soon,2,no\n2,2020-01-04,3,yes\n")
    with pytest.raises(InputError) as caught:
        read_file(path, TableOptions())
    message = str(caught.value)
    assert message.count("data row") == 3
    assert [f"({k})" in message for k in (1, 2, 3, 4)] == [True, True, True, False]
    assert len(message.splitlines()) == 1
