import numpy as np
import pytest
import torch
from oracles import equal, members_of, point, toy_data

from pipeline.data.bundled import load_bundled
from pipeline.data.dataset import Dataset
from pipeline.data.pool_splits import split_pool
from pipeline.data.seed_data import seed_data, seed_preprocessor
from pipeline.data.splits import SPLITS
from pipeline.training import early_stopping, inputs
from pipeline.training.fit import fit_stack
from pipeline.training.inputs import Inputs

SEEDS = (0, 2)


@pytest.fixture(scope="module", params=["standard", "robust", "quantile"])
def dataset(request):
    pool = load_bundled("wine")
    return Dataset(pool, split_pool(pool, seeds=3, train=60, validation=50, name="wine"), request.param)


def pair(parts, monkeypatch):
    """Inputs that are held, and the same encoded as they are drawn."""
    held = Inputs(parts, torch.float32)
    monkeypatch.setattr(inputs, "HELD", 0)
    drawn = Inputs(parts, torch.float32)
    assert list(held.held) == list(held.splits)
    assert not drawn.held
    return held, drawn


def test_rows_of_a_pool_are_what_copies_of_every_seed_were(dataset):
    for seed in SEEDS:
        data, preprocessor = seed_data(dataset, seed), seed_preprocessor(dataset, seed)
        for split in SPLITS:
            rows = getattr(dataset.splits, split)[seed]
            copy = preprocessor.transform(dataset.pool.features[rows])
            assert data.features[split].tobytes() == copy.tobytes()
            places = np.array([3, 0, 3])
            assert data.take(split, places).tobytes() == copy[places].tobytes()


def test_what_is_drawn_equals_what_is_held(dataset, monkeypatch):
    held, drawn = pair([seed_data(dataset, seed) for seed in SEEDS], monkeypatch)
    assert held.width == drawn.width == 13
    rows = torch.tensor([[5, 1, 59], [0, 0, 7]])
    assert torch.equal(held.take("train", rows), drawn.take("train", rows))
    for split in SPLITS:
        pieces = [list(each.blocks(split, 32)) for each in (held, drawn)]
        assert all(torch.equal(one, other) for one, other in zip(*pieces, strict=True))
        assert torch.equal(torch.cat(pieces[1], 1), held.held[split])


def test_data_without_a_pool_are_drawn_too(monkeypatch):
    held, drawn = pair([toy_data(seed) for seed in SEEDS], monkeypatch)
    rows = torch.tensor([[5, 1], [0, 3]])
    assert torch.equal(held.take("train", rows), drawn.take("train", rows))


@pytest.mark.parametrize(
    "changes", [{"mixup": 0.4, "noise": 0.3, "balance": "weights"}, {"early_stopping": "nll_calibrated"}]
)
def test_members_train_to_the_same_bit(dataset, monkeypatch, changes):
    data = {seed: seed_data(dataset, seed) for seed in SEEDS}
    members = members_of([point(), point(**changes)], SEEDS)
    held = fit_stack(members, data, weights=True)
    monkeypatch.setattr(inputs, "HELD", 0)
    monkeypatch.setattr(early_stopping, "TOGETHER", 1)
    assert equal(fit_stack(members, data, weights=True), held)
