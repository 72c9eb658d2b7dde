"""How are metrics, effects and cells of the claims ledger written for people?"""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.words.wording import spoken

Row = Mapping[str, Any]
_SPLITS = {
    "train": "training {}",
    "validation": "validation {}",
    "test": "test {}",
    "gap": "gap of the {}",
    "bias": "bias of the {}",
    "variance": "variance of the {}",
    "sampled": "test {}, mean over masks",
    "scaled": "test {}, weights scaled",
    "desmoothed": "test {}, smoothing taken out",
    "weights": "{} of the weights",
}
_MEASURES = {
    "nll": "NLL",
    "ece": "ECE",
    "brier": "Brier score",
    "bias": "confidence − accuracy",
    "debiased": "debiased² calibration error",
    "exact_ce": "exact calibration error",
    "ece_floor": "noise floor of the ECE",
    "refinement": "refinement loss",
    "excess_brier_calibration": "excess Brier: calibration",
    "excess_brier_grouping": "excess Brier: grouping",
    "smoothing_error": "ε(E[max p] − 1/K)",
    "input_gradient": "gradient by the inputs",
}
_FIELDS = {
    "hidden": "width",
    "rows": "training rows",
    "l2": "L2",
    "shared_dropout": "shared mask",
    "label_noise": "wrong labels",
    "input_noise": "input noise",
}
_SCALES = {
    "nll": "NLL (nats)",
    "refinement": "refinement loss (nats)",
    "ece": "calibration error",
    "exact_ce": "calibration error",
    "ece_floor": "calibration error",
    "smoothing_error": "calibration error",
    "excess_brier_calibration": "excess Brier score",
    "excess_brier_grouping": "excess Brier score",
}


def measure(metric: str) -> str:
    """A metric as people would write it.

    >>> measure("gap/nll"), measure("test_ts/ece"), measure("train/accuracy@200"), measure("test~0.5/nll")
    ('gap of the NLL', 'test ECE after TS', 'training accuracy at epoch 200', 'test NLL, input noise 0.5')
    """
    split, _, rest = metric.partition("/")
    name, _, epoch = rest.partition("@")
    split, scaled = split.removesuffix("_ts"), split.endswith("_ts")
    split, _, noise = split.partition("~")
    plain = _MEASURES.get(name, spoken(name))
    alone = name in ("smoothing_error", "input_gradient")
    told = plain if alone else _SPLITS.get(split, f"{spoken(split)} {{}}").format(plain)
    ends = (scaled and " after TS", noise and f", input noise {noise}", epoch and f" at epoch {epoch}")
    return told + "".join(end for end in ends if end)


def scale(metric: str) -> str:
    """The axis that a metric is measured on: metrics that share it can be drawn together.

    >>> scale("bias/nll"), scale("test/exact_ce"), scale("weights/norm")
    ('NLL (nats)', 'calibration error', 'norm of the weights')
    """
    name = metric.partition("/")[2].partition("@")[0]
    return _SCALES.get(name) or (
        measure(metric) if metric.startswith("weights/") else _MEASURES.get(name, spoken(name))
    )


def named(field: str) -> str:
    """A field of cells as people would write it."""
    return _FIELDS.get(field, spoken(field))


def level(field: str, value: object) -> str:
    """A value of a field of cells; widths that are all the same are one number.

    >>> level("hidden", "64x64"), level("batch_norm", True), level("rows", 0), level("dropout", 0.5)
    ('64', 'on', 'all', '0.5')
    """
    if isinstance(value, bool):
        return "on" if value else "off"
    if field == "rows" and value == 0:
        return "all"
    if isinstance(value, str):
        parts = value.split("x")
        return parts[0] if len(set(parts)) == 1 else spoken(value)
    return f"{value:g}"


def levels(values: Mapping[str, Any]) -> str:
    """Fields and their values; of several, only those that are on.

    >>> levels({"dropout": 0.5, "weight_decay": 0.0}), levels({"dropout": 0.0, "weight_decay": 0.0})
    ('dropout 0.5', 'none')
    """
    kept = {field: value for field, value in values.items() if value or len(values) == 1}
    return " + ".join(f"{named(field)} {level(field, value)}" for field, value in kept.items()) or "none" * bool(values)


def setting(cell: str) -> str:
    """The label of a cell; one that leaves its experiment's recipe alone regularizes nothing.

    >>> setting("as it is"), setting("weight_decay=1")
    ('none', 'weight decay 1')
    """
    return "none" if cell == "as it is" else spoken(cell)


def says(effect: Row) -> str:
    """What an effect says; of one that the sentence denies, that it is not so."""
    return f"not so: {effect['says']}" if effect["denied"] else str(effect["says"])


def subtracted(effect: Row) -> str:
    """What an effect is a difference of.

    >>> subtracted({"metric": "gap/nll@200", "against_metric": "gap/nll@20"})
    'gap of the NLL at epoch 200 minus epoch 20'
    >>> subtracted({"metric": "variance/nll", "against_metric": "bias/nll"})
    'variance of the NLL minus bias of the NLL'
    """
    metric, other = effect["metric"], effect["against_metric"]
    if metric == other:
        return measure(metric)
    (stem, _, _), (other_stem, _, epoch) = metric.partition("@"), other.partition("@")
    return f"{measure(metric)} minus {f'epoch {epoch}' if stem == other_stem else measure(other)}"


def listed(words: Sequence[str]) -> str:
    """Names in a sentence.

    >>> listed(["mixture", "noisy_mixture", "digits"])
    'mixture, noisy mixture and digits'
    """
    said = [spoken(word) for word in words]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)
