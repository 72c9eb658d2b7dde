"""Points as JSON: files from before a field existed keep their bytes, and tables have every field that is used."""

import json
from pathlib import Path

import pytest

from pipeline.config.params import load_params
from pipeline.config.points import STRENGTHS, Point, Regularizers
from pipeline.core.errors import InputError

SOURCE = Path(__file__).parents[2] / "params.yaml"
TRAIN = {
    "hidden": [128, 128, 128], "epochs": 60, "batch_size": 64, "optimizer": "adam", "learning_rate": 0.003,
    "schedule": "constant", "momentum": 0.9,
}  # fmt: skip
GOLDEN = (
    '{"architecture": "mlp", "averaging": 0.0, "batch_norm": false, "batch_size": 64, "cutmix": 0.0, "cutout": 0.0, '
    '"dropout": 0.0, "early_stopping": "none", "epochs": 60, "hidden": [128, 128, 128], "input_dropout": 0.0, '
    '"l2": 0.0, "label_smoothing": 0.0, "learning_rate": 0.003, "max_norm": 0.0, "mixup": 0.0, "momentum": 0.9, '
    '"noise": 0.0, "optimizer": "adam", "output_dropout": 0.0, "patience": 0, "replicate": 0, "schedule": "constant", '
    '"shared_dropout": false, "weight_decay": 0.0}'
)
NEW = ("focal_loss", "confidence_penalty", "r_drop")


def point(**changes):
    return Point.model_validate({**TRAIN, "hidden": (128, 128, 128), **changes})


def as_json(chosen):
    return json.dumps(chosen.model_dump(mode="json"), sort_keys=True)


def test_a_point_without_the_new_losses_has_the_bytes_it_had():
    assert as_json(point()) == GOLDEN
    assert as_json(point(**dict.fromkeys(NEW, 0.0))) == GOLDEN


@pytest.mark.parametrize("field", NEW)
def test_a_point_with_a_new_loss_has_it_and_comes_back(field):
    chosen = point(**{field: 0.5})
    dumped = chosen.model_dump(mode="json")
    assert dumped == {**json.loads(GOLDEN), field: 0.5}
    assert Point.model_validate_json(json.dumps(dumped)) == chosen
    assert Point.model_validate_json(GOLDEN) == point()


@pytest.mark.parametrize("field", NEW)
@pytest.mark.parametrize("value", [-0.1, float("inf"), float("nan"), "1"])
def test_a_new_strength_is_a_finite_number_from_zero(field, value):
    with pytest.raises(ValueError, match=field):
        point(**{field: value})


def test_strengths_are_the_regularizers_that_are_numbers():
    assert set(NEW) < set(STRENGTHS)
    assert set(Regularizers.model_fields) - set(STRENGTHS) == {
        "shared_dropout", "early_stopping", "patience", "batch_norm",
    }  # fmt: skip


def params_with(tmp_path, old, new):
    text = SOURCE.read_text().replace(old, new, 1)
    assert new in text
    path = tmp_path / "params.yaml"
    path.write_text(text)
    return path


def test_a_variant_sweeps_a_new_loss(tmp_path):
    path = params_with(tmp_path, "  combined:", "  focal: {focal_loss: [0.0, 1, 2.5]}\n  combined:")
    variant = load_params(path).variants["focal"]
    assert variant.labels == ("focal_loss=0", "focal_loss=1", "focal_loss=2.5")
    assert [chosen.focal_loss for chosen in variant.points] == [0.0, 1.0, 2.5]


def test_a_point_that_is_not_balanced_has_the_bytes_it_had():
    assert as_json(point(balance="none")) == GOLDEN
    assert json.loads(as_json(point(balance="weights")))["balance"] == "weights"


def test_a_point_that_the_cpu_trains_has_the_bytes_it_had():
    assert as_json(point(device="cpu")) == GOLDEN
    assert json.loads(as_json(point(device="cuda")))["device"] == "cuda"


def test_the_device_is_a_parameter_of_all_points(tmp_path):
    path = params_with(tmp_path, "  momentum: 0.9", "  momentum: 0.9\n  device: cuda")
    params = load_params(path)
    points = [params.base, *(each for variant in params.variants.values() for each in variant.points)]
    points += params.champion.recipes.values()
    assert {each.device for each in points} == {"cuda"}
    assert {load_params(SOURCE).base.device} == {"cpu"}


def test_a_variant_may_be_balanced(tmp_path):
    path = params_with(tmp_path, "  combined:", "  balanced: {balance: [none, weights]}\n  combined:")
    variant = load_params(path).variants["balanced"]
    assert variant.labels == ("balance=none", "balance=weights")
    all_balanced = params_with(tmp_path, "  momentum: 0.9", "  momentum: 0.9\n  balance: weights")
    assert load_params(all_balanced).base.balance == "weights"


def test_a_new_loss_can_be_searched(tmp_path):
    path = params_with(
        tmp_path,
        "    averaging: {low",
        "    confidence_penalty: {low: 0.0, high: 1.0, off: 0.2}\n    averaging: {low",
    )
    assert load_params(path).search.space["confidence_penalty"].high == 1.0


def test_the_reference_has_none_of_the_new_losses(tmp_path):
    path = params_with(tmp_path, "none: {replicate: [0, 1]}", "none: {replicate: [0, 1], focal_loss: 2.0}")
    with pytest.raises(InputError, match=r"variants.none.focal_loss: must be 0.0 in the first point, got 2.0"):
        load_params(path)
