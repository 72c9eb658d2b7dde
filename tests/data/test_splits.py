"""Splits of related rows: groups on one side, time in order, equal rows together, a file of its own for testing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import event, given, reject, settings
from hypothesis import strategies as st

from pipeline.core.errors import InputError
from pipeline.data.bundled import BUNDLED, load_bundled
from pipeline.data.dataset import Dataset, Pool, describe
from pipeline.data.pool_splits import split_pool
from pipeline.data.sources import Bundled, File
from pipeline.data.splits import SPLITS, Grouping, Splits, overlapping, split_resampled
from pipeline.data.storage import from_arrays, to_arrays
from pipeline.data.stratification import GroupSizes
from pipeline.data.tables.judging import groups_of_identical_rows
from pipeline.data.time_splits import split_by_time
from pipeline.evaluation.members import test_groups as groups_of_test_rows

CLASSES = ("a", "b", "c")
SIZES = {
    "bundled": {
        "digits": (256, 256), "breast_cancer": (128, 128), "diabetes": (100, 100), "wine": (60, 50), "iris": (50, 40),
    }
}  # fmt: skip


def parts_of(splits: Splits, seed: int) -> list[np.ndarray]:
    return [getattr(splits, split)[seed] for split in SPLITS]


def numbered(values: np.ndarray) -> np.ndarray:
    return np.unique(values, return_inverse=True)[1]


def assert_apart(splits: Splits, groups: np.ndarray) -> None:
    """No row, and no group of rows, is in two parts of a seed."""
    for seed in range(len(splits.train)):
        parts = parts_of(splits, seed)
        rows = np.concatenate(parts)
        assert len(np.unique(rows)) == len(rows)
        assert sum(len(np.unique(groups[part])) for part in parts) == len(np.unique(groups[rows]))


@st.composite
def grouped(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Labels, groups of many sizes, and sizes of parts that leave rows to test on."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    largest = draw(st.sampled_from([1, 2, 5, 20]))
    singles = draw(st.integers(0, 80))
    sizes = np.concatenate([rng.integers(1, largest + 1, draw(st.integers(20, 60))), np.ones(singles, dtype=np.int64)])
    groups = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    pure = draw(st.booleans())
    labels = rng.integers(0, 3, len(sizes))[groups] if pure else rng.integers(0, 3, len(groups))
    rest = len(groups) - GroupSizes.of(groups).left_out - 2
    train = draw(st.integers(3, max(3, rest - 3)))
    validation = draw(st.integers(3, max(3, rest - train)))
    return labels, groups, train, validation


@settings(max_examples=150, deadline=None)
@given(grouped())
def test_no_group_is_on_two_sides_and_parts_are_as_large_as_asked(case):
    labels, groups, train, validation = case
    try:
        splits = split_resampled(
            labels, classes=CLASSES, seeds=3, train=train, validation=validation, name="t",
            grouping=Grouping(groups, "same patient"),
        )  # fmt: skip
    except InputError as error:
        event(str(error).partition(";")[0].partition("got")[0])
        reject()
    assert_apart(splits, groups)
    assert splits.train.shape == (3, train)
    assert splits.validation.shape == (3, validation)
    rest = len(labels) - train - validation
    assert splits.test.shape == (3, rest - GroupSizes.of(groups).left_out)


def test_nothing_is_left_out_where_single_rows_fill_the_parts_up():
    groups = numbered(np.concatenate([np.repeat([-1, -2, -3], [20, 7, 3]), np.arange(60)]))
    assert GroupSizes.of(groups).left_out == 0
    assert GroupSizes.of(np.repeat(np.arange(9), 10)).left_out == 18
    assert GroupSizes.of(np.arange(9)).left_out == 0


def test_groups_are_stratified():
    rng = np.random.default_rng(0)
    labels = (rng.random(400) < 0.2).astype(np.int64)[np.arange(2000) // 5]
    grouping = Grouping(np.arange(2000) // 5, "same patient")
    splits = split_resampled(
        labels, classes=("a", "b"), seeds=10, train=800, validation=400, name="t", grouping=grouping
    )
    for seed in range(10):
        for part in parts_of(splits, seed):
            assert labels[part].mean() == pytest.approx(labels.mean(), abs=0.02)


def test_a_class_of_three_groups_is_in_every_part():
    groups = np.arange(300) // 3
    labels = np.isin(groups, [4, 50, 99]).astype(np.int64)
    splits = split_resampled(
        labels,
        classes=("a", "b"),
        seeds=20,
        train=30,
        validation=30,
        name="t",
        grouping=Grouping(groups, "same patient"),
    )
    for seed in range(20):
        assert all(labels[part].any() for part in parts_of(splits, seed))


def test_grouped_splits_are_reproducible_and_earlier_seeds_stay():
    groups, labels = np.arange(300) // 3, np.arange(300) % 2
    few, many = (
        split_resampled(
            labels, classes=("a", "b"), seeds=seeds, train=90, validation=60, name="t", grouping=Grouping(groups, "x")
        )
        for seeds in (2, 5)
    )
    for split in SPLITS:
        np.testing.assert_array_equal(getattr(few, split), getattr(many, split)[:2])
    assert not np.array_equal(few.train[0], few.train[1])


def test_what_cannot_be_grouped_is_refused():
    grouping, sizes = Grouping(np.repeat(np.arange(9), 10), "rows with the same 'p' stay together"), {"seeds": 1}
    labels = np.repeat([0, 1], [70, 20])
    with pytest.raises(InputError) as caught:
        split_resampled(labels, classes=("a", "b"), **sizes, train=30, validation=20, name="t", grouping=grouping)
    assert str(caught.value) == (
        "t: every class needs 3 groups of rows, one each to train, validate and test; class 'b' has 2; "
        "rows with the same 'p' stay together"
    )
    with pytest.raises(InputError) as caught:
        split_resampled(
            np.arange(90) % 2, classes=("a", "b"), **sizes, train=60, validation=20, name="t", grouping=grouping
        )
    assert str(caught.value) == (
        "t: train and validation must leave two rows or more to test on; got train=60 and validation=20 of 90 rows, "
        "of which up to 10 belong together; rows with the same 'p' stay together"
    )


# Sets of scikit-learn


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_sets_are_split_as_scikit_learn_does_where_all_rows_differ(name):
    from sklearn.model_selection import StratifiedShuffleSplit  # noqa: PLC0415

    (train, validation), pool = SIZES["bundled"][name], load_bundled(name)
    splits = Bundled(kind="bundled", name=name, train=train, validation=validation).load(name, seeds=3).splits
    assert (pool.groups is None) == (name != "iris")
    assert splits.test.shape[1] == len(pool.labels) - train - validation
    if pool.groups is not None:
        assert np.flatnonzero(np.bincount(pool.groups)[pool.groups] > 1).tolist() == [101, 142]
        return assert_apart(splits, pool.groups)
    for seed in range(3):
        shuffle = StratifiedShuffleSplit(n_splits=1, train_size=train, test_size=validation, random_state=seed)
        trained, chosen = next(shuffle.split(pool.features, pool.labels))
        np.testing.assert_array_equal(splits.train[seed], trained)
        np.testing.assert_array_equal(splits.validation[seed], chosen)
    return None


# Time


@st.composite
def timed(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    rows = draw(st.integers(60, 200))
    return rng.integers(0, 2, rows), rng.integers(0, draw(st.sampled_from([5, 30, 10_000])), rows).astype(np.float64)


@settings(max_examples=60, deadline=None)
@given(timed())
def test_no_training_row_is_later_than_a_validation_row_nor_that_than_a_test_row(case):
    labels, times = case
    try:
        splits = split_by_time(labels, times, classes=("a", "b"), seeds=4, train=0.5, validation=0.2, name="t")
    except InputError as error:
        event(str(error).partition(";")[0])
        reject()
    for seed in range(4):
        train, validation, test = parts_of(splits, seed)
        assert times[train].max() < times[validation].min()
        assert times[validation].max() < times[test].min()
        assert len(np.unique(np.concatenate([train, validation, test]))) == sum(map(len, (train, validation, test)))
        np.testing.assert_array_equal(test, splits.test[0])


def test_each_seed_draws_four_fifths_of_the_earlier_rows():
    times = np.random.default_rng(0).permutation(1000).astype(np.float64)
    labels = (times % 4 == 0).astype(np.int64)
    sizes = {"classes": ("a", "b"), "train": 500, "validation": 200, "name": "t"}
    splits = split_by_time(labels, times, **sizes, seeds=30)
    assert (splits.train.shape, splits.validation.shape, splits.test.shape) == ((30, 400), (30, 160), (30, 300))
    assert set(times[np.unique(splits.train)]) == set(range(500))
    assert set(times[np.unique(splits.validation)]) == set(range(500, 700))
    assert set(times[splits.test[0]]) == set(range(700, 1000))
    assert (labels[splits.train].sum(axis=1) == 100).all()
    for split in SPLITS:
        np.testing.assert_array_equal(
            getattr(split_by_time(labels, times, **sizes, seeds=2), split), getattr(splits, split)[:2]
        )


def test_rows_of_one_time_are_not_divided():
    times = np.repeat([0.0, 1.0, 2.0, 3.0], 25)
    splits = split_by_time(np.arange(100) % 2, times, classes=("a", "b"), seeds=1, train=30, validation=10, name="t")
    assert [np.unique(times[part]).tolist() for part in parts_of(splits, 0)] == [[0, 1], [2], [3]]
    with pytest.raises(InputError) as caught:
        split_by_time(np.arange(100) % 2, times, classes=("a", "b"), seeds=1, train=30, validation=60, name="t")
    assert str(caught.value) == (
        "t: train and validation must leave later rows to validate and two or more to test on; "
        "got train=30 and validation=60 of 100 rows at 4 times"
    )


def test_a_class_that_comes_late_is_refused():
    times = np.arange(100.0)
    with pytest.raises(InputError, match=r"^t: train must hold every class; none of the 40 training rows of seed 0"):
        split_by_time(
            (times > 60).astype(np.int64), times, classes=("a", "b"), seeds=1, train=50, validation=20, name="t"
        )


def test_seeds_that_share_a_test_set_say_what_they_draw():
    times = np.arange(1000.0)
    pool = Pool(np.zeros((1000, 1), np.float32), np.arange(1000) % 2, ("a", "b"), ("x",), times=times)
    splits = split_pool(pool, seeds=30, train=500, validation=200, name="t")
    described = describe(Dataset(pool, splits))
    assert overlapping(splits)
    assert described["drawn"] == {"train": 0.8, "validation": 0.8}
    assert "drawn" not in describe(Bundled(kind="bundled", name="wine", train=60, validation=50).load("wine", seeds=30))


# Files


def write(path: str, rows: list[str], header: str = "p,x,when,y") -> str:
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture
def visits(tmp_path, monkeypatch) -> str:
    """Five visits of each of sixty patients."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = [
        f"p{visit % 60},{rng.normal():.4f},{2000 + visit // 12}-{visit % 12 + 1:02}-01,{'ny'[(visit % 60) % 3 == 0]}"
        for visit in range(300)
    ]
    return write("inputs/visits.csv", [rows[k] for k in rng.permutation(300)])


