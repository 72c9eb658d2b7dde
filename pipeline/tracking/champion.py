"""The model that is handed over in MLflow: a run beside the points of the study, to which its versions belong."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.results.champion import ChampionResults, Contender
from pipeline.results.study import StudyResults
from pipeline.tracking.builder import Metric
from pipeline.tracking.promotion import DATA, MODEL
from pipeline.tracking.runs import RunRecord
from pipeline.tracking.study import experiment
from pipeline.tracking.times import Clock, nobody_knows
from pipeline.tracking.versions import name_of


def key(dataset: str) -> str:
    """The key of the run; no variant has this name."""
    return f"{dataset}+champion"


def record_of(results: StudyResults, made: ChampionResults, md5: str, *, clock: Clock = nobody_knows) -> RunRecord:
    """The record of a model.

    Args:
        results: the study that it belongs to.
        made: its parts, and how it does on test rows.
        md5: of its file.
        clock: says when it was fitted.
    """
    dataset = results.dataset.name
    parts = [part for part in made.parts if part.share]
    return RunRecord(
        key=key(dataset),
        experiment=experiment(dataset),
        name="champion",
        description=(
            f"The model that is handed over for `{dataset}`, beside [the study](record:{dataset}): {len(parts)} parts, "
            f"fitted in {made.folds} folds on {made.train:,} rows, judged on {made.test:,} others. Parameters are the "
            f"parts' shares. It is registered as `{name_of(dataset)}`, whose versions hold its card."
        ),
        params={"folds": made.folds, **{f"share/{_param(part.name)}": part.share for part in parts}},
        tags={"dataset": dataset, "level": "champion", MODEL: md5, DATA: results.dataset.md5},
        metrics=list(_metrics(made)),
        artifacts={"champion.json": made.model_dump_json(indent=1).encode()},
        times=clock(md5),
    )


def _param(part: str) -> str:
    """A part's name as MLflow allows it: `noise encoding=piecewise_linear` has a sign that it does not."""
    return part.replace("=", " ")


def _metrics(made: ChampionResults) -> Iterator[Metric]:
    """Means with intervals on test rows, losses out of fold; names of their own, or it would be drawn as a point."""
    yield from _of_contender(made.champion)
    yield "champion/held_out", made.held_out, 0
    yield "champion/cross_fitted", made.cross_fitted, 0


def _of_contender(champion: Contender) -> Iterator[Metric]:
    for name in ("nll", "brier", "accuracy"):
        mean = getattr(champion, name)
        yield from ((f"champion/{name}{end}", value, 0) for end, value in _ends(mean.mean, mean.low, mean.high))


def _ends(mean: float, low: float, high: float) -> Iterator[tuple[str, float]]:
    yield from (("", mean), ("/low", low), ("/high", high))
