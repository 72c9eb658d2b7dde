"""The section `baselines` of params.yaml: what it may hold, and a line that names what it may not."""

from pathlib import Path

import pytest

from pipeline.config.baselines import BASELINES, read_baselines
from pipeline.config.params import explain_params, load_params
from pipeline.core.errors import InputError

SOURCE = Path(__file__).parents[2] / "params.yaml"
FOREST = {"estimator": "RandomForestClassifier"}
KNOWN = ", ".join(BASELINES)


def refusal(section):
    with pytest.raises(InputError) as caught:
        read_baselines(section, Path("params.yaml"))
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message.removeprefix("params.yaml: ")


def test_the_real_file_has_one_of_each():
    rows = load_params(SOURCE).baselines
    assert {row.estimator for row in rows.values()} == set(BASELINES)


def test_none_may_be_named():
    assert read_baselines({}, SOURCE) == {}


@pytest.mark.parametrize(
    ("section", "line"),
    [
        (None, "baselines: must be a mapping of names, {} for none, got None"),
        ([FOREST], "baselines: must be a mapping of names"),
        ({"a/b": FOREST}, "baselines: names are 1 to 60 letters, digits and underscores, got 'a/b'"),
        ({"forest": 3}, "baselines.forest: must be a row of settings, got 3"),
        ({"forest": {}}, "baselines.forest.estimator: this key is missing"),
        ({"svm": {"estimator": "SVC"}}, f"baselines.svm.estimator: must be one of {KNOWN}, got 'SVC'"),
        ({"svm": {"estimator": [1]}}, "got [1]"),
        ({"forest": {**FOREST, "trees": 3}}, "baselines.forest.trees: unknown key (its value is 3)"),
        ({"forest": {**FOREST, "n_estimators": 0}}, "baselines.forest.n_estimators: should be greater than or equal"),
        ({"forest": {**FOREST, "n_estimators": "many"}}, "got 'many'"),
        ({"forest": {**FOREST, "criterion": "mse"}}, "baselines.forest.criterion: "),
        ({"mlp": {"estimator": "MLPClassifier", "hidden_layer_sizes": [8, 0]}}, "baselines.mlp.hidden_layer_sizes.1: "),
        ({"mlp": {"estimator": "MLPClassifier", "validation_fraction": 0}}, "baselines.mlp.validation_fraction: "),
    ],
)
def test_a_mistake_is_one_line_that_names_it(section, line):
    assert line in refusal(section)


@pytest.mark.parametrize("model", BASELINES.values())
def test_every_setting_is_described(model):
    described = {name: field.description for name, field in model.model_fields.items() if name != "estimator"}
    assert all(text and text.endswith(".") for text in described.values())


def test_they_are_explained():
    text = explain_params()
    assert all(f"baselines.NAME, estimator: {name}: " in text for name in BASELINES)
    assert "  n_estimators     Trees. (default 100)" in text