FILE = {"kind": "file", "train": 0.5, "validation": 0.2}


def roles(dataset: Dataset) -> dict[str, str]:
    return {each.name: each.role for each in dataset.pool.understood.summaries}


def test_a_group_column(visits):
    dataset = File(**FILE, path=visits, group="p").load("visits", seeds=4)
    assert dataset.pool.feature_names == ("x", "when (days)")
    assert roles(dataset) == {"p": "group", "x": "feature", "when": "feature", "y": "target"}
    patients = numbered(np.array([line.split(",")[0] for line in Path(visits).read_text().splitlines()[1:]]))
    assert_apart(dataset.splits, patients)
    assert dataset.splits.train.shape == (4, 150)


def test_rows_of_a_group_are_measured_together(visits):
    dataset = File(**FILE | {"train": 0.2, "validation": 0.1}, path=visits, group="p").load("visits", seeds=4)
    back, patients = from_arrays(*to_arrays(dataset)), dataset.pool.groups
    np.testing.assert_array_equal(back.pool.groups, patients)
    grouped = groups_of_test_rows(back, [0, 1, 2, 3])
    for seed in range(4):
        pairs = {*zip(patients[back.splits.test[seed]].tolist(), grouped[seed].tolist(), strict=True)}
        assert len(pairs) == len({patient for patient, _ in pairs})


