import json
from pathlib import Path
from typing import Annotated, Literal, get_args

import numpy as np
import pytest
from pydantic import Field, TypeAdapter
from sklearn.preprocessing import StandardScaler

from pipeline.config.params import load_params
from pipeline.config.reading import explained
from pipeline.core.arrays import read_arrays, write_arrays
from pipeline.core.errors import InputError
from pipeline.core.paths import data_file
from pipeline.data.dataset import Dataset, Pool, labels_of
from pipeline.data.dataset import test_posterior as posterior_of
from pipeline.data.seed_data import seed_data
from pipeline.data.sources import SOURCES, DatasetParams, File, Synthetic
from pipeline.data.splits import SPLITS
from pipeline.data.storage import from_arrays, to_arrays
from pipeline.data.synthetic import consecutive

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
FILE = {"kind": "file", "train": 30, "validation": 10}


@pytest.fixture(scope="module")
def built():
    """Every data set of the real parameters, for three seeds."""
    return {name: source.load(name, seeds=3) for name, source in PARAMS.datasets.items()}


@pytest.fixture(params=list(PARAMS.datasets))
def name(request):
    return request.param


def table(path, rows=60):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{row % 7},{row * 0.5},{'yes' if row % 3 else 'no'}" for row in range(rows)]
    path.write_text("\n".join(["a,b,y", *lines]) + "\n")


def test_sizes_are_as_asked(built, name):
    wanted, splits = PARAMS.datasets[name], built[name].splits
    assert splits.train.shape == (3, wanted.train)
    assert splits.validation.shape == (3, wanted.validation)
    assert splits.test.shape[1] == getattr(
        wanted, "test", len(built[name].pool.labels) - wanted.train - wanted.validation
    )


def test_parts_do_not_overlap(built, name):
    splits = built[name].splits
    for seed in range(3):
        rows = np.concatenate([splits.train[seed], splits.validation[seed], splits.test[seed]])
        assert len(np.unique(rows)) == len(rows)


def test_more_seeds_change_none(built, name):
    fewer = PARAMS.datasets[name].load(name, seeds=2)
    for seed in range(2):
        one, other = seed_data(fewer, seed), seed_data(built[name], seed)
        for split in SPLITS:
            np.testing.assert_array_equal(one.features[split], other.features[split])
            np.testing.assert_array_equal(one.labels[split], other.labels[split])


def test_seeds_differ(built, name):
    first, second = (seed_data(built[name], seed) for seed in (0, 1))
    assert not np.array_equal(first.features["train"], second.features["train"])


def test_features_are_standardized_by_the_training_part_alone(built, name):
    dataset = built[name]
    for seed in range(3):
        mine = seed_data(dataset, seed)
        rows = {split: getattr(dataset.splits, split)[seed] for split in SPLITS}
        scaler = StandardScaler().fit(dataset.pool.features[rows["train"]].astype(np.float64))
        for split in SPLITS:
            expected = scaler.transform(dataset.pool.features[rows[split]].astype(np.float64)).clip(-10, 10)
            np.testing.assert_allclose(mine.features[split], expected, rtol=1e-4, atol=1e-4)
            np.testing.assert_array_equal(mine.labels[split], dataset.pool.labels[rows[split]])
            assert mine.features[split].dtype == np.float32
        assert mine.classes == len(dataset.pool.classes)


