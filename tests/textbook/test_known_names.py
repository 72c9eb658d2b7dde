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


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ((*HELPS, "checks"), ["l3"], "claims.dropout.helps.checks: must be one of dropout_modes"),
        ((*EFFECT, "metric"), "test/nil", "effects.0.metric: must be one of train/nll"),
        ((*EFFECT, "metric"), "test~0.5/nll", "effects.0.metric: must be one of train/nll"),
        ((*EFFECT, "metric"), "weights/norm", "effects.0.metric: must be one of train/nll"),
        ((*EFFECT, "against_metric"), "sampled/nll", "effects.0.against_metric: must be one of train/nll"),
        ((*EFFECT, "metric"), "train/nll@1", "must be a metric of an experiment whose history is true"),
        ((*HELPS, "shows", 0, "y"), ["test/nils"], "shows.0.y: must be one of train/nll"),
        ((*HELPS, "shows", 0, "x"), "epoch", "must be a metric of an experiment whose history is true"),
    ],
)
def test_unknown_names_are_one_line_before_anything_is_trained(tmp_path, path, value, message):
    _, file = write_small(tmp_path)
    change(file, *path, value=value)
    with pytest.raises(InputError) as caught:
        require_known_names(loaded(tmp_path), "topic.yaml")
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
    require_known_names(loaded(tmp_path), "topic.yaml")
    change(file, *EFFECT, "metric", value=metric)
    with pytest.raises(InputError, match=message):
        require_known_names(loaded(tmp_path), "topic.yaml")


def test_every_topic_of_the_textbook_passes():
    textbook = load_textbook(ROOT / TEXTBOOK)
    for name in textbook.topics:
        require_known_names(load_topic(ROOT / topic_file(name), textbook), name)
