"""How are metrics, effects and cells of the claims ledger written for people?"""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.results.readable_names import readable

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
_GOES_ON = ("and ", "it ", "after temperature scaling")  # so begins what an effect says that another begins
_FIELDS = {
    "hidden": "width",
    "rows": "training rows",
    "l2": "L2",
    "shared_dropout": "shared mask",
    "label_noise": "wrong labels",
    "input_noise": "input noise",
}
_VALUES = {  # what a field's values mean in the figure of a claim
    "dropout.spatial": {"shared_dropout": {False: "plain dropout", True: "spatial dropout"}},
    "dropout.recurrent": {"shared_dropout": {False: "a new mask at each step", True: "one mask for all steps"}},
}
_RECIPE = {  # how a table's `recipe` is told, in this order
    "architecture": "{}",
    "hidden": "hidden layers {}",
    "rows": "{} training rows",
    "optimizer": "{}",
    "learning_rate": "learning rate {}",
    "batch_size": "batches of {}",
    "epochs": "{} epochs",
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
    plain = _MEASURES.get(name, readable(name))
    alone = name in ("smoothing_error", "input_gradient")
    told = plain if alone else _SPLITS.get(split, f"{readable(split)} {{}}").format(plain)
    ends = (scaled and " after TS", noise and f", input noise {noise}", epoch and f" at epoch {epoch}")
    return told + "".join(end for end in ends if end)


def scale(metric: str) -> str:
    """The axis that a metric is measured on: metrics that share it can be drawn together.

    >>> scale("bias/nll"), scale("test/exact_ce"), scale("weights/norm")
    ('NLL (nats)', 'calibration error', 'norm of the weights')
    """
    name = metric.partition("/")[2].partition("@")[0]
    return _SCALES.get(name) or (
        measure(metric) if metric.startswith("weights/") else _MEASURES.get(name, readable(name))
    )


def readable_field(field: str) -> str:
    """A field of cells as people would write it."""
    return _FIELDS.get(field, readable(field))


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
        return parts[0] if len(set(parts)) == 1 else readable(value)
    return f"{value:g}"


def levels(values: Mapping[str, Any]) -> str:
    """Fields and their values; of several, only those that are on.

    >>> levels({"dropout": 0.5, "weight_decay": 0.0}), levels({"dropout": 0.0, "weight_decay": 0.0})
    ('dropout 0.5', 'none')
    """
    kept = {field: value for field, value in values.items() if value or len(values) == 1}
    said = [f"{readable_field(field)} {level(field, value)}".strip() for field, value in kept.items()]
    return " + ".join(said) or "none" * bool(values)


def decoded(claim: str, line: Row) -> Row:
    """A line of a claim's figure with words for the values that its claim has words for.

    >>> decoded("dropout.spatial", {"line": {"shared_dropout": True}})
    {'line': {'': 'spatial dropout'}}
    """
    words = _VALUES.get(claim, {})
    told = {("" if field in words else field): words.get(field, {}).get(v, v) for field, v in line["line"].items()}
    return {**line, "line": told}


def setting(cell: str) -> str:
    """The label of a cell; one that leaves its experiment's recipe alone regularizes nothing.

    >>> setting("as it is"), setting("weight_decay=1")
    ('none', 'weight decay 1')
    """
    return "none" if cell == "as it is" else readable(cell)


def says(effect: Row) -> str:
    """What an effect says; of one that the sentence denies, that it does.

    >>> says({"says": "dropout is better", "denied": True})
    'the sentence denies that dropout is better'
    """
    return f"the sentence denies that {effect['says']}" if effect["denied"] else str(effect["says"])


def stands_alone(claim: Row, effect: Row) -> str:
    """What an effect says, to be read by itself: one that goes on from others begins with what these say.

    >>> effects = [{"says": says, "denied": False} for says in ("A is better", "and larger")]
    >>> stands_alone({"effects": effects}, effects[1])
    'A is better, and larger'
    """
    place = claim["effects"].index(effect)
    heads = [one for one in claim["effects"][:place] if not one["says"].startswith(_GOES_ON)]
    goes_on = bool(heads) and effect["says"].startswith(_GOES_ON)
    return f"{says(heads[-1])}, {effect['says']}" if goes_on else says(effect)


def target(cell: Row) -> float | None:
    """The number that a cell is compared with, if that is no other cell.

    >>> target({"against": "1"}), target({"against": "dropout=0.5"})
    (1.0, None)
    """
    try:
        return float(cell["against"])
    except ValueError:
        return None


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


def axis_of(effect: Row) -> str:
    """What the axis of an effect's differences shows: a metric itself where that is compared with a number.

    >>> axis_of({"metric": "gap/nll@200", "against_metric": "gap/nll@20", "cells": [{"against": "as it is"}]})
    'difference in gap of the NLL'
    """
    metric, other = effect["metric"], effect["against_metric"]
    if any(target(cell) is not None for cell in effect["cells"]):
        return measure(metric)
    (stem, _, _), (other_stem, _, _) = metric.partition("@"), other.partition("@")
    return f"difference in {measure(stem)}" if stem == other_stem else subtracted(effect)


def shortened(labels: Mapping[Any, str]) -> dict[Any, str]:
    """Labels in which those that only add words to the first have just these.

    >>> shortened({"a": "test ECE", "b": "test ECE after TS", "c": "test ECE2"})
    {'a': 'test ECE', 'b': '… after TS', 'c': 'test ECE2'}
    """
    first = next(iter(labels.values()), "")
    return {
        key: f"…{text.removeprefix(first).lstrip(',')}"
        if first and text.startswith((f"{first} ", f"{first},"))
        else text
        for key, text in labels.items()
    }


def axis_label(metrics: Sequence[str]) -> str:
    """What a y axis shows: a metric, or what several have in common."""
    common = scale(metrics[0])
    return common if len(metrics) > 1 else measure(metrics[0]) + " (nats)" * common.endswith("(nats)")


def titles(panels: Sequence[Row]) -> list[str]:
    """Data sets, and of panels that are otherwise alike what holds for one of them only."""
    wheres = [panel.get("where") or {} for panel in panels]
    several = len({panel["x"] for panel in panels}) > 1
    differing = [key for key in dict.fromkeys(key for where in wheres for key in where) if _varies(key, panels)]
    return [
        ", ".join(
            filter(
                None,
                [
                    readable(panel["dataset"]),
                    readable_field(panel["x"]) * several,
                    levels({key: _one(where[key]) for key in differing if key in where}),
                ],
            )
        )
        for panel, where in zip(panels, wheres, strict=True)
    ]


def _varies(key: str, panels: Sequence[Row]) -> bool:
    alike = [panel for panel in panels if (panel["x"], panel["dataset"]) == (panels[0]["x"], panels[0]["dataset"])]
    return len({str((panel.get("where") or {}).get(key)) for panel in alike}) > 1


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) and len(value) == 1 else value


