"""Reading a user's table: what comes out, and one clear line for everything that cannot be read."""

from __future__ import annotations

import datetime
import decimal
import gzip
import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from pipeline.core.errors import InputError
from pipeline.data.dataset import Pool
from pipeline.data.options import Meaning, TableOptions
from pipeline.data.preprocessor import fit_preprocessor
from pipeline.data.splits import split_resampled
from pipeline.data.tables.load import load_openml, read_file

KINDS = ".csv, .tsv, .txt, .parquet, .npz, .xlsx, or in one of these and .gz or .zip"
GOOD = "a,b,y\n1,2.5,no\n3,4,yes\n5,6,no\n"
UNLABELED = "missing value, and every row needs a class; `unlabeled: drop` leaves their rows out"


def read(path: Path, **options: object) -> Pool:
    return read_file(path, TableOptions(**options))


def csv_file(folder: Path, text: str | bytes) -> Path:
    path = folder / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def parquet_file(folder: Path, columns: dict[str, object]) -> Path:
    path = folder / "t.parquet"
    parquet.write_table(pa.table(columns), path)
    return path


def npz_file(folder: Path, **arrays: object) -> Path:
    path = folder / "t.npz"
    np.savez(path, **arrays)
    return path


# What is read


def test_a_csv_file(tmp_path):
    encoded = read(csv_file(tmp_path, GOOD))
    np.testing.assert_array_equal(encoded.features, np.array([[1, 2.5], [3, 4], [5, 6]], dtype=np.float32))
    assert encoded.features.dtype == np.float32
    assert encoded.labels.dtype == np.int64
    assert encoded.labels.tolist() == [0, 1, 0]
    assert encoded.classes == ("no", "yes")
    assert encoded.feature_names == ("a", "b")


def test_a_table_becomes_a_pool(tmp_path):
    pool = read(csv_file(tmp_path, GOOD))
    assert pool.posterior is None
    assert pool.feature_names == ("a", "b")


def test_the_three_formats_agree(tmp_path):
    numbers, labels = [[1.0, 2.5], [3.0, 4.0], [5.0, 6.0]], ["no", "yes", "no"]
    csv = read(csv_file(tmp_path, "x0,x1,y\n1,2.5,no\n3,4,yes\n5,6,no\n"))
    columns = dict(zip(("x0", "x1"), zip(*numbers, strict=True), strict=True)) | {"y": labels}
    for other in (
        read(parquet_file(tmp_path, columns)),
        read(npz_file(tmp_path, X=np.array(numbers), y=np.array(labels))),
        read(npz_file(tmp_path, features=np.array(numbers, dtype=">f8"), y=np.array(labels))),
    ):
        assert other.features.tobytes() == csv.features.tobytes()
        assert other.labels.tobytes() == csv.labels.tobytes()
        assert (other.classes, other.feature_names) == (csv.classes, csv.feature_names)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.rstrip("\n"),
        GOOD.replace(",", ", "),
        GOOD.replace("\n", "\n\n"),
        '"a","b","y"\n"1","2.5","no"\n3,4,yes\n5,6,no\n',
    ],
    ids=["byte order mark", "carriage returns", "no last newline", "spaces", "blank lines", "quotes"],
)
def test_usual_kinds_of_csv(tmp_path, text):
    plain, encoded = read(csv_file(tmp_path, GOOD)), read(csv_file(tmp_path, text))
    np.testing.assert_array_equal(encoded.features, plain.features)
    assert (encoded.classes, encoded.feature_names) == (plain.classes, plain.feature_names)


@pytest.mark.parametrize("suffix", [".CSV", ".Csv"])
def test_the_suffix_may_be_upper_case(tmp_path, suffix):
    path = csv_file(tmp_path, GOOD)
    assert read(path.rename(path.with_suffix(suffix))).classes == ("no", "yes")


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([10, 9, -1], ("-1", "9", "10")),
        ([2.0, 1.0, 10.0], ("1", "2", "10")),
        (["10", "9", "1"], ("1", "9", "10")),
        (["b", "10", "9"], ("10", "9", "b")),
        ([True, False, True], ("False", "True")),
        (["é", "z", "a"], ("a", "z", "é")),
        ([2**60, 2**60 + 1, 2**60], (str(2**60), str(2**60 + 1))),
        ([decimal.Decimal("2"), decimal.Decimal("1"), decimal.Decimal("1")], ("1", "2")),
    ],
)
def test_classes_are_in_order(tmp_path, values, classes):
    encoded = read(parquet_file(tmp_path, {"a": [1, 2, 3], "y": values}))
    assert encoded.classes == classes
    number = isinstance(values[0], float | decimal.Decimal)
    names = [str(int(value)) if number else str(value) for value in values]
    assert [encoded.classes[label] for label in encoded.labels] == names


