"""What share of the rows that it could have a seed has, from which the correlation of seeds is bounded."""

import pytest

from pipeline.statistics.shared_rows import TRAINING_PART, Overlap, SplitSizes
from pipeline.textbook.experiment_results import SplitSizes as NamedSizes

DRAWN = {"train": 0.8, "validation": 0.5}


def test_resplits_share_what_a_part_fills_of_the_pool():
    overlap = Overlap(SplitSizes(20, 30, 50, overlapping=True), {})
    assert [overlap.share(part) for part in ("train", "validation", "test")] == [0.2, 0.3, 0.5]
    assert overlap.rho == pytest.approx(TRAINING_PART * 0.2)
    assert Overlap(SplitSizes(20, 30, 50, overlapping=False), {}).share("train") == 0


def test_seeds_that_test_on_the_same_rows_share_what_they_draw_of_the_others():
    overlap = Overlap(SplitSizes(20, 30, 50, overlapping=True, drawn=DRAWN), {})
    assert [overlap.share(part) for part in ("train", "validation", "test")] == [0.8, 0.5, 0]
    assert overlap.rho == pytest.approx(TRAINING_PART * 0.8)


def test_fewer_training_rows_are_a_smaller_share():
    sizes = NamedSizes(20, 30, 50, overlapping=True, name="t", drawn=DRAWN).training_on(5)
    assert Overlap(sizes, {}).share("train") == pytest.approx(0.2)
    assert Overlap(NamedSizes(20, 30, 50, overlapping=True, name="t").training_on(5), {}).share("train") == 0.05
