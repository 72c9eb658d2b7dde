"""Text in and below the figure of a claim: titles and labels of its axes, its recipe, and its caption."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipeline.reporting.text.textbook_names import describe, levels, listed, readable_field, scale, target
from pipeline.results.readable_names import readable
from pipeline.results.record import Level
from pipeline.results.textbook import ClaimResult, EffectCell, EffectResult, FigureAxes, FigureLine

_VALUES: Mapping[str, Mapping[Level, str]] = {  # what values mean in the figure of a claim, by `claim/field`
    "dropout.spatial/shared_dropout": {False: "plain dropout", True: "spatial dropout"},
    "dropout.recurrent/shared_dropout": {False: "a new mask at each step", True: "one mask for all steps"},
}
_RECIPE = {  # how a claim's `recipe` is written, in this order
    "architecture": "{}",
    "hidden": "hidden layers {}",
    "rows": "{} training rows",
    "optimizer": "{}",
    "learning_rate": "learning rate {}",
    "batch_size": "batches of {}",
    "epochs": "{} epochs",
}


def decoded(claim: str, line: FigureLine) -> FigureLine:
    """A line of a claim's figure with text for the values that its claim has text for, whose field is then ``."""
    levels: dict[str, Level] = {}
    for field, value in line.line.items():
        texts = _VALUES.get(f"{claim}/{field}")
        levels |= {field: value} if texts is None else {"": texts.get(value, value)}
    return line.model_copy(update={"line": levels})


def axis_of(effect: EffectResult) -> str:
    """What the axis of an effect's differences shows: a metric itself where that is compared with a number."""
    metric, other = effect.metric, effect.against_metric
    if any(target(cell) is not None for cell in effect.cells):
        return describe(metric)
    return f"difference in {describe(metric)}" if metric == other else f"{describe(metric)} minus {describe(other)}"


def axis_label(metrics: Sequence[str]) -> str:
    """What a y axis shows: a metric, or what several have in common."""
    common = scale(metrics[0])
    return common if len(metrics) > 1 else describe(metrics[0]) + " (nats)" * common.endswith("(nats)")


def titles(axes: Sequence[FigureAxes]) -> list[str]:
    """Data sets, and of axes that are otherwise alike what holds for one of them only."""
    several = len({each.x for each in axes}) > 1
    fields = dict.fromkeys(field for each in axes for field in each.where)
    differing = [field for field in fields if _varies(field, axes)]
    return [", ".join(_title(each, differing, several=several)) for each in axes]


def _title(axes: FigureAxes, differing: Sequence[str], *, several: bool) -> Iterator[str]:
    yield readable(axes.dataset)
    if several:
        yield readable_field(axes.x)
    if kept := {field: axes.where[field] for field in differing if field in axes.where}:
        single: dict[str, Level] = {field: _single(values) for field, values in kept.items()}
        yield levels(single)


def _varies(field: str, axes: Sequence[FigureAxes]) -> bool:
    alike = [each for each in axes if (each.x, each.dataset) == (axes[0].x, axes[0].dataset)]
    return len({each.where.get(field) for each in alike}) > 1


def _single(values: Sequence[Level]) -> Level:
    return values[0] if len(values) == 1 else ", ".join(str(value) for value in values)


def recipe(fields: Mapping[str, Level]) -> str:
    """What all networks of a claim have in common.

    >>> recipe({"epochs": 200, "hidden": "64x64", "rows": 0})
    'hidden layers 64 × 64, 200 epochs'
    """
    values = {field: value for field, value in fields.items() if value}
    texts = {field: " × ".join(str(v).split("x")) if field == "hidden" else str(v) for field, v in values.items()}
    return ", ".join(text.format(texts[field]) for field, text in _RECIPE.items() if field in texts)


def caption(claim: ClaimResult) -> str:
    """What marks, intervals and n of a claim's figure are, and on which data sets."""
    return " ".join([*_caption(claim), f"Source of the sentence: {claim.source}."])


def _caption(claim: ClaimResult) -> Iterator[str]:
    cells = [cell for effect in claim.effects for cell in effect.cells]
    names = dict.fromkeys([*(axes.dataset for axes in claim.axes), *claim.datasets])
    if claim.axes:
        bands = " and bands" * any(axes.x == "epoch" for axes in claim.axes)
        yield f"Lines: means over seeds; bars{bands} are their intervals."
    if cells:
        yield "Dots on the wide axes: paired differences, a data set a row, with intervals and their numbers."
    if any(" on validation" in cell.of or " on validation" in cell.against for cell in cells):
        yield "Where several settings are compared, each seed takes the one with the best validation NLL."
    if names:
        n = max([claim.seeds, *(line.n for axes in claim.axes for line in axes.lines)])
        yield f"n = {n} paired seeds; intervals are 95% Student t intervals over seeds{_widened(cells)}."
        yield f"Data: {listed(names)}."
    if claim.checks:
        yield "Exact checks compute; they need no seeds and have no interval."


def _widened(cells: Sequence[EffectCell]) -> str:
    """Whether intervals of differences are widened: all, some or none."""
    widened = [bool(cell.inflation) for cell in cells]
    if not any(widened):
        return ""
    return f", {'widened' if all(widened) else 'some of them widened'} for the rows that seeds share"
