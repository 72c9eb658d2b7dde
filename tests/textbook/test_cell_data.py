import numpy as np
import pytest
from oracles import point

from pipeline.config.claims import Cell
from pipeline.data.seed_data import seed_data
from pipeline.data.synthetic import MixtureTask, make_mixture
from pipeline.textbook.cell_data import cell_data, noisy

TASK = MixtureTask(seed=1, classes=3, components=1, features=4, separation=3.0, label_noise=0.0)


@pytest.fixture(scope="module")
def dataset():
    return make_mixture(TASK, seeds=2, train=400, validation=30, test=50, name="task")


def cell(**changes):
    return Cell.model_validate({**point().model_dump(), **changes})


def test_a_cell_that_changes_nothing_has_the_data_as_it_is(dataset):
    found, plain = cell_data(dataset, cell(), 1), seed_data(dataset, 1)
    assert all(np.array_equal(found.features[split], plain.features[split]) for split in plain.features)
    assert all(np.array_equal(found.labels[split], plain.labels[split]) for split in plain.labels)


def test_fewer_rows_are_the_first_and_standardize_everything(dataset):
    found = cell_data(dataset, cell(rows=40), 0)
    assert found.features["train"].shape == (40, 4)
    np.testing.assert_allclose(found.features["train"].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(found.features["train"].std(0), 1, rtol=1e-5)
    assert np.array_equal(found.labels["train"], seed_data(dataset, 0).labels["train"][:40])
    assert np.array_equal(found.labels["test"], seed_data(dataset, 0).labels["test"])
    assert not np.array_equal(found.features["test"], seed_data(dataset, 0).features["test"])


def test_more_rows_than_there_are_is_all(dataset):
    assert len(cell_data(dataset, cell(rows=10_000), 0).labels["train"]) == 400


def test_wrong_labels_are_nested_and_as_frequent_as_said(dataset):
    labels = {rate: cell_data(dataset, cell(label_noise=rate), 0).labels["train"] for rate in (0.0, 0.2, 0.4)}
    wrong = {rate: own != labels[0.0] for rate, own in labels.items()}
    assert not (wrong[0.2] & ~wrong[0.4]).any()
    assert np.array_equal(labels[0.2][wrong[0.2]], labels[0.4][wrong[0.2]])
    for rate in (0.2, 0.4):
        assert abs(wrong[rate].mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / 400)
    shift = (labels[0.4] - labels[0.0])[wrong[0.4]] % 3
    assert set(shift) == {1, 2}


def test_only_training_labels_are_wrong(dataset):
    found, plain = cell_data(dataset, cell(label_noise=0.4), 0), seed_data(dataset, 0)
    assert all(np.array_equal(found.labels[split], plain.labels[split]) for split in ("validation", "test"))


def test_noise_on_test_inputs_is_the_same_noise_scaled(dataset):
    found = cell_data(dataset, cell(), 1, input_noise=(0.5, 1.0))
    clean = found.features["test"]
    half, whole = (found.features[noisy(sigma)] - clean for sigma in (0.5, 1.0))
    np.testing.assert_allclose(2 * half, whole, atol=1e-5)
    assert abs(whole.std() - 1) < 0.15
    assert set(found.labels) == {"train", "validation", "test"}
    other = cell_data(dataset, cell(), 0, input_noise=(1.0,))
    assert not np.allclose(other.features[noisy(1.0)] - other.features["test"], whole)
