"""Names of the textbook's metrics, fields and cells, as people write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pipeline.metrics.names import MetricName
from pipeline.results.readable_names import readable
from pipeline.results.record import Level
from pipeline.results.textbook import EffectCell

_SPLITS = {
    "train": "training",
    "gap": "gap of",
    "bias": "bias of",
    "variance": "variance of",
    "sampled": "mask-averaged test",
    "scaled": "weight-scaled test",
    "desmoothed": "desmoothed test",
    "weights": "weights’",
    "theory": "",
}
_METRICS = {
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
_FIELDS = {
    "hidden": "width",
    "rows": "training rows",
    "l2": "L2",
    "shared_dropout": "shared mask",
    "label_noise": "wrong labels",
    "input_noise": "input noise",
}


class _Parts(NamedTuple):
    """What a metric's name is made of: `test~0.5_calibrated/nll@200`."""

    split: str
    input_noise: str
    calibrated: bool
    metric: str
    epoch: str


def _parts(metric: str) -> _Parts:
    name = MetricName.parse(metric)
    split, _, noise = name.split.partition("~")
    base, _, epoch = name.metric.partition("@")
    return _Parts(split, noise, name.stage == "after", base, epoch)


def describe(metric: str) -> str:
    """A metric as people would write it.

    >>> describe("gap/nll"), describe("test_calibrated/ece"), describe("train/accuracy@200"), describe("test~0.5/nll")
    ('gap of NLL', 'test ECE after calibration', 'training accuracy at epoch 200', 'test NLL with input noise 0.5')
    """
    parts = _parts(metric)
    texts = [_SPLITS.get(parts.split, parts.split), _METRICS.get(parts.metric, readable(parts.metric))]
    texts += ["after calibration"] if parts.calibrated else []
    texts += [f"at epoch {parts.epoch}"] if parts.epoch else []
    texts += [f"with input noise {parts.input_noise}"] if parts.input_noise else []
    return " ".join(filter(None, texts))


def scale(metric: str) -> str:
    """The axis that a metric is measured on: metrics that share it can be drawn together.

    >>> scale("bias/nll"), scale("test/exact_ce"), scale("weights/norm")
    ('NLL (nats)', 'calibration error', 'weights’ norm')
    """
    parts = _parts(metric)
    if parts.split == "weights":
        return describe(metric)
    return _SCALES.get(parts.metric) or _METRICS.get(parts.metric, readable(parts.metric))


def readable_field(field: str) -> str:
    """A field of cells as people would write it."""
    return _FIELDS.get(field, readable(field))


def level(field: str, value: Level) -> str:
    """A value of a field of cells; widths that are all the same are one number.

    >>> level("hidden", "64x64"), level("batch_norm", True), level("rows", 0), level("dropout", 0.5)
    ('64', 'on', 'all', '0.5')
    """
    if isinstance(value, bool):
        return "on" if value else "off"
    if field == "rows" and value == 0:
        return "all"
    if isinstance(value, str):
        widths = value.split("x")
        return widths[0] if len(set(widths)) == 1 else readable(value)
    return "none" if value is None else f"{value:g}"


def levels(values: Mapping[str, Level]) -> str:
    """Fields and their values; of several, only those that are on.

    >>> levels({"dropout": 0.5, "weight_decay": 0.0}), levels({"dropout": 0.0, "weight_decay": 0.0})
    ('dropout 0.5', 'none')
    """
    kept = {field: value for field, value in values.items() if value or len(values) == 1}
    texts = [f"{readable_field(field)} {level(field, value)}".strip() for field, value in kept.items()]
    return " + ".join(texts) or "none" * bool(values)


def setting(cell: str) -> str:
    """The label of a cell; one that leaves its experiment's recipe alone regularizes nothing.

    >>> setting("as it is"), setting("weight_decay=1"), setting("dropout=0.5, best of 2 on validation")
    ('none', 'weight decay 1', 'dropout 0.5, best of 2 on validation')
    """
    if cell == "as it is":
        return "none"
    fields, chosen, how = cell.partition(", best of")  # a cell that is chosen of several
    return f"{readable(fields)}{chosen}{how}"


def target(cell: EffectCell) -> float | None:
    """The number that a cell is compared with, if that is no other cell."""
    try:
        return float(cell.against)
    except ValueError:
        return None


def listed(names: Iterable[str]) -> str:
    """Names in a sentence.

    >>> listed(["mixture", "noisy_mixture", "digits"])
    'mixture, noisy mixture and digits'
    """
    texts = [readable(name) for name in names]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
