"""One short function a DVC stage: where files meet mathematics. Each returns a line that says what it wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import config, datasets, store
from pipeline.data import Dataset
from pipeline.errors import InputError
from pipeline.layout import PARAMS, data_file, member_file, report_file, score_file
from pipeline.noise import Purpose, generator
from pipeline.terminal import progress

TOGETHER = 4  # points that are fitted and written together: enough to share random numbers and to keep workers busy
# what a finished file depends on besides its input: modules of this package, and libraries
TRAINING = (
    "arithmetic calibrate config data datasets networks noise optimizers predictions regularize stack train",
    "numpy scipy torch",
)
SCORING = (
    "arithmetic calibrate data datasets evaluation metrics noise predictions reliability score",
    "numpy scikit-learn scipy",
)
HISTORY = tuple(f"{split}/{measure}" for split in ("train", "validation") for measure in ("nll", "accuracy"))
PLOTTED = ("test/nll", "test/ece", "test/debiased", "test/accuracy", "gap/nll", "test_ts/nll", "test_ts/ece")
Arrays = dict[str, NDArray[Any]]
Place = tuple[str, str]  # variant and label of a point


def _made_from(depends: tuple[str, str], *parts: object, files: list[Path]) -> str:
    modules, libraries = (names.split() for names in depends)
    code = [Path(__file__).with_name(f"{module}.py") for module in modules]
    return store.fingerprint({name: version(name) for name in libraries}, *parts, files=[*files, *code])


def _load(dataset: str) -> Dataset:
    return datasets.from_arrays(*store.read_arrays(data_file(dataset)))


def generate(dataset: str) -> str:
    """Draw or read a data set and divide it for every seed."""
    from pipeline import sources  # noqa: PLC0415

    params = config.load(PARAMS)
    wanted = config.look_up(dataset, params.datasets, f"{PARAMS}: datasets")
    made = sources.build(dataset, wanted, seeds=2 * params.study.seeds)  # the second half is for the A/A check
    store.write_arrays(data_file(dataset), *datasets.to_arrays(made))
    parts = ", ".join(f"{getattr(made.splits, split).shape[1]:,} {split}" for split in datasets.SPLITS)
    return f"{data_file(dataset)}: {len(made.pool.labels):,} rows, {len(made.pool.classes)} classes; each seed {parts}"


def train(dataset: str, variant: str, *, jobs: int, backend: str) -> str:
    """Fit every point of a variant on every seed, except the points whose finished file still holds."""
    params = config.load(PARAMS)
    variant_: config.Variant = config.look_up(variant, params.variants, f"{PARAMS}: variants")
    seeds, source = params.study.seeds, data_file(dataset)
    pooled = _load(dataset)
    points = {member_file(dataset, variant, label): point for label, point in variant_.pairs}
    prints = {
        path: _made_from(TRAINING, point.model_dump(mode="json"), seeds, files=[source])
        for path, point in points.items()
    }
    todo = [path for path, made_from in prints.items() if not store.is_current(path, made_from)]
    fitted = _fit([points[path] for path in todo], seeds, pooled, jobs=jobs, backend=backend) if todo else iter(())
    for path, (arrays, about) in zip(todo, fitted, strict=True):
        store.write_arrays(path, arrays, about)
        store.mark_current(path, prints[path])
    folder = member_file(dataset, variant, "").parent
    store.keep_only(folder, points)
    return f"{folder}: {len(todo) * seeds} members trained, {(len(points) - len(todo)) * seeds} kept"


def _fit(
    points: list[config.Point], seeds: int, pooled: Dataset, *, jobs: int, backend: str
) -> Iterator[tuple[Arrays, dict[str, Any]]]:
    """Fit a few points at a time, so that an interruption loses no more, with one progress bar for all."""
    from pipeline.train import fit_points, seeds_of  # noqa: PLC0415  (torch takes a second to import)

    used = sorted({seed for point in points for seed in seeds_of(point, seeds)})
    data = {seed: datasets.seed_data(pooled, seed) for seed in used}
    total = sum(point.epochs for point in points) * seeds
    with _workers(backend), progress(f"{len(points) * seeds} members", total, "epochs") as tick:
        for start in range(0, len(points), TOGETHER):
            yield from fit_points(points[start : start + TOGETHER], seeds, data, jobs=jobs, tick=tick)


def _workers(backend: str) -> Any:
    """Joblib's context for a backend; ray and dask have to be installed, and dask needs a running client."""
    from joblib import parallel_config  # noqa: PLC0415

    try:
        if backend == "ray":
            from ray.util.joblib import register_ray  # noqa: PLC0415

            register_ray()
        return parallel_config(backend=backend)
    except (ImportError, ValueError) as error:
        raise InputError(f"--backend {backend}: cannot be used: {' '.join(str(error).split())}") from None


