"""The names of exact checks and metrics that a topic may use: a wrong one is an error before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.config.claims import EPOCH, Claim, Experiment, Topic
from pipeline.config.reading import look_up
from pipeline.core.errors import InputError
from pipeline.data.splits import SPLITS
from pipeline.evaluation.registry import METRICS
from pipeline.textbook.cell_data import noisy
from pipeline.textbook.cell_metrics import DESMOOTHED
from pipeline.textbook.exact_checks import CHECKS
from pipeline.training.member import history_epochs

GAPS = ("nll", "accuracy", "ece")
HISTORY = ("nll", "accuracy")
OTHERS = ("kept/epoch", "bias/nll", "bias/brier", "variance/nll", "variance/brier", "theory/smoothing_error")
OF_WEIGHTS = ("weights/norm", "validation/input_gradient")


def require_known_names(topic: Topic, where: str) -> None:
    """Raise InputError unless there is every exact check and metric that a topic's claims name."""
    for name, claim in topic.claims.items():
        for check in claim.checks:
            look_up(check, CHECKS, f"{where}: claims.{name}.checks")
        for place, experiment, metric, of_history in _metrics(claim, topic):
            _require_metric(metric, experiment, f"{where}: claims.{name}.{place}", of_history=of_history)


def _metrics(claim: Claim, topic: Topic) -> Iterator[tuple[str, Experiment, str, bool]]:
    """Every metric of a claim: where it stands, its experiment, its name, and whether it is drawn over epochs."""
    for index, effect in enumerate(claim.effects):
        experiment = topic.experiments[effect.experiment or claim.experiment]
        yield f"effects.{index}.metric", experiment, effect.metric, False
        if effect.against_metric:
            yield f"effects.{index}.against_metric", experiment, effect.against_metric, False
    for index, shows in enumerate(claim.shows):
        experiment = topic.experiments[shows.experiment or claim.experiment]
        for metric in shows.y:
            yield f"shows.{index}.y", experiment, metric, shows.x == EPOCH


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
    if at:
        for cell in experiment.cells.values():
            look_up(epoch, dict.fromkeys(map(str, history_epochs(cell.epochs))), f"{where}, after @")


def _scores(experiment: Experiment) -> Iterator[str]:
    """The metrics that an experiment may have, those of all data sets together."""
    conditions = [*SPLITS, *map(noisy, experiment.input_noise), DESMOOTHED]
    conditions += ["scaled", "sampled"] if experiment.samples else []
    for stage in ("", "_calibrated"):
        yield from (f"{condition}{stage}/{metric.name}" for condition in conditions for metric in METRICS)
        yield from (f"gap{stage}/{metric}" for metric in GAPS)
    yield from (*OTHERS, *(OF_WEIGHTS if experiment.weights else ()))