def test_a_time_column(visits):
    dataset = File(**FILE, path=visits, time="when", max_categories=50).load("visits", seeds=4)
    assert roles(dataset)["when"] == "time"
    assert dataset.pool.feature_names[-1] == "when (days)"
    warning = next(each for each in dataset.pool.understood.findings if each.topic == "time")
    assert warning.option == {"ignore": ["when"]}
    ignored = File(**FILE, path=visits, time="when", ignore=["p", "when"]).load("visits", seeds=4)
    assert "when (days)" not in ignored.pool.feature_names
    for each in (dataset, ignored, from_arrays(*to_arrays(ignored))):
        dates = np.array([line.split(",")[2] for line in Path(visits).read_text().splitlines()[1:]])
        for seed in range(4):
            train, validation, test = (dates[part] for part in parts_of(each.splits, seed))
            assert max(train) < min(validation) <= max(validation) < min(test)


def test_equal_rows_are_together_unless_they_are_split(visits):
    rows = [f"p,{row % 40},2000-01-01,{'ny'[row % 40 % 2]}" for row in range(160)]
    path = write("inputs/equal.csv", rows)
    dataset = File(**FILE, path=path, ignore=["p", "when"]).load("equal", seeds=3)
    assert_apart(dataset.splits, groups_of_identical_rows(dataset.pool.features))
    split = File(**FILE, path=path, ignore=["p", "when"], duplicates="split").load("equal", seeds=3)
    assert split.pool.groups is None
    assert split.splits.test.shape[1] == 48
    with pytest.raises(InputError, match="rows with the same features stay together unless `duplicates: split`"):
        File(**FILE | {"train": 0.8, "validation": 0.19}, path=path, ignore=["p", "when"]).load("equal", seeds=3)