def test_strings_booleans_and_categoricals_become_indicators(tmp_path):
    table = {
        "color": ["red", "blue", "red", "green"],
        "flag": [True, False, True, True],
        "size": pa.array(["10", "9", "9", "10"]).dictionary_encode(),
        "n": [1, 2, 3, 4],
        "y": ["u", "v", "u", "v"],
    }
    encoded = read(parquet_file(tmp_path, table))
    assert encoded.feature_names == (
        "color=blue",
        "color=green",
        "color=red",
        "flag=False",
        "flag=True",
        "size=9",
        "size=10",
        "n",
    )
    np.testing.assert_array_equal(
        encoded.features,
        [[0, 0, 1, 0, 1, 0, 1, 1], [1, 0, 0, 1, 0, 1, 0, 2], [0, 0, 1, 0, 1, 1, 0, 3], [0, 1, 0, 0, 1, 0, 1, 4]],
    )


def test_string_matrix_in_npz(tmp_path):
    encoded = read(npz_file(tmp_path, X=np.array([["p", "q"], ["r", "q"]]), y=np.array([1, 0])))
    assert encoded.feature_names == ("x0=p", "x0=r", "x1=q")


def test_the_target_of_npz_may_have_another_name(tmp_path):
    path = npz_file(tmp_path, X=np.eye(2), y=np.array([5, 6]), z=np.array(["p", "q"]))
    assert read(path, target="z").classes == ("p", "q")


def test_missing_values_are_imputed_when_allowed(tmp_path):
    path = csv_file(tmp_path, "a,c,y\n1,red,no\n,blue,yes\n5,,no\n")
    encoded = read(path, missing="impute")
    assert encoded.feature_names == ("a", "a is missing", "c=blue", "c=red", "c is missing")
    np.testing.assert_array_equal(encoded.features, [[1, 0, 0, 1, 0], [np.nan, 1, 1, 0, 0], [5, 0, 0, 0, 1]])
    standard = fit_preprocessor(encoded.features).transform(encoded.features)
    np.testing.assert_array_equal(standard[:, 0], [-1, 0, 1])


def test_imputation_changes_nothing_where_nothing_is_missing(tmp_path):
    path = csv_file(tmp_path, GOOD)
    assert read(path, missing="impute").features.tobytes() == read(path).features.tobytes()


@pytest.mark.parametrize("kind", ["Int64", "boolean", "string", "Float32", "category", "int64[pyarrow]"])
def test_nullable_columns_of_pandas(tmp_path, kind):
    values = {"boolean": [True, None, False], "string": ["p", None, "q"], "category": ["p", None, "q"]}
    frame = pd.DataFrame({"a": pd.Series(values.get(kind, [1, None, 2]), dtype=kind), "y": [0, 1, 0]})
    path = tmp_path / "t.parquet"
    frame.to_parquet(path)
    encoded = read(path, missing="impute")
    assert encoded.feature_names[-1] == "a is missing"
    np.testing.assert_array_equal(encoded.features[:, -1], [0, 1, 0])
    with pytest.raises(InputError, match="column 'a', data row 2: missing value"):
        read(path)


def test_a_column_without_any_value_can_be_imputed(tmp_path):
    encoded = read(csv_file(tmp_path, "a,b,y\n1,,no\n2,,yes\n"), missing="impute")
    assert encoded.feature_names == ("a", "b", "b is missing")
    assert np.isnan(encoded.features[:, 1]).all()