def recipe(fields: Mapping[str, Any]) -> str:
    """What all networks of a claim have in common.

    >>> recipe({"epochs": 200, "hidden": "64x64", "rows": 0})
    'hidden layers 64 × 64, 200 epochs'
    """
    told = {field: str(value).replace("x", " × ") if field == "hidden" else value for field, value in fields.items()}
    return ", ".join(text.format(told[field]) for field, text in _RECIPE.items() if told.get(field))


def caption(claim: Row) -> str:
    """What marks, intervals and n of a claim's figure are, and on which data sets."""
    names = dict.fromkeys([*(panel["dataset"] for panel in claim["panels"]), *claim["datasets"]])
    n = max([claim["seeds"], *(line["n"] for panel in claim["panels"] for line in panel["lines"])])
    cells = [cell for effect in claim["effects"] for cell in effect["cells"]]
    said = [_lines_are(claim["panels"])] if claim["panels"] else []
    if cells:
        said.append("Dots on the wide axes: paired differences, a data set a row, with intervals and their numbers.")
    if any(" on validation" in cell[side] for cell in cells for side in ("of", "against")):
        said.append("Where several settings are compared, each seed takes the one with the best validation NLL.")
    if names:
        said.append(f"n = {n} paired seeds; intervals are 95% Student t intervals over seeds{_widened(cells)}.")
        said.append(f"Data: {listed([*names])}.")
    if claim["checks"]:
        said.append("Exact checks compute; they need no seeds and have no interval.")
    return " ".join([*said, f"Source of the sentence: {claim['source']}."])


def _lines_are(panels: Sequence[Row]) -> str:
    bands = " and bands" * any(panel["x"] == "epoch" for panel in panels)
    return f"Lines: means over seeds; bars{bands} are their intervals."


def _widened(cells: Sequence[Row]) -> str:
    """Whether intervals of differences are widened: all, some or none."""
    share = [bool(cell["inflation"]) for cell in cells]
    word = "widened" if all(share) else "some of them widened"
    return f", {word} for the rows that seeds share" if any(share) else ""


def listed(words: Sequence[str]) -> str:
    """Names in a sentence.

    >>> listed(["mixture", "noisy_mixture", "digits"])
    'mixture, noisy mixture and digits'
    """
    said = [readable(word) for word in words]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)
