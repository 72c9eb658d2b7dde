import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from pipeline.config.datasets import File
from pipeline.config.params import load_params
from pipeline.core.errors import InputError
from pipeline.core.files import read_arrays, write_arrays
from pipeline.core.paths import data_file
from pipeline.data.load import load_dataset
from pipeline.data.storage import SPLITS, from_arrays, labels_of, seed_data, to_arrays
from pipeline.data.storage import test_posterior as posterior_of

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
FILE = {"kind": "file", "train": 30, "validation": 10}


@pytest.fixture(scope="module")
def built():
    """Every data set of the real parameters, for three seeds."""
    return {name: load_dataset(name, wanted, seeds=3) for name, wanted in PARAMS.datasets.items()}


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
    fewer = load_dataset(name, PARAMS.datasets[name], seeds=2)
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
            expected = scaler.transform(dataset.pool.features[rows[split]].astype(np.float64))
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
    dataset = load_dataset("mine", File(**FILE, path="inputs/mine.csv", ignore=["b"]), seeds=2)
    assert dataset.pool.classes == ("no", "yes")
    assert dataset.pool.feature_names == ("a",)
    assert dataset.splits.test.shape == (2, 20)


@pytest.mark.parametrize("path", ["elsewhere.csv", "inputs/../elsewhere.csv", "/etc/passwd", "inputs/link.csv"])
def test_a_users_file_lies_where_dvc_watches(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    table(Path("elsewhere.csv"))
    Path("inputs").mkdir()
    Path("inputs/link.csv").symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(InputError, match=r"^datasets\.mine\.path: must lie in inputs/") as caught:
        load_dataset("mine", File(**FILE, path=path), seeds=2)
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
        load_dataset("mine", File(**{**FILE, "path": "inputs/mine.csv", **changes}), seeds=2)
    assert len(str(caught.value).splitlines()) == 1
