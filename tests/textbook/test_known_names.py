from pathlib import Path

import pytest
from config.test_textbook import change, loaded, write_small

from pipeline.config.textbook import load_textbook, load_topic
from pipeline.core.errors import InputError
from pipeline.core.paths import TEXTBOOK, topic_file
from pipeline.textbook.known_names import require_known_names

ROOT = Path(__file__).parents[2]
HELPS = ("claims", "dropout.helps")
EFFECT = (*HELPS, "effects", 0)


def datasets_of(folder):
    return load_textbook(folder / TEXTBOOK).datasets


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ((*EFFECT, "metric"), "desmoothed/brier", "effects.0.metric: must be of cells with label_smoothing above 0"),
        ((*EFFECT, "metric"), "chosen/dropout", "must be a field that is above 0 in every cell, got 'chosen/dropout'"),
        ((*EFFECT, "metric"), "chosen/hidden", "effects.0.metric: must be one of dropout"),
        ((*HELPS, "checks"), ["l3"], "claims.dropout.helps.checks: must be one of dropout_modes"),
        ((*EFFECT, "metric"), "test/nil", "effects.0.metric: must be one of 2"),
        ((*EFFECT, "metric"), "test~0.5/nll", "effects.0.metric: must be one of 2"),
        ((*EFFECT, "metric"), "weights/norm", "effects.0.metric: must be one of 2"),
        ((*EFFECT, "against_metric"), "sampled/nll", "effects.0.against_metric: must be one of 2"),
        ((*EFFECT, "metric"), "train/nll@1", "must be a metric of an experiment whose history is true"),
        ((*HELPS, "shows", 0, "y"), ["test/nils"], "shows.0.y: must be one of 2"),
        ((*HELPS, "shows", 0, "x"), "epoch", "must be a metric of an experiment whose history is true"),
    ],
)
def test_unknown_names_are_one_line_before_anything_is_trained(tmp_path, path, value, message):
    _, file = write_small(tmp_path)
    change(file, *path, value=value)
    with pytest.raises(InputError) as caught:
        require_known_names(loaded(tmp_path), datasets_of(tmp_path), "topic.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("topic.yaml: claims.dropout.helps.")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("metric", "message"),
    [("train/nll@3", "after @: must be one of 0, 1, 2"), ("test/nll@1", "must be one of train/nll, train/accuracy")],
)
def test_epochs_and_metrics_of_a_history(tmp_path, metric, message):
    _, file = write_small(tmp_path)
    change(file, "experiments", "rates", "history", value=True)
    change(file, *EFFECT, "metric", value="gap/accuracy@2")
    require_known_names(loaded(tmp_path), datasets_of(tmp_path), "topic.yaml")
    change(file, *EFFECT, "metric", value=metric)
    with pytest.raises(InputError, match=message):
        require_known_names(loaded(tmp_path), datasets_of(tmp_path), "topic.yaml")


@pytest.mark.parametrize("metric", ["bias/brier", "variance/nll", "test/exact_ce"])
def test_metrics_of_a_posterior_need_one(tmp_path, metric):
    shared, file = write_small(tmp_path)
    change(file, *EFFECT, "metric", value=metric)
    require_known_names(loaded(tmp_path), datasets_of(tmp_path), "topic.yaml")
    change(shared, "datasets", "task", value={"kind": "bundled", "name": "iris", "train": 30, "validation": 30})
    with pytest.raises(InputError, match=r"effects\.0\.metric, on task: must be of data whose posterior is known"):
        require_known_names(loaded(tmp_path), datasets_of(tmp_path), "topic.yaml")


def test_masks_need_dropout_and_a_share_of_the_training_loss_is_one(tmp_path):
    _, file = write_small(tmp_path)
    change(file, "experiments", "rates", "samples", value=2)
    change(file, *EFFECT, "metric", value="masked/nll")
    with pytest.raises(InputError, match="must be of cells with dropout above 0"):
        require_known_names(loaded(tmp_path), datasets_of(tmp_path), "topic.yaml")
    change(file, "experiments", "rates", "history", value=True)
    change(file, *EFFECT, "metric", value="validation/nll@fit=1.5")
    with pytest.raises(InputError, match=r"after @fit=: must be a share above 0 and below 1, got '1\.5'"):
        require_known_names(loaded(tmp_path), datasets_of(tmp_path), "topic.yaml")


def test_every_topic_of_the_textbook_passes():
    textbook = load_textbook(ROOT / TEXTBOOK)
    for name in textbook.topics:
        require_known_names(load_topic(ROOT / topic_file(name), textbook), textbook.datasets, name)
