"""The names of exact checks and metrics that a topic may use: a wrong one is an error before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipeline.config.claims import CHOSEN, EPOCH, FIT, Effect, Experiment, Selector, Topic, selected
from pipeline.config.points import STRENGTHS
from pipeline.config.reading import look_up
from pipeline.core.errors import InputError
from pipeline.data.sources import Source, Synthetic
from pipeline.data.splits import SPLITS
from pipeline.evaluation.registry import METRICS
from pipeline.evaluation.scopes import BINARY, POSTERIOR
from pipeline.textbook.cell_data import noisy
from pipeline.textbook.cell_metrics import DAMAGE, DAMAGED, DESMOOTHED, MASKED
from pipeline.textbook.exact_checks import CHECKS
from pipeline.training.member import history_epochs

GAPS = ("nll", "accuracy", "ece")
HISTORY = ("nll", "accuracy")
OTHERS = ("kept/epoch", "bias/nll", "bias/brier", "variance/nll", "variance/brier", "theory/smoothing_error")
OF_POSTERIOR = ("bias", "variance", "theory")
OF_WEIGHTS = ("weights/norm", "validation/input_gradient")


def require_known_names(topic: Topic, datasets: Mapping[str, Source], where: str) -> None:
    """Raise InputError unless there is every exact check and metric that a topic's claims name.

    There is none of a posterior on data sets whose posterior is not known, none of masks for cells without dropout, and
    none of what label smoothing leaves for cells without it.
    """
    for name, claim in topic.claims.items():
        for check in claim.checks:
            look_up(check, CHECKS, f"{where}: claims.{name}.checks")
        for index, effect in enumerate(claim.effects):
            experiment = topic.experiments[effect.experiment or claim.experiment]
            _require_effect(effect, experiment, datasets, f"{where}: claims.{name}.effects.{index}")
        for index, shows in enumerate(claim.shows):
            experiment = topic.experiments[shows.experiment or claim.experiment]
            for metric in shows.y:
                at = f"{where}: claims.{name}.shows.{index}.y"
                _require_metric(metric, experiment, at, of_history=shows.x == EPOCH)


def _require_effect(effect: Effect, experiment: Experiment, datasets: Mapping[str, Source], where: str) -> None:
    """Raise InputError unless both sides of an effect have their metric, on every data set."""
    sides = [("metric", effect.metric, effect.of)]
    if not isinstance(effect.against, float):
        sides.append(("against_metric", effect.against_metric or effect.metric, effect.against))
    for key, metric, selectors in sides:
        at = f"{where}.{key if effect.against_metric else 'metric'}"
        if metric.startswith(CHOSEN):
            _require_strength(metric, experiment, selectors, at)
            continue
        _require_metric(metric, experiment, at, of_history=False)
        _require_cells(metric, experiment, selectors, at)
        for dataset in effect.datasets or experiment.datasets:
            _require_dataset(metric, datasets[dataset], f"{at}, on {dataset}")


def _require_strength(metric: str, experiment: Experiment, selectors: Sequence[Selector], where: str) -> None:
    field = metric.removeprefix(CHOSEN)
    look_up(field, dict.fromkeys(STRENGTHS), where)
    cells = list(experiment.cells.values())
    if not all(getattr(cells[place], field) > 0 for place in selected(experiment, selectors, where)):
        raise InputError(f"{where}: must be a field that is above 0 in every cell, got {metric!r}")


def _require_cells(metric: str, experiment: Experiment, selectors: Sequence[Selector], where: str) -> None:
    """Some metrics are of cells with dropout only, or with label smoothing."""
    condition = metric.partition("/")[0].removesuffix("_calibrated")
    field = "dropout" if condition in MASKED else "label_smoothing" if condition == DESMOOTHED else None
    cells = list(experiment.cells.values())
    if field and not all(getattr(cells[place], field) > 0 for place in selected(experiment, selectors, where)):
        raise InputError(f"{where}: must be of cells with {field} above 0, got {metric!r}")


def _require_dataset(metric: str, dataset: Source, where: str) -> None:
    """Some metrics need the posterior, or two classes."""
    split, _, name = metric.partition("@")[0].partition("/")
    scope = next((each.scope for each in METRICS if each.name == name), None)
    if (split in OF_POSTERIOR or scope is POSTERIOR) and not isinstance(dataset, Synthetic):
        raise InputError(f"{where}: must be of data whose posterior is known (kind mixture or noise), got {metric!r}")
    if scope is BINARY and isinstance(dataset, Synthetic) and dataset.classes != 2:
        raise InputError(f"{where}: must be of data with two classes, got {metric!r}")


def _require_metric(metric: str, experiment: Experiment, where: str, *, of_history: bool) -> None:
    name, at, epoch = metric.partition("@")
    if not (at or of_history):
        look_up(metric, dict.fromkeys(_scores(experiment)), where)
        return
    if not experiment.history:
        raise InputError(f"{where}: must be a metric of an experiment whose history is true, got {metric!r}")
    look_up(
        name, dict.fromkeys(f"{split}/{each}" for split in ("train", "validation", "gap") for each in HISTORY), where
    )
    if epoch.startswith(FIT):
        _require_share(epoch.removeprefix(FIT), where)
    elif at:
        for cell in experiment.cells.values():
            look_up(epoch, dict.fromkeys(map(str, history_epochs(cell.epochs))), f"{where}, after @")


def _require_share(text: str, where: str) -> None:
    if not (text.replace(".", "", 1).isdecimal() and 0 < float(text) < 1):
        raise InputError(f"{where}, after @{FIT}: must be a share above 0 and below 1, got {text!r}")


def _scores(experiment: Experiment) -> Iterator[str]:
    """The metrics that an experiment may have, those of all data sets together."""
    conditions = [*SPLITS, *map(noisy, experiment.input_noise), DESMOOTHED]
    conditions += ["scaled", "ablated", *MASKED] if experiment.samples else []
    for stage in ("", "_calibrated"):
        yield from (f"{condition}{stage}/{metric.name}" for condition in conditions for metric in METRICS)
        yield from (f"gap{stage}/{metric}" for metric in GAPS)
    yield from (f"{DAMAGE}/{metric}" for metric in DAMAGED if experiment.samples)
    yield from (*OTHERS, *(OF_WEIGHTS if experiment.weights else ()))