def test_a_file_of_its_own_for_testing(visits):
    rows = [f"{k / 7},n,extra,2030-01-01" for k in range(50)] + ["0.5,y,extra,2030-02-01"]
    test = write("inputs/test.csv", rows, header="x,y,other,when")
    source = File(**FILE, path=visits, test_path=test, ignore=["p"])
    assert source.files == (Path(visits), Path(test))
    dataset = source.load("visits", seeds=4)
    assert dataset.pool.tested == 51
    splits = dataset.splits
    assert (splits.train.shape, splits.validation.shape, splits.test.shape) == ((4, 150), (4, 60), (4, 51))
    assert (splits.test == np.arange(300, 351)).all()
    assert max(splits.train.max(), splits.validation.max()) < 300
    np.testing.assert_allclose(dataset.pool.features[splits.test[0], 0][:3], [0, 1 / 7, 2 / 7], rtol=1e-6)
    assert dataset.pool.labels[splits.test[0]].tolist() == [0] * 50 + [1]
    assert describe(dataset)["drawn"]["train"] == pytest.approx(0.5, abs=0.05)
    assert from_arrays(*to_arrays(dataset)).pool.tested == 51


def test_all_other_rows_may_be_used_where_test_rows_have_a_file(visits):
    test = write("inputs/test.csv", ["p99,1.5,2030-01-01,n", "p98,1.0,2030-01-02,y"])
    dataset = File(**FILE | {"validation": 142}, path=visits, test_path=test, group="p").load("v", seeds=2)
    assert (dataset.splits.train.shape[1], dataset.splits.validation.shape[1]) == (150, 142)
    assert_apart(dataset.splits, dataset.pool.groups)