def test_comes_back_from_its_arrays(built, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arrays, about = to_arrays(built[name])
    write_arrays(data_file(name), arrays, about)
    back = from_arrays(*read_arrays(data_file(name)))
    assert json.loads(json.dumps(about)) == json.loads(json.dumps(to_arrays(back)[1]))
    for key, array in to_arrays(back)[0].items():
        np.testing.assert_array_equal(array, arrays[key])
        assert array.dtype == arrays[key].dtype
    assert back.pool.classes == built[name].pool.classes
    assert (back.pool.posterior is None) == (built[name].pool.posterior is None)


def test_labels_and_posterior_follow_the_seeds(built, name):
    labels = labels_of(built[name], [2, 0])
    for place, seed in enumerate((2, 0)):
        for split in SPLITS:
            np.testing.assert_array_equal(labels[split][place], seed_data(built[name], seed).labels[split])
    posterior = posterior_of(built[name], [2, 0])
    if built[name].pool.posterior is None:
        assert posterior is None
    else:
        assert posterior.shape == (*labels["test"].shape, len(built[name].pool.classes))
        np.testing.assert_allclose(posterior.sum(-1), 1, rtol=1e-12)


def test_random_labels_have_a_flat_posterior(built):
    np.testing.assert_array_equal(posterior_of(built["random_labels"], [0]), 0.5)


def test_label_noise_is_the_only_difference_of_the_noisy_mixture(built):
    clean, noisy = built["mixture"].pool, built["noisy_mixture"].pool
    np.testing.assert_array_equal(clean.features, noisy.features)
    assert np.mean(clean.labels != noisy.labels) == pytest.approx(
        PARAMS.datasets["noisy_mixture"].label_noise, abs=0.02
    )


def test_a_users_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table(Path("inputs/mine.csv"))
    dataset = File(**FILE, path="inputs/mine.csv", ignore=["b"], duplicates="split").load("mine", seeds=2)
    assert dataset.pool.classes == ("no", "yes")
    assert dataset.pool.feature_names == ("a",)
    assert dataset.splits.test.shape == (2, 20)


def test_what_a_user_says_of_a_file_is_kept_with_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table(Path("inputs/mine.csv"))
    Path("inputs/mine.csv").write_text(Path("inputs/mine.csv").read_text().replace(",", ";").replace(".", ","))
    source = File(**FILE, path="inputs/mine.csv", categorical=["a"], na_values=[-1], dates={})
    dataset = source.load("mine", seeds=2)
    assert dataset.pool.feature_names == (*(f"a={k}" for k in range(7)), "b")
    arrays, about = to_arrays(dataset)
    back = from_arrays(arrays, json.loads(json.dumps(about))).pool.understood
    assert back == dataset.pool.understood
    assert (back.table.reading.separator, back.table.reading.decimal) == (";", ",")
    assert back.table.reading.na_values == ("-1",)


@pytest.mark.parametrize("path", ["elsewhere.csv", "inputs/../elsewhere.csv", "/etc/passwd", "inputs/link.csv"])
def test_a_users_file_lies_where_dvc_watches(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    table(Path("elsewhere.csv"))
    Path("inputs").mkdir()
    Path("inputs/link.csv").symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(InputError, match=r"^datasets\.mine\.path: must lie in inputs/") as caught:
        File(**FILE, path=path).load("mine", seeds=2)
    assert path in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"path": "inputs/none.csv"}, "inputs/none.csv"),
        ({"target": "z"}, "'z'"),
        ({"train": 60}, "train"),
        ({"train": 55}, "rows"),
    ],
    ids=["no file", "no column", "all rows", "too many rows"],
)
def test_what_cannot_be_used_is_one_line(tmp_path, monkeypatch, changes, words):
    monkeypatch.chdir(tmp_path)
    table(Path("inputs/mine.csv"))
    with pytest.raises(InputError, match=words) as caught:
        File(**{**FILE, "path": "inputs/mine.csv", **changes}).load("mine", seeds=2)
    assert len(str(caught.value).splitlines()) == 1


class Coin(Synthetic):
    """A kind that this test adds: one feature, and a class that is its sign."""

    kind: Literal["coin"]

    def load(self, name, *, seeds):
        rows = seeds * (self.train + self.validation) + self.test
        features = np.resize(np.float32([[-1], [1]]), (rows, 1))
        pool = Pool(features, (features[:, 0] > 0).astype(np.int64), ("tails", "heads"), ("side",))
        return Dataset(pool, consecutive(seeds, train=self.train, validation=self.validation, test=self.test))


def test_a_kind_is_one_class_and_a_row_of_the_registry():
    """Nothing else knows kinds: the same union with one more member reads, explains and loads it."""
    union = get_args(DatasetParams)[0] | Coin
    sizes = {"features": 1, "classes": 2, "train": 4, "validation": 2, "test": 6}
    source = TypeAdapter(Annotated[union, Field(discriminator="kind")]).validate_python({"kind": "coin", **sizes})
    assert isinstance(source, Coin)
    assert "Training rows of each seed." in explained("coin", Coin)
    made = from_arrays(*to_arrays(source.load("mine", seeds=2)))
    data = seed_data(made, 1)
    assert {split: len(labels) for split, labels in data.labels.items()} == {"train": 4, "validation": 2, "test": 6}
    assert [*SOURCES] == ["mixture", "noise", "bundled", "file", "openml"]
    assert all(SOURCES[source.kind] is type(source) for source in PARAMS.datasets.values())
