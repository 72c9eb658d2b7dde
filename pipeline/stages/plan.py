"""The command `plan`: what a study takes on this machine, time and disk, and, where that is wanted, a smaller one."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.config.cost import networks_of, point_networks_of, search_networks_of
from pipeline.config.params import Params, params_of
from pipeline.config.reading import parse_yaml, read_text
from pipeline.core.durations import duration
from pipeline.core.memory import in_words
from pipeline.core.paths import PARAMS
from pipeline.data.dataset import Dataset
from pipeline.data.splits import SPLITS
from pipeline.stages.params_changes import agreed, say_changes, write_changes
from pipeline.stages.study_length import CORES, Clock, fitted, hint

_LOGIT = 4  # bytes
_COPIES = 3  # in members/, in DVC's cache, and in the memo, which holds 4 GiB at most


def plan(*, budget: float | None, dry_run: bool, yes: bool) -> str:
    """Say how long every stage of the study takes; write the largest study that fits into a budget, where one is given.

    What is written are numbers of params.yaml, so that the study is the same on every machine, however fast.

    Raises:
        InputError: no study fits into the budget, or nobody is there to be asked.
    """
    text = read_text(PARAMS)
    raw = parse_yaml(text, PARAMS)
    params = params_of(raw, PARAMS)
    clock = Clock({name: params.datasets[name].load(name, seeds=1) for name in params.study.datasets})
    if budget is None:
        return f"{_length(params, clock)}{hint(raw, clock)}"
    changes, smaller = fitted(raw, clock, budget)
    print(_length(smaller, clock), flush=True)
    if not say_changes(text, changes):
        return f"{PARAMS}: stays as it is, it fits into {duration(budget)}"
    if dry_run or not agreed(yes=yes):
        return "nothing was written"
    write_changes(changes, text)
    return f"{PARAMS}: is written; `dvc repro` runs the study"


def _length(params: Params, clock: Clock) -> str:
    """What every stage takes on each data set, and all together."""
    lines = [line for name in clock.datasets for line in _stages(name, params, clock)]
    disk = _COPIES * sum(_logit_bytes(params, dataset) for dataset in clock.datasets.values())
    took = f"The study: about {duration(clock.seconds(params))} on {CORES} cores, and {in_words(disk)} of disk"
    return "\n".join([*lines, took])


def _logit_bytes(params: Params, dataset: Dataset) -> int:
    """Bytes of what the networks of the points of a study predict for all rows."""
    rows: int = sum(getattr(dataset.splits, split).shape[1] for split in SPLITS)
    return networks_of(params).points * rows * len(dataset.pool.classes) * _LOGIT


def _stages(name: str, params: Params, clock: Clock) -> Iterator[str]:
    rows, train, seeds = clock.datasets[name].splits.train.shape[1], params.train, params.study.seeds
    yield f"{name}: {rows:,} rows to train on, {train.epochs} epochs of batches of {train.batch_size:,}, {seeds} seeds"
    champion = params.champion
    works = {
        "train": f"{point_networks_of(params).total:,} networks",
        "search": f"{search_networks_of(params).total:,} networks",
        "baselines": f"{len(params.baselines) * seeds:,} classifiers",
        "champion": f"{champion.folds * len(champion.recipes):,} networks",
    }
    for stage, seconds in clock.speed(name, params).stage_seconds(params).items():
        yield f"  {stage:<10}{works.get(stage, ''):>18}   {duration(seconds)}"
