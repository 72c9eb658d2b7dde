"""Encoding by a schema: new rows as the first ones, whatever file they come from."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from pipeline.core.errors import InputError
from pipeline.data.dataset import Dataset
from pipeline.data.options import Reading, TableOptions
from pipeline.data.schema import Schema, Understood
from pipeline.data.splits import split_resampled
from pipeline.data.storage import from_arrays, to_arrays
from pipeline.data.tables.encoding import class_names, encode, encode_labels, feature_names
from pipeline.data.tables.load import to_pool
from pipeline.data.tables.table import Table

COLUMNS = {
    "n": ["1,5", "2,5", "", "1.234,5"],
    "c": ["red", "blue", "red", ""],
    "flag": ["TRUE", "False", "true", "FALSE"],
    "code": ["1", "2", "1", "10"],
    "when": ["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-09"],
    "y": ["no", "yes ", "no", "yes"],
}
OPTIONS = TableOptions(missing="impute", categorical=("code",), cyclical=("when",))


def table(columns: dict[str, list[str]]) -> Table:
    return Table("t", pd.DataFrame(columns), Reading(separator=";"))


@pytest.fixture(scope="module")
def understood() -> Understood:
    return to_pool(table(COLUMNS), OPTIONS).understood


@pytest.fixture
def schema(understood: Understood) -> Schema:
    return understood.table


def encoded(columns: dict[str, list[str]], schema: Schema) -> dict[str, list[float]]:
    names = [name for column in schema.columns for name in feature_names(column)]
    return dict(zip(names, encode(table(columns), schema).T.tolist(), strict=True))


def test_the_same_rows_give_the_same_features(schema: Schema) -> None:
    pool = to_pool(table(COLUMNS), OPTIONS)
    assert encode(table(COLUMNS), schema).tobytes() == pool.features.tobytes()
    assert encode_labels(table(COLUMNS), schema).tolist() == pool.labels.tolist() == [0, 1, 0, 1]
    assert class_names(schema) == pool.classes


def test_a_row_alone_gives_what_it_gives_among_others(schema: Schema) -> None:
    together = encode(table(COLUMNS), schema)
    for row in range(4):
        alone = {name: [values[row]] for name, values in COLUMNS.items()}
        np.testing.assert_array_equal(encode(table(alone), schema)[0], together[row])


def test_the_schema_survives_json(understood: Understood) -> None:
    assert Understood.model_validate_json(understood.model_dump_json()) == understood
    back = Understood.model_validate(json.loads(json.dumps(understood.model_dump(mode="json"))), strict=False)
    assert encode(table(COLUMNS), back.table).tobytes() == encode(table(COLUMNS), understood.table).tobytes()


def test_columns_may_stand_in_another_order_beside_others(schema: Schema) -> None:
    other = {"extra": ["?"] * 4, **dict(reversed(COLUMNS.items()))}
    assert encode(table(other), schema).tobytes() == encode(table(COLUMNS), schema).tobytes()


def test_an_unknown_category_is_none_of_the_known_ones(schema: Schema) -> None:
    values = encoded(COLUMNS | {"c": ["green"] * 4, "code": ["1.0", "7", "01", ""]}, schema)
    assert values["c=blue"] == values["c=red"] == values["c is missing"] == [0] * 4
    assert values["code=1"] == [1, 0, 0, 0]


def test_a_value_may_be_missing_where_none_was(schema: Schema) -> None:
    values = encoded(COLUMNS | {"flag": [""] * 4, "when": ["NA", "", "2020-01-02", "2019-12-31"]}, schema)
    assert values["flag=False"] == values["flag=True"] == [0] * 4
    np.testing.assert_array_equal(values["when (days)"], [np.nan, np.nan, 1, -1])


def test_numbers_are_read_as_they_were(schema: Schema) -> None:
    assert encoded(COLUMNS | {"n": ["1", "0,25", "2.000", "NA"]}, schema)["n"][:3] == [1, 0.25, 2000]


def test_typed_rows_give_the_features_of_text_rows(schema: Schema) -> None:
    typed = pd.DataFrame(
        {
            "n": [1.5, 2.5, None, 1234.5],
            "c": pd.Categorical(["red", "blue", "red", None]),
            "flag": [True, False, True, False],
            "code": [1.0, 2.0, 1.0, 10.0],
            "when": pd.to_datetime(COLUMNS["when"]),
        }
    )
    np.testing.assert_array_equal(encode(Table("t", typed, Reading()), schema), encode(table(COLUMNS), schema))


@pytest.mark.parametrize(
    ("column", "values", "says"),
    [
        ("n", ["1", "many", "2", "3"], "t: column 'n', data row 2: must be a number; got 'many'"),
        ("n", ["1", "2.5", "2", "3"], "t: column 'n', data row 2: must be a number; got '2.5'"),
        ("n", ["1", "2", "-inf", "3"], "t: column 'n', data row 3: must be finite; got -inf"),
        ("when", ["2020-01-01", "", "soon", ""], "t: column 'when', data row 3: must be a date (ISO8601); got 'soon'"),
    ],
)
def test_what_the_schema_cannot_read_is_one_line(schema: Schema, column: str, values: list[str], says: str) -> None:
    with pytest.raises(InputError) as caught:
        encode(table(COLUMNS | {column: values}), schema)
    assert str(caught.value) == says


def test_a_column_must_be_there(schema: Schema) -> None:
    with pytest.raises(InputError, match=r"^t: column 'c' does not exist; there are 'n', "):
        encode(table({name: values for name, values in COLUMNS.items() if name != "c"}), schema)


def test_a_class_that_is_not_known_has_no_label(schema: Schema) -> None:
    assert encode_labels(table(COLUMNS | {"y": ["no", "perhaps", "YES", "yes"]}), schema).tolist() == [0, -1, -1, 1]
    says = (
        r"^t: target column 'y', data row 2: missing value, and every row needs a class; `unlabeled: drop` leaves them"
    )
    unlabeled = table(COLUMNS | {"y": ["no", "", "yes", "yes"]})
    with pytest.raises(InputError, match=says):
        encode_labels(unlabeled, schema)
    assert encode_labels(unlabeled, schema.model_copy(update={"unlabeled": "drop"})).tolist() == [0, -1, 1, 1]


def test_what_was_understood_is_stored_with_the_data_set() -> None:
    many = {name: values * 5 for name, values in COLUMNS.items()}
    pool = to_pool(table(many), OPTIONS)
    splits = split_resampled(pool.labels, classes=pool.classes, seeds=2, train=8, validation=6, name="t")
    arrays, about = to_arrays(Dataset(pool, splits))
    back = from_arrays(arrays, json.loads(json.dumps(about))).pool
    assert back.understood == pool.understood
    assert encode(table(many), back.understood.table).tobytes() == pool.features.tobytes()
