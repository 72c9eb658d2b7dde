"""The command `advise`: an answer for the user's own table in about a minute, from a project that nobody keeps."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import fill
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from pipeline.config.budget import changes_between, scaled_down
from pipeline.config.cost import search_networks_of
from pipeline.config.edits import with_values
from pipeline.config.flags import as_flags, given_by
from pipeline.config.params import Params, params_of
from pipeline.config.reading import parse_yaml, read_text
from pipeline.core.arrays import write_arrays
from pipeline.core.durations import duration
from pipeline.core.errors import InputError
from pipeline.core.files import write_bytes
from pipeline.core.paths import INPUTS, PARAMS, advice_file, data_file, result_file
from pipeline.data.dataset import Dataset
from pipeline.data.tables.messages import one_line
from pipeline.stages.own_table import OwnTable, check_name, default_name, read_own
from pipeline.stages.pace import Pace
from pipeline.stages.sketched_baselines import losses_beside
from pipeline.stages.study_length import CORES, Speed, epoch_seconds

if TYPE_CHECKING:
    from pipeline.reporting.sections import Picture
    from pipeline.results.search import SearchResults

_REST = 10.0  # seconds for scores, comparisons and the page
_BASELINES = 5.0  # seconds for classifiers that are no networks
_SURE = 0.8  # of the time left, which the fewest seeds and trials may take: a few steps do not tell the speed exactly
_FEWEST_ROWS = 100  # to train on
_ENOUGH_TO_CHOOSE = 1_000  # validation rows
_ENOUGH_TO_TEST = 10_000
_BATCH = 5  # trials that are proposed together

Losses = Mapping[str, Sequence[float]]
Values = Mapping[tuple[str, ...], object]


@dataclass(frozen=True)
class Plan:
    """What fits into the time.

    Attributes:
        own: The rows that are divided.
        text: Parameters.
        params: The same, read.
        speed: Of training, measured.
        deadline: When training is to end.
        whole: Seconds that training would take on all training rows.
    """

    own: OwnTable
    text: str
    params: Params
    speed: Speed
    deadline: float
    whole: float

    @property
    def seconds(self) -> float:
        """Of training."""
        return _seconds(self.speed, self.params)


def advise(*, file: str, target: str, name: str | None, keep: list[str], minutes: float, **flags: object) -> str:
    """Answer for a table in about so many minutes; nothing is written but one page.

    Raises:
        InputError: the table cannot be used as it is, or the page's place is taken by something else.
    """
    start = monotonic()
    from pipeline.reporting.text.advice import beside  # noqa: PLC0415

    text = read_text(PARAMS)
    params = params_of(parse_yaml(text, PARAMS), PARAMS)
    name = _name(Path(file), name)
    given = {"target": target, **given_by(flags)}
    own = read_own(Path(file), given, kept=keep)
    plan = _plan(own, name, text, deadline=start + 60 * minutes - _REST - _BASELINES)
    print(_plan_text(plan, own), flush=True)
    results, losses, picture = _answer(plan, name)
    spent = (monotonic() - start) / 60
    sure = [beside(losses), *_sure(results, params, plan, own, minutes=spent)]
    add = " ".join(["python -m pipeline add", shlex.quote(file), as_flags(given), "--study"])
    commands = [add, "dvc repro"]
    _write_page(name, results, picture, file=one_line(file), sure=sure, commands=commands)
    return _printed(name, results, sure, commands, spent)


def _name(file: Path, name: str | None) -> str:
    """The name of the page.

    Raises:
        InputError: it cannot be one, or there is a file that no `advise` has written.
    """
    from pipeline.reporting.advice import GENERATOR  # noqa: PLC0415

    name = default_name(file, ()) if name is None else name
    check_name(name)
    page = advice_file(name)
    if page.exists() and not (page.is_file() and GENERATOR.encode() in page.read_bytes()[:2000]):
        raise InputError(f"{page}: is no page of `advise` and is left alone; move it, or choose another --name")
    return name


def _plan(own: OwnTable, name: str, text: str, *, deadline: float) -> Plan:
    """The most seeds and trials that fit into the time, on fewer training rows where even the fewest do not."""
    sketch = with_values(text, _sketch(own, name), PARAMS)
    params = params_of(parse_yaml(sketch, PARAMS), PARAMS)
    speed = Speed(epoch_seconds(params, own.source(INPUTS / name).divide(own.rows, name, seeds=1)))
    left = max(deadline - monotonic(), 1.0)
    smaller = list(scaled_down(params))
    whole = _seconds(speed, smaller[-1])
    values: dict[tuple[str, ...], object] = {}
    if whole > _SURE * left:
        own, speed = _fewer_rows(own, _SURE * left / whole), Speed(speed.epoch * _SURE * left / whole)
        values = _entry(own, name)
    chosen = next((each for each in smaller if _seconds(speed, each) <= left), smaller[-1])
    edited = with_values(sketch, {**values, **changes_between(params, chosen)}, PARAMS)
    return Plan(own, edited, params_of(parse_yaml(edited, PARAMS), PARAMS), speed, deadline, whole)


def _sketch(own: OwnTable, name: str) -> dict[tuple[str, ...], object]:
    """What makes a sketch of the study: this table alone, and neither stacks nor averages of winners."""
    return {
        **_entry(own, name),
        ("study", "datasets"): [name],
        ("study", "ensembles", "members"): 1,
        ("search", "stacked"): 0,
        ("search", "batch"): _BATCH,
    }


def _entry(own: OwnTable, name: str) -> dict[tuple[str, ...], object]:
    return {("datasets", name): {"kind": "file", "path": (INPUTS / name).as_posix(), **own.entry}}


def _seconds(speed: Speed, params: Params) -> float:
    return speed.seconds(params, search_networks_of(params))


def _fewer_rows(own: OwnTable, share: float) -> OwnTable:
    """The table with this share of its training rows, and no more rows to choose on than that needs."""
    train = min(own.rows_of("train"), max(_FEWEST_ROWS, round(share * own.rows_of("train"))))
    validation = min(own.rows_of("validation"), _ENOUGH_TO_CHOOSE)
    return OwnTable(own.rows, {**own.entry, "train": train, "validation": validation})


def _tested_on_fewer(dataset: Dataset) -> Dataset:
    """The data set with no more test rows than a sketch needs, evenly spread over all."""
    test = dataset.splits.test
    places = np.linspace(0, test.shape[1] - 1, min(_ENOUGH_TO_TEST, test.shape[1])).astype(np.int64)
    return replace(dataset, splits=replace(dataset.splits, test=test[:, places]))


def _plan_text(plan: Plan, own: OwnTable) -> str:
    networks, params = search_networks_of(plan.params).total, plan.params
    used, all_rows = plan.own.rows_of("train"), own.rows_of("train")
    rows = f"{used:,} rows" + f" (of {all_rows:,}, which would take longer)" * (used < all_rows)
    tried = f"{params.search.trials} trials of each of {len(params.search.arms)} arms and {params.study.seeds} seeds"
    return f"Training up to {networks:,} networks of {rows}, {tried}: about {duration(plan.seconds)} on {CORES} cores"


@contextmanager
def _elsewhere() -> Iterator[None]:
    """Work in a folder that is gone afterwards, however it ends."""
    with TemporaryDirectory(prefix="advise-", ignore_cleanup_errors=True) as folder, chdir(folder):
        yield


def _answer(plan: Plan, name: str) -> tuple[SearchResults, Losses, Picture]:
    """Search as the plan says, fit ordinary classifiers, and draw what was found."""
    from pipeline.data.storage import to_arrays  # noqa: PLC0415
    from pipeline.results.record import read_record  # noqa: PLC0415
    from pipeline.results.search import SearchResults  # noqa: PLC0415
    from pipeline.stages.search import search_alone  # noqa: PLC0415

    with _elsewhere():
        write_bytes(PARAMS, plan.text.encode())
        dataset = plan.own.source(INPUTS / name).divide(plan.own.rows, name, seeds=plan.params.tuning_seeds.stop)
        write_arrays(data_file(name), *to_arrays(_tested_on_fewer(dataset)))
        search_alone(name, jobs=CORES, limit=Pace(plan.params, plan.deadline, plan.speed))
        results = read_record(SearchResults, result_file(name, "search.json"))
        losses = losses_beside(name, plan.params.baselines, results, seconds=_BASELINES, jobs=CORES)
    return results, losses, _picture(results)


def _picture(results: SearchResults) -> Picture:
    from pipeline.reporting.figures import canvas  # noqa: PLC0415
    from pipeline.reporting.figures.search import arms  # noqa: PLC0415
    from pipeline.reporting.sections import Picture  # noqa: PLC0415

    with canvas.styled():
        drawing = arms(results)
        return Picture(svg=canvas.forms(drawing).bare.decode(), caption=drawing.caption)


def _sure(results: SearchResults, params: Params, plan: Plan, own: OwnTable, *, minutes: float) -> list[str]:
    from pipeline.reporting.text.advice import baseline, how_sure  # noqa: PLC0415

    used, rows = plan.own.rows_of("train"), own.rows_of("train")
    longer = f"`--minutes {(plan.whole + _REST) / 60 + 1:.0f}` trains on all of them"
    fewer = [f"Trained on {used:,} of {rows:,} rows, where regularization gains more; {longer}."] * (used < rows)
    study, trials = params.study.seeds, params.search.trials
    return [
        baseline(results),
        *fewer,
        *_cut(results, plan),
        *how_sure(results, seeds=study, trials=trials, minutes=minutes),
    ]


def _cut(results: SearchResults, plan: Plan) -> list[str]:
    """What of the plan the time did not allow."""
    planned = (plan.params.study.seeds, plan.params.search.trials)
    if planned == (results.results.protocol.seeds, results.search.trials):
        return []
    text = "{} seeds and {} trials were planned; training became slower, and the clock, no result, made them fewer."
    return [text.format(*planned)]


def _write_page(
    name: str, results: SearchResults, picture: Picture, *, file: str, sure: Sequence[str], commands: Sequence[str]
) -> None:
    from pipeline.reporting.advice import advice_page  # noqa: PLC0415

    page = advice_page(results, picture, file=file, sure=sure, commands=commands)
    write_bytes(advice_file(name), page.encode())


def _printed(name: str, results: SearchResults, sure: Sequence[str], commands: Sequence[str], minutes: float) -> str:
    """The answer, how sure it is, and what makes it reproducible."""
    from pipeline.reporting.text.search import brief, conclusion  # noqa: PLC0415

    return "\n".join(
        [
            f"\n{brief(results, color=sys.stdout.isatty()).rstrip()}\n",
            *(fill(sentence, 120) for sentence in (*conclusion(results), "", *sure)),
            f"\n{advice_file(name)}: all of this on a page, after {duration(60 * minutes)}",
            "To make it reproducible, with all that the study has:",
            *(f"  {command}" for command in commands),
        ]
    )