def test_an_index_of_pandas_is_no_feature(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "y": [0, 1]}, index=pd.Index([7, 8], name="row"))
    frame.to_parquet(tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet").feature_names == ("a",)


def test_decimals_are_numbers(tmp_path):
    column = [decimal.Decimal("1.50"), decimal.Decimal("2.25")]
    np.testing.assert_array_equal(read(parquet_file(tmp_path, {"a": column, "y": [0, 1]})).features, [[1.5], [2.25]])


def test_ignored_columns_may_hold_anything(tmp_path):
    path = parquet_file(tmp_path, {"a": [1, 2], "when": [datetime.date(2020, 1, 1)] * 2, "l": [[1], [2]], "y": [0, 1]})
    assert read(path, ignore=("when", "l")).feature_names == ("a",)


def test_fifty_categories_are_allowed(tmp_path):
    rows = "".join(f"c{i % 50},{'uv'[i % 2]}\n" for i in range(100))
    assert read(csv_file(tmp_path, "c,y\n" + rows)).features.shape == (100, 50)


def test_constant_columns_are_fine(tmp_path):
    assert read(csv_file(tmp_path, "a,b,y\n1,k,0\n1,k,1\n")).feature_names == ("a", "b=k")


def test_reading_twice_gives_the_same_bytes(tmp_path):
    text = "a,c,y\n" + "".join(f"{i / 7},{'rgb'[i % 3]}{i % 5},{'xyz'[i * i % 3]}\n" for i in range(60))
    first, second = read(csv_file(tmp_path, text)), read(csv_file(tmp_path, text))
    assert first.features.tobytes() == second.features.tobytes()
    assert first.labels.tobytes() == second.labels.tobytes()
    assert (first.classes, first.feature_names) == (second.classes, second.feature_names)


def test_importing_is_cheap():
    heavy = "{'pandas', 'pyarrow', 'sklearn', 'scipy', 'torch', 'mlflow'}"
    program = f"import pipeline.data.dataset, pipeline.data.tables.load, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# What is refused: (a function that writes the file, arguments, the message after the file's name)


def faults() -> dict[str, tuple[Callable[[Path], Path], dict[str, object], str]]:
    return {**file_faults(), **csv_faults(), **column_faults(), **parquet_faults(), **npz_faults()}


def file_faults():
    return {
        "not found": (
            lambda folder: folder / "t.csv",
            {},
            ": must be a file that can be read: No such file or directory",
        ),
        "a folder": (folder_named_csv, {}, ": must be a file that can be read: Is a directory"),
        "empty": (lambda folder: csv_file(folder, ""), {}, ": must not be empty; got 0 bytes"),
        "unknown kind": (lambda folder: folder / "t.xls", {}, f": must end in {KINDS}; got '.xls'"),
        "no kind": (lambda folder: folder / "t", {}, f": must end in {KINDS}; got ''"),
    }


def csv_faults():
    def case(text: str | bytes, says: str, **arguments: object):
        return (lambda folder: csv_file(folder, text), arguments, says)

    return {
        "header only": case("a,y\n", ": must have a header line and data rows; got no data row"),
        "blank": case("\n\n", ": must have a header line and data rows; got no data row"),
        "short line": case(
            "a,b,y\n1,2,no\n3,4\n", ": line 3 (data row 2) must have 3 fields, as the header line has; got 2"
        ),
        "long line": case(
            "a,b,y\n1,2,no\n3,4,yes,9\n", ": line 3 (data row 2) must have 3 fields, as the header line has; got 4"
        ),
        "open quote": case('a,b,y\n1,2,no\n3,"4,yes\n', ": line 3 must be CSV: unexpected end of data"),
        "bad quote": case('a,b,y\n1,"2"x,no\n', ": line 2 must be CSV: ',' expected after '\"'"),
        "in no code page": case(
            b"a,b,y\n1,2,no\n3,4,\x81\xe9\n",
            ": must be cp1252 text; byte 17 (line 3) is 0x81; set encoding",
            encoding="cp1252",
        ),
        "zero byte": case("a,y\n1,no\n\0,yes\n", ": must be text; line 3 holds a zero byte"),
        "one column": case(
            "a:b:y\n1:2:no\n", ": must have columns, separated by commas, semicolons, tabs, bars or blanks; got 'a:b:y'"
        ),
        "two targets": case("a,y,y\n1,2,no\n", ": column names must differ; 'y' occurs 2 times"),
        "NaN": case("a,y\n1,no\nNaN,yes\n", ": column 'a', data row 2: missing value; `missing: impute` allows it"),
        "empty field": case(
            "a,c,y\n1,r,no\n2,,yes\n", ": column 'c', data row 2: missing value; `missing: impute` allows it"
        ),
        "infinite": case(
            "a,y\n1,no\n-inf,yes\n",
            ": column 'a', data row 2: must be finite; got -inf; `na_values: [\"-inf\"]` makes it missing",
        ),
        "infinite, imputed": case(
            "a,y\n,no\ninf,yes\n",
            ": column 'a', data row 2: must be finite; got inf; `na_values: [inf]` makes it missing",
            missing="impute",
        ),
        "beyond 32 bits": case(
            "a,y\n1,no\n1e39,yes\n",
            ": column 'a', data row 2: must be within ±3.4e+38; got 1e+39; `na_values: [\"1e39\"]` makes it missing",
        ),
        "name with a newline": case(
            '"a\nb",y\n1,no\n,yes\n', ": column 'a\\nb', data row 2: missing value; `missing: impute` allows it"
        ),
    }


def column_faults():
    def case(text: str, says: str, **arguments: object):
        return (lambda folder: csv_file(folder, text), arguments, says)

    many = "".join(f"id{i},{'uv'[i % 2]}\n" for i in range(60))
    stray = "".join(f"{'?' if i == 16 else i},{'uv'[i % 2]}\n" for i in range(60))
    wide = ",".join(f"c{i}" for i in range(20))
    return {
        "no target": case("a,label\n1,no\n", ": target column 'y' does not exist; there are 'a', 'label'"),
        "misspelt target": case(
            "a,outcome\n1,no\n2,yes\n",
            ": target column 'Outcom' does not exist (did you mean 'outcome'?); there are 'a', 'outcome'",
            target="Outcom",
        ),
        "no target among many": case(
            f"{wide}\n{wide}\n",
            ": target column 'y' does not exist; there are "
            + ", ".join(f"'c{i}'" for i in range(12))
            + ", ... (20 in all)",
        ),
        "single class": case(
            "a,y\n1,no\n2,no\n", ": target column 'y' must hold at least two classes; every row is 'no'"
        ),
        "missing target value": case(
            "a,y\n1,no\n2,\n3,yes\n",
            f": target column 'y', data row 2: {UNLABELED}",
        ),
        "missing target value, imputed": case(
            "a,y\n1,0\n2,1\n3,\n",
            f": target column 'y', data row 3: {UNLABELED}",
            missing="impute",
        ),
        "regression": case(
            "a,y\n1,1\n2,2.5\n",
            ": target column 'y' must hold strings or integers; data row 2 is 2.5; this looks like a regression target",
        ),
        "infinite target": case(
            "a,y\n1,1\n2,inf\n",
            ": target column 'y' must hold strings or integers; data row 2 is inf; this looks like a regression target",
        ),
        "no features": case(
            "a,y\n1,no\n2,yes\n",
            ": must have a feature column; none is left beside 'y' and ignore=['a']",
            ignore=("a",),
        ),
        "unknown ignored": case(
            GOOD, ": ignored column 'id' does not exist; there are 'a', 'b', 'y'", ignore=("a", "id")
        ),
        "ignored target": case(GOOD, ": ignore must not name the target; got 'y'", ignore=("y",)),
        "many categories": case(
            "id,y\n" + many,
            ": column 'id' must have at most 50 categories; got 60 (looks like an identifier); "
            "`ignore: [id]` leaves it out",
        ),
        "a stray word": case(
            "n,y\n" + stray,
            ": column 'n', data row 17: '?' is not a number; `na_values: [\"?\"]` makes it missing",
        ),
        "clash of names": case(
            "a,a is missing,y\n,0,no\n2,0,yes\n",
            ": column 'a is missing' gives a second feature called 'a is missing'; rename it",
            missing="impute",
        ),
    }


def parquet_faults():
    def case(columns: dict[str, object], says: str):
        return (lambda folder: parquet_file(folder, columns), {}, says)

    must = ": column 'a' must hold numbers, strings, booleans, categories or dates; got"
    hint = "`ignore: [a]` leaves it out"
    nested = f"{must} lists, structs or a mixture of types; {hint}"
    times = f"{must} times or durations; {hint}"
    moment = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    return {
        "list column": case({"a": [[1], [2]], "y": [0, 1]}, nested),
        "struct column": case({"a": [{"p": 1}, {"p": 2}], "y": [0, 1]}, nested),
        "time column": case({"a": [moment.time(), None], "y": [0, 1]}, times),
        "duration column": case({"a": [datetime.timedelta(1), None], "y": [0, 1]}, times),
        "bytes column": case({"a": [b"1", b"2"], "y": [0, 1]}, f"{must} values of type bytes; {hint}"),
        "date target": case(
            {"a": [1, 2], "y": [moment, moment]},
            ": target column 'y' must hold numbers, strings, booleans or categories; got dates or times",
        ),
        "parquet NaN": case(
            {"a": [1.0, float("nan")], "y": [0, 1]},
            ": column 'a', data row 2: missing value; `missing: impute` allows it",
        ),
        "parquet null": case(
            {"a": [None, 1], "y": [0, 1]}, ": column 'a', data row 1: missing value; `missing: impute` allows it"
        ),
        "parquet infinite": case(
            {"a": [1.0, float("inf")], "y": [0, 1]},
            ": column 'a', data row 2: must be finite; got inf; `na_values: [inf]` makes it missing",
        ),
        "parquet null target": case(
            {"a": [1, 2, 3], "y": ["p", None, "q"]},
            f": target column 'y', data row 2: {UNLABELED}",
        ),
        "no rows": case(
            {"a": pa.array([], pa.int64()), "y": pa.array([], pa.int64())}, ": must have data rows; got none"
        ),
        "no columns": case({}, ": target column 'y' does not exist; there are none"),
        "duplicate parquet names": (duplicate_columns, {}, ": column names must differ; 'a' occurs 2 times"),
        "text that is not UTF-8": case(
            {"a": [1, 2], "y": pa.array([b"p", b"\xff"]).view(pa.string())},
            ": cannot be read as a .parquet file: ArrowInvalid: "
            "Column 1: In chunk 0: Invalid: Invalid UTF8 sequence at string index 1",
        ),
        "truncated parquet": (
            lambda folder: truncated(parquet_file(folder, {"a": [1, 2], "y": [0, 1]})),
            {},
            ": cannot be read as a .parquet file: ArrowInvalid: Parquet magic bytes not found in footer. "
            "Either the file is corrupted or this is not a parquet file.",
        ),
    }


def npz_faults():
    X, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0, 1])

    def case(says: str, **arrays: object):
        return (lambda folder: npz_file(folder, **arrays), {}, says)

    nan, inf = X.copy(), X.copy()
    nan[1, 0], inf[1, 1] = np.nan, np.inf
    pickled = ": cannot be read as a .npz file: it holds pickled Python objects, which could run code"
    must = "must hold numbers, booleans or strings; its type is"
    return {
        "no matrix": case(": feature array 'X' does not exist (did you mean 'x'?); there are 'x', 'y'", x=X, y=y),
        "no target array": case(": target array 'y' does not exist; there are 'X', 'labels'", X=X, labels=y),
        "1-D features": case(": array 'X' must be 2-D; its shape is (2,)", X=y, y=y),
        "2-D labels": case(": array 'y' must be 1-D; its shape is (2, 2)", X=X, y=X),
        "unequal lengths": case(
            ": arrays 'X' and 'y' must have equally many rows; got 2 and 3", X=X, y=np.array([0, 1, 0])
        ),
        "no npz rows": case(": must have data rows; got none", X=X[:0], y=y[:0]),
        "no npz features": case(": must have a feature column; none is left beside 'y' and ignore=[]", X=X[:, :0], y=y),
        "npz NaN": case(": column 'x0', data row 2: missing value; `missing: impute` allows it", X=nan, y=y),
        "npz infinite": case(
            ": column 'x1', data row 2: must be finite; got inf; `na_values: [inf]` makes it missing", X=inf, y=y
        ),
        "complex": case(f": array 'X' {must} complex128", X=X * 1j, y=y),
        "dates in npz": case(f": array 'X' {must} datetime64[s]", X=X.astype("datetime64[s]"), y=y),
        "long double": case(
            ": column 'x0', data row 1: must be finite; got inf; `na_values: [inf]` makes it missing",
            X=np.full((2, 1), np.longdouble("1e4000")),
            y=y,
        ),
        "pickled features": case(pickled, X=np.array([[1, "a"], [2, "b"]], dtype=object), y=y),
        "pickled target": case(pickled, X=X, y=np.array(["a", None], dtype=object)),
        "pickled file": (
            lambda folder: written(folder / "t.npz", pickle.dumps({"X": X})),
            {},
            ": must be an NPZ archive of arrays; it is no zip file",
        ),
        "truncated npz": (
            lambda folder: truncated(npz_file(folder, X=X, y=y)),
            {},
            ": cannot be read as a .npz file: BadZipFile: File is not a zip file",
        ),
    }


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def truncated(path: Path) -> Path:
    content = path.read_bytes()
    return written(path, content[: len(content) // 2])


def folder_named_csv(folder: Path) -> Path:
    (folder / "t.csv").mkdir()
    return folder / "t.csv"


def duplicate_columns(folder: Path) -> Path:
    arrays = [pa.array([1, 2]), pa.array([3, 4]), pa.array([0, 1])]
    parquet.write_table(pa.Table.from_arrays(arrays, names=["a", "a", "y"]), folder / "t.parquet")
    return folder / "t.parquet"


@pytest.mark.parametrize("fault", faults())
def test_a_fault_is_one_line_that_names_its_place(tmp_path, fault):
    write, arguments, says = faults()[fault]
    path = write(tmp_path)
    with pytest.raises(InputError) as caught:
        read(path, **arguments)
    message = str(caught.value)
    assert message.splitlines() == [message]
    assert message == f"{path}{says}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path):
    path = csv_file(tmp_path, GOOD)
    path.chmod(0)
    with pytest.raises(InputError, match="must be a file that can be read: Permission denied"):
        read(path)


def test_a_path_that_cannot_be(tmp_path):
    with pytest.raises(InputError, match="must be a file that can be read: ValueError: embedded null byte"):
        read(tmp_path / "a\0b.csv")


def test_a_rare_class_is_refused_when_split(tmp_path):
    path = csv_file(tmp_path, "a,y\n" + "1,no\n" * 9 + "2,yes\n" * 2)
    encoded = read(path)
    with pytest.raises(InputError, match=r"t\.csv: every class needs 3 rows.*; class 'yes' has 2"):
        split_resampled(encoded.labels, classes=encoded.classes, seeds=2, train=4, validation=3, name=str(path))


# Whatever the bytes are, nothing but an InputError of one line


def outcome(path: Path, missing: str) -> Pool | str:
    try:
        return read(path, missing=missing)
    except InputError as error:
        return str(error)


def only_input_errors(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for missing in ("error", "impute"):
        encoded = outcome(path, missing)
        if isinstance(encoded, str):
            assert len(encoded.splitlines()) == 1
        else:
            assert encoded.features.shape == (len(encoded.labels), len(encoded.feature_names))
            assert np.isfinite(encoded.features).all() or missing == "impute"


def fuzzed(examples: int):
    return settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npz"])
@given(content=st.binary(min_size=1, max_size=200))
@example(content=b"PK\x03\x04")
@example(content=b"PAR1")
@fuzzed(40)
def test_random_bytes(tmp_path, suffix, content):
    only_input_errors(tmp_path / f"t.{suffix}", content)


@given(lines=st.lists(st.lists(st.text("0123456789.,-+eE \"'\r\nayTNnif?;#\t", max_size=4), min_size=3, max_size=3)))
@fuzzed(100)
def test_random_csv(tmp_path, lines):
    text = "\n".join(",".join(fields) for fields in [["a", "b", "y"], *lines])
    only_input_errors(tmp_path / "t.csv", text.encode())


@pytest.mark.parametrize("suffix", ["parquet", "npz"])
@given(data=st.data())
@fuzzed(40)
def test_damaged_files(tmp_path, suffix, data):
    if suffix == "npz":
        content = npz_file(tmp_path, X=np.eye(4), y=np.array(["p", "q", "p", "q"])).read_bytes()
    else:
        content = parquet_file(tmp_path, {"a": [1, 2, 3], "y": ["p", "q", "p"]}).read_bytes()
    cut = data.draw(st.integers(1, len(content)))
    place = data.draw(st.integers(0, cut - 1))
    byte = data.draw(st.binary(min_size=1, max_size=1))
    only_input_errors(tmp_path / f"t.{suffix}", content[:place] + byte + content[place + 1 : cut])


# OpenML: scikit-learn's own code, fed from a cache that the test writes

ARFF = """@RELATION tiny
@ATTRIBUTE a REAL
@ATTRIBUTE color {red,blue}
@ATTRIBUTE class {no,yes}
@DATA
1.5,red,no
?,blue,yes
3.5,blue,no
"""


def cached(folder: Path, *, targets: tuple[str, ...] = ("class",)) -> Path:
    """What fetch_openml would have left in its cache for data set 4242."""
    kinds = {"a": "numeric", "color": "nominal", "class": "nominal"}
    features = [
        {
            "index": str(i),
            "name": name,
            "data_type": kind,
            "is_target": str(name in targets).lower(),
            "is_ignore": "false",
            "is_row_identifier": "false",
            "number_of_missing_values": "1" if name == "a" else "0",
        }
        for i, (name, kind) in enumerate(kinds.items())
    ]
    description = {
        "id": "4242",
        "name": "tiny",
        "version": "1",
        "status": "active",
        "format": "ARFF",
        "description": "a fixture",
        "url": "https://api.openml.org/data/v1/download/1/tiny.arff",
        "md5_checksum": hashlib.md5(ARFF.encode()).hexdigest(),
    }
    api = "api/v1/json/data"
    pages = {
        f"{api}/4242": json.dumps({"data_set_description": description}),
        f"{api}/features/4242": json.dumps({"data_features": {"feature": features}}),
        f"{api}/qualities/4242": json.dumps({"data_qualities": {"quality": []}}),
        "data/v1/download/1/tiny.arff": ARFF,
    }
    for page, text in pages.items():
        path = folder / "openml" / "openml.org" / f"{page}.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(path, "wt") as stream:
            stream.write(text)
    return folder


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    def refuse(*_: object, **__: object) -> io.BytesIO:
        raise URLError("no\nroute to host")

    monkeypatch.setattr("sklearn.datasets._openml.urlopen", refuse)
    monkeypatch.setattr("sklearn.datasets._openml.time.sleep", lambda seconds: None)


@pytest.mark.parametrize("target", [None, "class"])
def test_openml_is_encoded_like_a_file(tmp_path, target):
    encoded = load_openml(4242, target=target, meaning=Meaning(missing="impute"), cache=cached(tmp_path))
    assert encoded.feature_names == ("a", "a is missing", "color=blue", "color=red")
    np.testing.assert_array_equal(encoded.features, [[1.5, 0, 0, 1], [np.nan, 1, 1, 0], [3.5, 0, 1, 0]])
    assert encoded.classes == ("no", "yes")
    assert encoded.labels.tolist() == [0, 1, 0]


def test_openml_with_another_target(tmp_path):
    encoded = load_openml(4242, target="color", meaning=Meaning(missing="impute"), cache=cached(tmp_path))
    assert encoded.classes == ("blue", "red")
    assert encoded.feature_names == ("a", "a is missing", "class=no", "class=yes")


@pytest.mark.parametrize(
    ("number", "target", "targets", "says"),
    [
        (4242, None, ("class",), "openml 4242: column 'a', data row 2: missing value; `missing: impute` allows it"),
        (
            4242,
            "klass",
            ("class",),
            "openml 4242: target column 'klass' does not exist (did you mean 'class'?); "
            "there are 'a', 'color', 'class'",
        ),
        (
            4242,
            None,
            ("color", "class"),
            "openml 4242: target must be named; OpenML has 2 for it: 'color', 'class'",
        ),
        (4242, None, (), "openml 4242: target must be named; OpenML has 0 for it: none"),
        (7, None, ("class",), "openml 7: cannot be fetched: URLError: <urlopen error no route to host>"),
    ],
)
def test_openml_faults_are_one_line(tmp_path, number, target, targets, says):
    with pytest.raises(InputError) as caught:
        load_openml(number, target=target, meaning=Meaning(), cache=cached(tmp_path, targets=targets))
    assert str(caught.value) == says
