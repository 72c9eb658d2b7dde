"""Do the records say what the results say, also where training diverged?"""

import math
from typing import Any

import numpy as np
import pytest

from pipeline.config import Point
from pipeline.publication import CURVES, HEADLINE, records_of
from pipeline.records import Record, digest
from pipeline.results import Protocol, results_table
from pipeline.tracking import METRICS_A_BATCH

SEEDS, EPOCHS = 30, 20
DIRECTIONS = dict.fromkeys(HEADLINE, "lower") | {"test/accuracy": "higher"}
OTHERS = 150  # more than the metrics beside the headline that an evaluation writes
DATASET = {
    "name": "mixture",
    "md5": "abc",
    "feature_names": ["x", "y"],
    "features": 2,
    "rows": 500,
    "overlapping": False,
    "train": 300,
    "validation": 100,
    "test": 100,
}


def fields_of(**changes: object) -> dict[str, Any]:
    """The parameters of an unregularized point, of every kind that a field can have."""
    plain: dict[str, Any] = dict.fromkeys(Point.model_fields, 0)
    return plain | {"learning_rate": 0.01, "widths": [64, 64]} | changes


def study(scores: np.ndarray, *, history: np.ndarray | None = None) -> list[Record]:
    """Records of a reference and dropout points, whose metrics all have these scores (points, seeds)."""
    rates = np.arange(len(scores)) / 10
    points = [
        {
            "variant": "dropout" if rate else "none",
            "name": f"dropout={rate}" if rate else "none",
            "parameters": fields_of(dropout=rate),
            "md5": f"md5 of {rate}",
        }
        for rate in rates.tolist()
    ]
    names = [*HEADLINE, *(f"train/other{number}" for number in range(OTHERS))]
    results = results_table(
        points,
        dict.fromkeys(names, scores),
        directions=DIRECTIONS,
        reference=0,
        dataset=DATASET,
        protocol=Protocol(confidence=0.95, resamples=200, gamma=0.75),
        generator=np.random.default_rng(0),
    )
    curves = np.ones((scores.shape[1], EPOCHS)) if history is None else history
    arrays = [
        {
            **{f"score/{name}": values for name in HEADLINE},
            **{f"history/{name}": curves for name in CURVES},
            "history/epoch": np.arange(EPOCHS),
        }
        for values in scores
    ]
    return records_of(results, arrays)


def scores(points: int = 2, seeds: int = SEEDS) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(points, seeds)) + np.arange(points)[:, None]


def find(records: list[Record], name: str) -> Record:
    return next(record for record in records if record.name == name and record.tags["level"] == "point")


def values_of(record: Record) -> dict[str, float]:
    return {name: value for name, value, step in record.metrics if step == 0}


def test_differences_come_with_their_interval():
    values = values_of(find(study(scores()), "dropout=0.1"))
    for name in HEADLINE:
        low, middle, high = (values[f"against_none/{name}{end}"] for end in ("/low", "", "/high"))
        assert low < middle < high


def test_the_numbers_fit_into_one_batch_and_the_curves_come_last():
    metrics = find(study(scores()), "dropout=0.1").metrics
    curves = [name.startswith("curves/") for name, _, _ in metrics]
    assert curves == sorted(curves)
    # means; interval, seeds, difference with interval and P(better) of each headline metric; curves
    expected = OTHERS + len(HEADLINE) * (1 + 2 + SEEDS + 3 + 1) + len(CURVES) * EPOCHS
    assert len(metrics) == expected <= METRICS_A_BATCH


def test_the_reference_is_compared_with_nothing():
    reference = find(study(scores()), "none")
    assert reference.tags["verdict"] == "reference"
    assert not any(name.startswith("against_none/") for name in values_of(reference))


def test_a_comparison_says_its_interval_and_verdict():
    record = find(study(scores(3)), "dropout=0.2")
    assert "**worse**" in record.description
    assert "not finite" not in record.description
    assert record.tags["verdict"] == "worse"


def test_a_variant_says_how_to_hide_history():
    parents = [record for record in study(scores()) if record.tags["level"] == "variant"]
    assert [record.name for record in parents] == ["none", "dropout"]
    assert all('tags.superseded = "false"' in record.description for record in parents)


@pytest.mark.parametrize(("broken", "words"), [(1, "not finite (in 1 of the seeds)"), (SEEDS, "not finite (in 30 of")])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_diverged_point_says_so(broken, words, value):
    diverged = scores()
    diverged[1, :broken] = value
    record = find(study(diverged, history=np.full((SEEDS, EPOCHS), value)), "dropout=0.1")
    assert words in record.description
    assert f"Not compared: {broken} of 30 seeds" in record.description
    assert record.tags["verdict"] == "not compared"
    values = values_of(record)
    assert math.isnan(values["test/nll"])
    assert all(math.isnan(values[f"against_none/test/nll{end}"]) for end in ("", "/low", "/high"))
    assert math.isnan(values["p_better/test/nll"])
    assert not math.isfinite(values["curves/train/nll"])
    assert len(digest(record)) == 64


def test_a_diverged_reference_leaves_every_comparison_out():
    diverged = scores(3)
    diverged[0, 4] = math.nan
    records = study(diverged)
    assert "not finite (in 1 of the seeds)" in find(records, "none").description
    for name in ("dropout=0.1", "dropout=0.2"):
        assert "Not compared: 1 of 30 seeds of the reference" in find(records, name).description
        assert find(records, name).tags["verdict"] == "not compared"


def test_curves_that_diverge_both_ways_are_no_warning():
    both = np.where(np.arange(SEEDS)[:, None] % 2, math.inf, -math.inf) * np.ones(EPOCHS)
    assert math.isnan(values_of(find(study(scores(), history=both), "none"))["curves/train/nll"])


def test_one_seed_has_no_interval():
    record = find(study(scores(seeds=1)), "dropout=0.1")
    assert "[not finite, not finite]" in record.description
    assert math.isnan(values_of(record)["interval/test/nll/low"])
