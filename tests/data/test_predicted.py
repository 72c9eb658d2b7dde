"""Tables of predictions: which columns are probabilities, and what is refused in which line."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.core.errors import InputError
from pipeline.data.options import Reading
from pipeline.data.tables.predicted import read_groups, read_predicted
from pipeline.data.tables.probability_columns import Wanted
from pipeline.data.tables.reading import read_table
from pipeline.data.tables.table import Table

THREE = {"a": [0.5, 0.1, 0.2] * 4, "b": [0.3, 0.7, 0.2] * 4, "c": [0.2, 0.2, 0.6] * 4}
LABELS = ["a", "b", "c"] * 4


def table(**columns):
    return Table("t.csv", pd.DataFrame(columns), Reading())


def renamed(form):
    return {form.format(name): values for name, values in THREE.items()}


def read(made, wanted=None, **options):
    return read_predicted(made, wanted or Wanted(), **{"target": "y", "percent": False, **options})


@pytest.mark.parametrize(
    "form", ["{}", "p_{}", "P_{}", "p({})", "p={}", "prob_{}", "proba_{}", "Probability_{}", "p_ {}"]
)
def test_columns_are_found_by_their_names(form):
    predicted = read(table(**renamed(form), y=LABELS, age=range(12)))
    assert predicted.classes == ("a", "b", "c")
    assert predicted.labels.tolist() == [0, 1, 2] * 4
    assert np.allclose(predicted.probs, np.stack(list(THREE.values()), axis=1))
    names = ", ".join(repr(form.format(name)) for name in "abc")
    assert predicted.remarks == (f"probabilities of 3 classes: columns {names}", "ignored: 'age'")


def test_a_prefix_of_the_users_counts_alone():
    made = table(**renamed(".pred_{}"), **renamed("{}"), y=LABELS)
    assert read(made, Wanted(prefix=".PRED_")).remarks[0].endswith("'.pred_a', '.pred_b', '.pred_c'")
    assert read(table(**renamed("q({})"), y=LABELS), Wanted(prefix="q(")).classes == ("a", "b", "c")


def test_numbers_name_classes_however_they_are_written():
    made = table(**{"p_0": [0.5, 0.1] * 6, "p_1": [0.5, 0.9] * 6}, y=[0.0, 1.0] * 6)
    assert read(made).classes == ("0", "1")


def test_a_class_that_no_row_has_counts_where_rows_would_not_sum_to_one():
    made = table(**renamed("p_{}"), p_value=[3.0] * 12, y=["a", "b"] * 6)
    with pytest.raises(InputError, match="column 'p_value', data row 1: must be a probability"):
        read(made)
    predicted = read(table(**renamed("p_{}"), y=["a", "b"] * 6))
    assert predicted.classes == ("a", "b", "c")
    whole = {"p_a": [0.5] * 12, "p_b": [0.5] * 12, "p_value": [3.0] * 12}
    assert read(table(**whole, y=["a", "b"] * 6)).remarks[1] == "ignored: 'p_value'"


@pytest.mark.parametrize(
    ("column", "classes", "wanted", "one"),
    [
        ("p_yes", ("no", "yes"), Wanted(), "yes"),
        ("p_no", ("no", "yes"), Wanted(), "no"),
        ("probability", ("0", "1"), Wanted(), "1"),
        ("risk", ("0", "1"), Wanted(probability="risk"), "1"),
        ("risk", ("False", "True"), Wanted(probability="risk"), "True"),
        ("risk", ("bad", "good"), Wanted(probability="risk", positive="bad"), "bad"),
        ("prob_bad", ("bad", "good"), Wanted(probability="prob_bad"), "bad"),
    ],
)
def test_one_column_is_enough_for_two_classes(column, classes, wanted, one):
    predicted = read(table(**{column: [0.2, 0.9] * 6}, y=list(classes) * 6), wanted)
    assert predicted.classes[1] == one
    assert predicted.probs[0].tolist() == [0.8, 0.2]
    assert predicted.remarks == (f"column {column!r} is the probability of class {one!r}",)
    assert predicted.labels.tolist() == [int(name == one) for name in list(classes) * 6]


def test_the_positive_class_is_class_one():
    made = table(a=[0.2] * 12, b=[0.8] * 12, y=["a", "b"] * 6)
    assert read(made).classes == ("a", "b")
    predicted = read(made, Wanted(positive="a"))
    assert predicted.classes == ("b", "a")
    assert predicted.probs[0].tolist() == [0.8, 0.2]


def test_all_rows_may_be_of_one_class():
    assert read(table(p_a=[0.2] * 12, p_b=[0.8] * 12, y=["b"] * 12)).classes == ("a", "b")
    assert read(table(risk=[0.2] * 12, y=["no"] * 12), Wanted(probability="risk", positive="yes")).labels.sum() == 0


def test_percentages_are_divided_and_roundings_are_said():
    made = table(a=[33.3] * 12, b=[66.6] * 12, y=["a", "b"] * 6)
    predicted = read(made, percent=True)
    assert predicted.probs[0] == pytest.approx([1 / 3, 2 / 3])
    assert predicted.remarks[-1] == "rows sum to 1 within 0.001, and are divided by their sum"
    exact = table(a=[0.25] * 12, b=[0.75] * 12, y=["a", "b"] * 6)
    assert len(read(exact).remarks) == 1


def test_texts_are_read_as_users_write_them(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text("y;risk\n" + "yes;0,25\nno;1\n" * 6)
    made = read_table(path, Reading(), target="y")
    assert read(made, Wanted(probability="risk")).probs[:2, 1].tolist() == [0.25, 1.0]
    path.write_text("y;risk\n" + "yes;25%\nno;100%\n" * 6)
    made = read_table(path, Reading(), target="y")
    assert read(made, Wanted(probability="risk"), percent=True).probs[:2, 1].tolist() == [0.25, 1.0]


def changed(column, row, value):
    """The three columns with one cell of another value; all are texts where it is one."""
    kind = str if isinstance(value, str) else float
    columns = {name: [kind(each) for each in values] for name, values in THREE.items()}
    columns[column][row - 1] = value
    return table(**columns, y=LABELS)


MUST = (
    "must have a probability column for each class, named CLASS, p_CLASS, p(CLASS), proba_CLASS, prob_CLASS, "
    "probability_CLASS, p=CLASS"
)
TWO = {"y": ["no", "yes"] * 6}
FAULTS = {
    "no target": (table(**THREE, z=LABELS), {}, "t.csv: column 'y' does not exist; there are 'a', 'b', 'c', 'z'"),
    "no group": (
        table(**THREE, y=LABELS),
        {"group": "sex"},
        "t.csv: column 'sex' does not exist; there are 'a', 'b', 'c', 'y'",
    ),
    "few rows": (table(a=[1.0], b=[0.0], y=["a"]), {}, "t.csv: must have 10 rows or more; got 1"),
    "no class": (
        table(**THREE, y=[*LABELS[:11], None]),
        {},
        "t.csv: target column 'y', data row 12: must be a class; it is missing",
    ),
    "dates": (
        table(**THREE, y=pd.date_range("2020-01-01", periods=12)),
        {},
        "t.csv: target column 'y' must hold classes; got dates or times",
    ),
    "numbers": (
        table(**{name: values * 100 for name, values in THREE.items()}, y=np.arange(1200) / 7),
        {},
        "t.csv: target column 'y' must hold at most 1000 classes; got 1,200",
    ),
    "no column": (
        table(p_a=THREE["a"], p_b=THREE["b"], age=range(12), y=LABELS),
        {},
        f"t.csv: {MUST}; there is none for 'c' among 'p_a', 'p_b', 'age'; --prefix TEXT is for other names",
    ),
    "no column of two": (
        table(risk=[0.5] * 12, **TWO),
        {},
        f"t.csv: {MUST}; there is none for 'no', 'yes' among 'risk'; --prefix TEXT is for other names, "
        "--probability COLUMN for one of two classes",
    ),
    "other prefix": (
        table(**renamed("p_{}"), y=LABELS),
        {"wanted": Wanted(prefix="q_")},
        "t.csv: must have a probability column for each class, named q_CLASS; there is none for 'a', 'b', 'c' among "
        "'p_a', 'p_b', 'p_c'",
    ),
    "two forms": (
        table(**renamed("p_{}"), **THREE, y=LABELS),
        {},
        "t.csv: one column for each class must be meant; say --prefix '' or --prefix 'p_'",
    ),
    "one class": (
        table(a=[1.0] * 12, y=["a"] * 12),
        {},
        "t.csv: must have probability columns of two classes or more; got 'a'",
    ),
    "unknown probability": (
        table(risk=[0.5] * 12, **TWO),
        {"wanted": Wanted(probability="risc")},
        "t.csv: probability column 'risc' does not exist (did you mean 'risk'?); there are 'risk'",
    ),
    "probability of three": (
        table(**THREE, y=LABELS),
        {"wanted": Wanted(probability="a")},
        "t.csv: target column 'y' must hold two classes where one column is their probability; got 3: 'a', 'b', 'c'",
    ),
    "which of two": (
        table(risk=[0.5] * 12, y=["bad", "good"] * 6),
        {"wanted": Wanted(probability="risk")},
        "t.csv: target column 'y': --positive must say of which class column 'risk' is: 'bad', 'good'",
    ),
    "unknown positive": (
        table(risk=[0.5] * 12, **TWO),
        {"wanted": Wanted(probability="risk", positive="Yes")},
        "t.csv: target column 'y': class 'Yes' does not exist (did you mean 'yes'?); there are 'no', 'yes'",
    ),
    "positive of three": (
        table(**THREE, y=LABELS),
        {"wanted": Wanted(positive="a")},
        "t.csv: target column 'y': --positive is for two classes; got 3: 'a', 'b', 'c'",
    ),
    "text": (changed("b", 5, "much"), {}, "t.csv: column 'b', data row 5: must be a number; got 'much'"),
    "blank": (
        changed("b", 5, ""),
        {},
        "t.csv: column 'b', data row 5: must be a probability from 0 to 1; got a missing value",
    ),
    "missing": (
        changed("c", 2, np.nan),
        {},
        "t.csv: column 'c', data row 2: must be a probability from 0 to 1; got a missing value",
    ),
    "infinite": (
        changed("c", 2, np.inf),
        {},
        "t.csv: column 'c', data row 2: must be a probability from 0 to 1; got inf",
    ),
    "above": (
        changed("a", 4, "1.2"),
        {},
        "t.csv: column 'a', data row 4: must be a probability from 0 to 1; got '1.2'",
    ),
    "below": (
        changed("a", 4, -0.1),
        {},
        "t.csv: column 'a', data row 4: must be a probability from 0 to 1; got -0.1; of logits or log probabilities, "
        "probabilities must be made first",
    ),
    "sum": (changed("a", 4, 0.4), {}, "t.csv: columns 'a', 'b', 'c', data row 4: must sum to 1 within 0.001; got 0.9"),
    "percent": (
        table(**{name: [100 * each for each in values] for name, values in THREE.items()}, y=LABELS),
        {},
        "t.csv: column 'a', data row 1: must be a probability from 0 to 1; got 50; --percent divides percentages "
        "by 100",
    ),
    "percent above": (
        table(a=[110.0] * 12, b=[-10.0] * 12, y=["a", "b"] * 6),
        {"percent": True},
        "t.csv: column 'a', data row 1: must be a percentage from 0 to 100; got 110",
    ),
    "percent of fractions": (
        table(**THREE, y=LABELS),
        {"percent": True},
        "t.csv: columns 'a', 'b', 'c': --percent is for percentages; the largest value is 0.7",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line(fault):
    made, options, line = FAULTS[fault]
    with pytest.raises(InputError) as caught:
        read(made, **options)
    assert str(caught.value) == line


def test_groups_are_named_and_rows_without_a_name_are_one():
    groups = read_groups(table(sex=["m", None, "f", "m"]), "sex")
    assert groups.names == ("f", "m", "(missing)")
    assert groups.numbers.tolist() == [1, 2, 0, 1]
    with pytest.raises(InputError, match=r"t.csv: group column 'id' must name at most 50 groups; got 60"):
        read_groups(table(id=range(60)), "id")
