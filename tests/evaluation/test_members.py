import numpy as np
import pytest

from pipeline.data.bundled import load_bundled
from pipeline.data.dataset import Dataset
from pipeline.data.pool_splits import split_pool
from pipeline.data.splits import SPLITS
from pipeline.evaluation import members
from pipeline.evaluation.members import score_point


@pytest.fixture(scope="module")
def dataset():
    pool = load_bundled("breast_cancer")
    return Dataset(pool, split_pool(pool, seeds=5, train=100, validation=100, name="breast_cancer"))


@pytest.mark.parametrize("together", [1, 2_000])
def test_members_score_the_same_a_few_at_a_time(dataset, monkeypatch, together):
    seeds, rng = [0, 1, 3, 4], np.random.default_rng(1)
    sizes = {split: getattr(dataset.splits, split).shape[1] for split in SPLITS}
    arrays = {f"logits/{s}": rng.standard_normal((4, n, 2)).astype(np.float32) for s, n in sizes.items()}
    arrays["logits/test"][2, 5, 0] = np.inf
    arrays["epochs"] = np.arange(4)
    whole = score_point(arrays, dataset, seeds)
    monkeypatch.setattr(members, "TOGETHER", together)
    few = score_point(arrays, dataset, seeds)
    assert few.keys() == whole.keys()
    assert any(name.startswith("group/") for name in whole)
    assert all(few[name].dtype == whole[name].dtype and few[name].tobytes() == whole[name].tobytes() for name in whole)