@pytest.mark.parametrize(
    ("header", "rows", "options", "says"),
    [
        ("x,y", ["1,n", "2,y"], {}, "inputs/test.csv: column 'when' does not exist; there are 'x', 'y'"),
        (
            "p,x,when,y",
            ["p99,1,2030-01-01,n", "p98,,2030-01-01,y"],
            {},
            "inputs/test.csv: column 'x', data row 2: missing value; `missing: impute` allows it",
        ),
        (
            "p,x,when,y",
            ["p99,1,2030-01-01,n", "p98,2,2030-01-01,maybe"],
            {},
            "inputs/test.csv: target column 'y', data row 2: must be a class of inputs/visits.csv; got 'maybe'; "
            "there are 'n', 'y'",
        ),
        (
            "p,x,when,y",
            ["p99,1,2030-01-01,n", "p3,2,2030-01-01,y"],
            {"group": "p", "ignore": ["when"]},
            "inputs/test.csv: group column 'p', data row 2: must be no group of inputs/visits.csv; got 'p3'",
        ),
        (
            "p,x,when,y",
            ["p99,1,2030-01-01,n", "p98,two,2030-01-01,y"],
            {},
            "inputs/test.csv: column 'x', data row 2: must be a number; got 'two'",
        ),
        ("p,x,when,y", ["p99,1,2030-01-01,n"], {}, "inputs/test.csv: must hold two rows or more to test on; got 1"),
    ],
    ids=["no column", "missing", "class", "group", "text", "one row"],
)
def test_a_file_for_testing_that_does_not_fit_is_refused(visits, header, rows, options, says):
    test = write("inputs/test.csv", rows, header=header)
    with pytest.raises(InputError) as caught:
        File(**FILE, path=visits, test_path=test, **{"ignore": ["p"], **options}).load("visits", seeds=2)
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"group": "q"}, "inputs/visits.csv: group column 'q' does not exist; there are 'p', 'x', 'when', 'y'"),
        ({"group": "y"}, "inputs/visits.csv: group must not name the target; got 'y'"),
        (
            {"time": "p", "max_categories": 50},
            "inputs/visits.csv: time column 'p' must hold numbers or dates; got categories such as 'p",
        ),
    ],
)
def test_a_column_that_cannot_relate_rows_is_refused(visits, options, says):
    with pytest.raises(InputError) as caught:
        File(**FILE, path=visits, **options).load("visits", seeds=2)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"group": "p"}, "group column 'p', data row 3: missing value; every row needs a group"),
        ({"time": "when", "ignore": ["p"]}, "time column 'when', data row 2: missing value; every row needs a time"),
    ],
)
def test_every_row_needs_a_group_or_a_time(tmp_path, monkeypatch, options, says):
    monkeypatch.chdir(tmp_path)
    path = write("inputs/t.csv", ["a,1,2000-01-01,n", "b,2,,y", ",3,2000-01-01,n"])
    with pytest.raises(InputError, match=says):
        File(**FILE, path=path, missing="impute", **options).load("t", seeds=2)


def test_only_one_of_them_decides(visits):
    with pytest.raises(ValueError, match="group and time exclude each other; got 'p' and 'when'"):
        File(**FILE, path=visits, group="p", time="when")
    with pytest.raises(ValueError, match="test_path and time exclude each other"):
        File(**FILE, path=visits, time="when", test_path="inputs/test.csv")