def evaluate(dataset: str, *, jobs: int) -> str:
    """Score every member, compare every point with the unregularized one, and write the finished tables."""
    from pipeline.answer import answer, metrics_summary, significant  # noqa: PLC0415
    from pipeline.evaluation import directions  # noqa: PLC0415
    from pipeline.results import Protocol, results_table  # noqa: PLC0415

    params = config.load(PARAMS)
    config.look_up(dataset, params.datasets, f"{PARAMS}: datasets")
    places = [(variant.name, label) for variant in params.variants.values() for label in variant.labels]
    _drop_others(dataset, params)
    _score(dataset, places, jobs=jobs)
    points, scores, groups = _read_scores(dataset, places)
    _, about = store.read_arrays(data_file(dataset))
    described = {"name": dataset, "feature_names": about["features"], "md5": store.dvc_digest(data_file(dataset))}
    results = results_table(
        points,
        scores,
        groups=groups,
        directions=directions(scores),
        reference=places.index(("none", params.variants["none"].labels[0])),
        dataset={**about["summary"], **described},
        protocol=Protocol(confidence=0.95, resamples=10_000, gamma=0.75),
        generator=generator(0, Purpose.BOOTSTRAP),
    )
    try:
        results["answer"] = answer(results)
    except ValueError as error:
        raise InputError(f"{dataset}: nothing to choose from, every point diverged: {error}") from None
    store.write_json(report_file(dataset, "results.json"), significant(results, 6))
    summaries = {report_file(dataset, f"metrics/{key}.json"): row for key, row in metrics_summary(results).items()}
    for path, summary in summaries.items():
        store.write_json(path, significant(summary, 6))
    store.keep_only(report_file(dataset, "metrics"), summaries)
    _write_series(dataset, places, points, results)
    return f"reports/{dataset}: {len(points)} points of {params.study.seeds} members scored and compared"


def _drop_others(dataset: str, params: config.Params) -> None:
    """Delete what variants that are no longer in params.yaml have left among the outputs."""
    wanted = [(v.name, label) for v in params.variants.values() for label in v.labels]
    store.keep_only(Path("members") / dataset, [member_file(dataset, *place) for place in wanted])
    store.keep_only(Path("scores") / dataset, [score_file(dataset, *place) for place in wanted])


def _score(dataset: str, places: Sequence[Place], *, jobs: int) -> None:
    """Score the members of every point whose finished scores do not hold any more."""
    from joblib import Parallel, delayed  # noqa: PLC0415

    source = data_file(dataset)
    prints = {place: _made_from(SCORING, files=[source, member_file(dataset, *place)]) for place in places}
    todo = [place for place in places if not store.is_current(score_file(dataset, *place), prints[place])]
    calls = [delayed(_score_file)(dataset, place, prints[place]) for place in todo]
    with progress(f"{dataset}: scoring", len(todo), "points") as tick:
        for _ in Parallel(n_jobs=min(jobs, len(todo)) or 1, return_as="generator_unordered")(calls):
            tick(1)


def _score_file(dataset: str, place: Place, made_from: str) -> None:
    """Score the members of one point: the work of one worker."""
    from pipeline.evaluation import score_point  # noqa: PLC0415

    source, target = member_file(dataset, *place), score_file(dataset, *place)
    arrays, about = store.read_arrays(source)
    found = score_point(arrays, _load(dataset), about["seeds"])
    store.write_arrays(target, found, {**about, "md5": store.dvc_digest(source)})
    store.mark_current(target, made_from)


def _read_scores(dataset: str, places: Sequence[Place]) -> tuple[list[dict[str, Any]], Arrays, Arrays]:
    """Every point's description, every score as (point, seed), and those of groups of rows as (point, seed, group)."""
    scored = [store.read_arrays(score_file(dataset, *place)) for place in places]
    points = [
        {"variant": variant, "name": label, "parameters": about["point"], "md5": about["md5"]}
        for (variant, label), (_, about) in zip(places, scored, strict=True)
    ]
    scores, groups = ([_named(arrays, kind) for arrays, _ in scored] for kind in ("score/", "group/"))
    return points, _stacked(scores), _stacked(groups)


def _stacked(points: Sequence[Arrays]) -> Arrays:
    return {name: np.stack([arrays[name] for arrays in points]) for name in points[0]}


def _write_series(dataset: str, places: Sequence[Place], points: list[dict[str, Any]], results: dict[str, Any]) -> None:
    """Tables for figures: sweeps, histories, reliability bins over seeds, and whole reliability diagrams."""
    from pipeline.answer import significant  # noqa: PLC0415
    from pipeline.diagrams import point_diagrams  # noqa: PLC0415
    from pipeline.series import COLUMNS, history_rows, reliability_rows, sweep_rows  # noqa: PLC0415

    inflation = results["protocol"]["inflation"]  # test rows are measured by score, not by bin
    history: list[dict[str, Any]] = []
    bins: list[dict[str, Any]] = []
    diagrams: dict[str, Any] = {}
    for place, point, row in zip(places, points, results["points"], strict=True):
        arrays, _ = store.read_arrays(score_file(dataset, *place))
        curves, scores = _named(arrays, "curve/"), _named(arrays, "score/")
        shown = {name: curves[f"test/{name}"][None] for name in ("confidence", "accuracy", "count")}
        measured = {name: arrays[f"history/{name}"][None] for name in HISTORY} | {"epoch": arrays["history/epoch"]}
        history += history_rows([point], measured, inflation=inflation["training_rows"])
        bins += reliability_rows([point], shown, inflation=inflation["all_rows"])
        diagrams[row["key"]] = point_diagrams(curves, scores)
    sweeps = [row for row in sweep_rows(results) if row["metric"] in PLOTTED]
    for name, rows in (("history", history), ("reliability", bins), ("sweeps", sweeps)):
        store.write_csv(report_file(dataset, f"{name}.csv"), significant(rows, 5), columns=COLUMNS[name])
    store.write_json(report_file(dataset, "diagrams.json"), significant(diagrams, 4))


def _named(arrays: Arrays, kind: str) -> Arrays:
    return {name.removeprefix(kind): values for name, values in arrays.items() if name.startswith(kind)}
