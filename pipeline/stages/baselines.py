"""The command `baselines`: fit classifiers of scikit-learn on the study's seeds, and compare them with its networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.baselines import Baseline
from pipeline.config.params import Params, load_params
from pipeline.config.reading import look_up
from pipeline.core import parallel
from pipeline.core.arrays import encode_arrays, read_arrays
from pipeline.core.determinism import require_pinned
from pipeline.core.files import discard, keep_only
from pipeline.core.fingerprint import fingerprints
from pipeline.core.memo import fill
from pipeline.core.paths import PARAMS, baseline_file, champion_file, data_file, output, result_file, score_file
from pipeline.core.progress import progress
from pipeline.data.dataset import Dataset
from pipeline.data.seed_data import seed_data
from pipeline.data.splits import SPLITS
from pipeline.stages.stored_dataset import load_data
from pipeline.tracking.times import note

if TYPE_CHECKING:
    from pipeline.results.baseline_comparison import Entrant, Entrants

MEMBERS = Path(".cache")  # what baselines predict is needed for their scores alone
CODE = ("models.baselines", "data.seed_data")
Logits = dict[str, NDArray[np.float32]]


def baselines(dataset: str, *, jobs: int) -> str:
    """Fit every baseline on every seed, except what the memo has, score it as networks are, and write the table."""
    from pipeline.results.baseline_comparison import baseline_results  # noqa: PLC0415
    from pipeline.results.record import write_record  # noqa: PLC0415
    from pipeline.stages.scores import write_scores  # noqa: PLC0415

    params = load_params(PARAMS)
    look_up(dataset, params.datasets, f"{PARAMS}: datasets")
    rows, seeds = params.baselines, params.study.seeds
    sources = {baseline_file(dataset, name): MEMBERS / baseline_file(dataset, name) for name in rows}
    points = {sources[baseline_file(dataset, name)]: row for name, row in rows.items()}
    fitted = write_fits(points, seeds, dataset, jobs=jobs)
    write_scores(sources, dataset, jobs=jobs)
    folder, members = baseline_file(dataset, "").parent, MEMBERS / baseline_file(dataset, "").parent
    output(folder).mkdir(parents=True, exist_ok=True)  # an output of DVC, also where there are no baselines
    for source in sources.values():
        discard(source, within=members)
    keep_only(folder, sources)
    write_record(result_file(dataset, "baselines.json"), baseline_results(_entrants(dataset, params)))
    recalled = (len(rows) - fitted) * seeds
    return f"{folder}: {fitted * seeds} classifiers fitted, {recalled} recalled from the memo, and compared"


def write_fits(rows: Mapping[Path, Baseline], seeds: int, dataset: str, *, jobs: int) -> int:
    """Write what every baseline predicts on so many seeds; give back how many baselines were fitted.

    The bytes are the same with any number of workers.
    """
    parts = {path: ("baseline", row.model_dump(mode="json"), seeds) for path, row in rows.items()}
    keys = fingerprints(parts, code=CODE, files=[data_file(dataset)])
    return fill(keys, lambda paths: _fit([rows[path] for path in paths], range(seeds), dataset, jobs=jobs))


def _fit(rows: Sequence[Baseline], seeds: Sequence[int], dataset: str, *, jobs: int) -> Iterator[bytes]:
    """The content of every baseline's file, as soon as all its seeds are fitted.

    Workers are processes: threads wait for each other in the interpreter, which half of a fit runs in.
    """
    pooled = parallel.shared(load_data(dataset), jobs)
    tasks = [(row, seed) for row in rows for seed in seeds]
    with progress(f"{dataset}: baselines", len(tasks), "fits") as tick:
        fits = parallel.results(_predict, tasks, arguments=lambda task: (*task, pooled), jobs=jobs)
        for row in rows:
            predicted, began = list[Logits](), time()
            for _ in seeds:
                predicted.append(next(fits))
                tick(1)
            arrays = {f"logits/{split}": np.stack([each[split] for each in predicted]) for split in SPLITS}
            content = encode_arrays(arrays, {"baseline": row.model_dump(mode="json"), "seeds": list(seeds)})
            note(content, since=began)
            yield content


def _predict(row: Baseline, seed: int, pooled: Dataset) -> Logits:
    """Logits of every split by a baseline that is fitted on a seed's training rows: the work of one worker."""
    from pipeline.models.baselines import fit, logits_of, make  # noqa: PLC0415  (scikit-learn takes a second)

    require_pinned()
    data = seed_data(pooled, seed)
    estimator = fit(make(row, seed), data.features["train"], data.labels["train"])
    return {split: logits_of(estimator, data.features[split], data.classes) for split in SPLITS}


def _entrants(dataset: str, params: Params) -> Entrants:
    """Baselines and the networks that they are compared with, from their files of scores."""
    from pipeline.evaluation.members import directions  # noqa: PLC0415
    from pipeline.results.baseline_comparison import Entrants  # noqa: PLC0415
    from pipeline.results.comparison import protocol_of  # noqa: PLC0415
    from pipeline.stages.scores import dataset_summary  # noqa: PLC0415

    none = _entrant("none", score_file(dataset, "none", params.variants["none"].labels[0]))
    return Entrants(
        none=none,
        answer=_answer(dataset),
        baselines=[(row, _entrant(name, baseline_file(dataset, name))) for name, row in params.baselines.items()],
        directions=directions(none.scores),
        dataset=dataset_summary(dataset, load_data(dataset)),
        protocol=protocol_of(params.study.least_effect),
    )


def _answer(dataset: str) -> Entrant | None:
    """The network that the search recommends; None where it recommends no regularization."""
    from pipeline.results.record import read_record  # noqa: PLC0415
    from pipeline.results.search import SearchResults  # noqa: PLC0415

    results = read_record(SearchResults, result_file(dataset, "search.json")).results
    if results.answer.recommendation != "use":
        return None
    point = results.point(results.answer.key)
    return _entrant(point.name, champion_file(dataset, point.kind or "", point.name))


def _entrant(name: str, path: Path) -> Entrant:
    from pipeline.results.baseline_comparison import Entrant  # noqa: PLC0415
    from pipeline.stages.scores import below  # noqa: PLC0415

    arrays: dict[str, NDArray[Any]]
    arrays, about = read_arrays(path)
    return Entrant(name, about["md5"], below("score", arrays), below("group", arrays))
