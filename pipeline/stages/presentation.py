"""One short function for each way to look at finished results: figures, report, MLflow, terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from pipeline.ground import store
from pipeline.ground.layout import (
    CLAIMS,
    CLAIMS_SECTION,
    LEDGER,
    PAGE,
    PARAMS,
    README,
    SUMMARY,
    champion_file,
    claim_figure_file,
    figure_file,
    report_file,
    score_file,
    section_file,
    shared_figure_file,
    trials_file,
)
from pipeline.ground.terminal import progress
from pipeline.params import config, reading
from pipeline.stages.drawing import Drawn, forms_at, written

if TYPE_CHECKING:
    from pipeline.tracking.records import Experiment, Record

POINTS = "points"  # folder of the reliability diagrams of single points


def plot(dataset: str, *, jobs: int) -> str:
    """Draw a data set's figures from its finished tables, and write its section of the report."""
    from joblib import Parallel, delayed  # noqa: PLC0415

    from pipeline.report.report import section  # noqa: PLC0415

    params = config.load(PARAMS)
    reading.look_up(dataset, params.datasets, f"{PARAMS}: datasets")
    tables = _tables(dataset)
    calls = [delayed(call)(*arguments) for call, *arguments in _drawings(dataset, tables)]
    drawn = []
    with progress(f"{dataset}: drawing", len(calls), "figures") as tick:
        for one in Parallel(n_jobs=min(jobs, len(calls)), return_as="generator_unordered")(calls):
            drawn.append(one)
            tick(1)
    folder = figure_file(dataset, "")
    files, pictures = written(drawn)
    store.keep_only(folder, files)
    store.write_json(section_file(dataset), section(tables["results"], tables["search"], pictures))
    return f"{folder}: {len(files)} files; {section_file(dataset)}: this data set's part of the report"


def _tables(dataset: str) -> dict[str, Any]:
    from pipeline.statistics.series import sweep_rows  # noqa: PLC0415

    results = _results(dataset)
    return {
        "results": results,
        "diagrams": store.read_json(report_file(dataset, "diagrams.json")),
        "history": store.read_csv(report_file(dataset, "history.csv"), numbers=("epoch", "mean", "low", "high")),
        "sweeps": sweep_rows(results),
        **_search_tables(dataset),
    }


def _search_tables(dataset: str) -> dict[str, Any]:
    from pipeline.params.spaces import Search  # noqa: PLC0415
    from pipeline.search.trials import columns, numbers  # noqa: PLC0415

    found = store.read_json(report_file(dataset, "search.json"))
    search = Search.model_validate(found["search"])
    rungs = search.pruner.rungs(found["results"]["points"][0]["parameters"]["epochs"])
    trials = store.read_csv(trials_file(dataset), numbers=numbers(columns(search, rungs)))
    return {"search": found, "trials": trials}


def _drawings(dataset: str, tables: dict[str, Any]) -> Iterator[tuple[Callable[..., Drawn], *tuple[Any, ...]]]:
    """What is to be drawn, as calls: the long ones first."""
    from pipeline.figures.canvas import sample  # noqa: PLC0415
    from pipeline.figures.figures import FIGURES  # noqa: PLC0415

    yield from ((_draw, name, figure_file(dataset, name), tables) for name in FIGURES)
    note = sample(tables["results"])
    for point in tables["results"]["points"]:
        if diagram := tables["diagrams"][point["key"]]:
            path = figure_file(dataset, f"{POINTS}/{point['variant']}/{point['name']}.png")
            yield _draw_point, path, point["key"], diagram, note


def _draw(name: str, path: Path, tables: dict[str, Any]) -> Drawn:
    """One figure of a data set: the work of one worker."""
    from pipeline.figures import canvas, figures  # noqa: PLC0415

    with canvas.styled():
        return forms_at(path, figures.FIGURES[name](tables))


def _draw_point(path: Path, key: str, diagram: dict[str, Any], note: str) -> Drawn:
    from pipeline.figures import canvas, figures  # noqa: PLC0415

    with canvas.styled():
        return Drawn({path: canvas.png(figures.point_reliability(key, diagram, note))}, {})


def report() -> str:
    """Join the data sets' sections to one page, and say what holds across them."""
    from pipeline.figures import canvas, figures  # noqa: PLC0415
    from pipeline.report.report import page  # noqa: PLC0415
    from pipeline.statistics.answer import significant  # noqa: PLC0415
    from pipeline.words.across import summary  # noqa: PLC0415

    params = config.load(PARAMS)
    sections = [store.read_json(section_file(dataset)) for dataset in params.study.datasets]
    studies = [section["results"] for section in sections]
    found = significant(summary(studies), 6)
    with canvas.styled():
        headline = forms_at(shared_figure_file("headline"), figures.headline(studies))
        rankings = forms_at(shared_figure_file("rankings"), figures.rankings(found, studies))
        best = forms_at(shared_figure_file("best"), figures.best([section["search"] for section in sections]))
    _, pictures = written([headline, rankings, best])
    claims = store.read_json(CLAIMS_SECTION) if CLAIMS_SECTION.exists() else None
    text = page(sections, found, pictures, claims).encode()
    store.write_json(SUMMARY, found)
    store.write_bytes(PAGE, text)
    return f"{PAGE}: {len(studies)} data sets on one page of {len(text) / 1e6:.1f} MB; open it in a browser"


def track() -> str:
    """Publish what evaluations and searches found to MLflow, where the store lacks it, and print the results."""
    from pipeline.tracking.tracking import provenance, publish, tracking_uri  # noqa: PLC0415

    params = config.load(PARAMS)
    reports = [_results(dataset) for dataset in params.study.datasets]
    found = [pair for results in reports for pair in (_study_of(results), _search_of(results["dataset"]["name"]))]
    found.append(_claims())
    records = [record for of_experiment, _ in found for record in of_experiment]
    with progress("MLflow", len(records), "runs") as tick:
        done = publish(
            records,
            uri=tracking_uri(Path.cwd()),
            provenance=provenance(),
            experiments=[page for _, page in found if page is not None],
            complete=True,
            progress=lambda *_: tick(1),
        )
    print("\n".join([*map(_shown, reports), *_across()]))
    changed = f"{done.created} runs created, {done.replaced} replaced, {done.retired} retired"
    page = f"\nReport: {PAGE}, open it in a browser" if PAGE.exists() else ""
    return f"\nMLflow: {changed}, {done.unchanged} there already; look at them with `make ui`{page}"


def _study_of(results: Mapping[str, Any]) -> tuple[list[Record], Experiment | None]:
    """What MLflow is told of a data set's study; the search's figures are its own."""
    from pipeline.tracking.publication import experiment_of, records_of  # noqa: PLC0415
    from pipeline.tracking.search_publication import FIGURES  # noqa: PLC0415

    pictures = {path: file for path, file in _pictures(results).items() if path.removesuffix(".png") not in FIGURES}
    records = records_of(results, _arrays_of(results), pictures)
    return records, experiment_of(results, records)


def _search_of(dataset: str) -> tuple[list[Record], Experiment | None]:
    """What MLflow is told of a data set's search; nothing where there is none."""
    from pipeline.tracking.search_publication import experiment_of, records_of, settings  # noqa: PLC0415

    if not report_file(dataset, "search.json").exists():
        return [], None
    table, rows = _search_tables(dataset).values()
    places = [(row["kind"], row["name"]) for row in table["results"]["points"]]
    records = records_of(
        table,
        rows,
        [store.read_arrays(champion_file(dataset, *place))[0] for place in places],
        trials=trials_file(dataset),
        figures=_pictures(table["results"]),
    )
    return records, experiment_of(dataset, settings(table), table)


def _claims() -> tuple[list[Record], Experiment | None]:
    """What MLflow is told of the claims ledger; nothing where there is none."""
    from pipeline.tracking.claim_publication import experiment_of, records_of  # noqa: PLC0415

    if not LEDGER.exists():
        return [], None
    table = store.read_json(LEDGER)
    drawn = {path.stem: path for path in claim_figure_file("").glob("*.png")}
    return records_of(table, drawn), experiment_of(table)


def show(dataset: str | None) -> str:
    """The results table of a data set, or of all that the study names and what holds across them."""
    params = config.load(PARAMS)
    if dataset is not None:
        reading.look_up(dataset, params.datasets, f"{PARAMS}: datasets")
        return _shown(_results(dataset)).strip()
    return "\n".join([*(_shown(_results(name)) for name in params.study.datasets), *_across()]).strip()


def readme() -> str:
    """Write the README's numbers from the results, the benchmark and dvc.yaml."""
    from pipeline.words.readme import parts, refresh  # noqa: PLC0415

    params = config.load(PARAMS)
    made = parts(
        [_results(dataset) for dataset in params.study.datasets],
        store.read_json(SUMMARY),
        {name: store.read_json(Path(f"benchmarks/{name}.json")) for name in ("engine", "search")},
        reading.read_yaml(Path("dvc.yaml"))["stages"],
        [store.read_json(report_file(dataset, "search.json")) for dataset in params.study.datasets],
        store.read_json(LEDGER),
    )
    store.write_bytes(README, refresh(README.read_text(encoding="utf-8"), made).encode())
    return f"{README}: {', '.join(made)} written from the results"


def params() -> str:
    """Every key of params.yaml and claims.yaml: meaning and default."""
    from pipeline.experiments import grammar  # noqa: PLC0415

    return f"{PARAMS}\n\n{config.explain()}\n\n\n{CLAIMS}\n\n{grammar.explain()}"


def _results(dataset: str) -> dict[str, Any]:
    found: dict[str, Any] = store.read_json(report_file(dataset, "results.json"))
    return found


def _shown(results: Mapping[str, Any]) -> str:
    """The table and the sentence that answers, and those of the search where there is one; in colour for a person."""
    from pipeline.words import rendering, search_rendering  # noqa: PLC0415

    name, color = results["dataset"]["name"], sys.stdout.isatty()
    told = f"\n{name}\n{rendering.render(results, color=color)}\n{fill(results['answer']['sentence'], 120)}\n"
    searched = report_file(name, "search.json")
    return f"{told}\n{search_rendering.render(store.read_json(searched), color=color)}" if searched.exists() else told


def _across() -> list[str]:
    """What holds on all data sets, where the report has said it, and the claims ledger where there is one."""
    from pipeline.words import claim_rendering  # noqa: PLC0415

    told = [fill(store.read_json(SUMMARY)["sentence"], 120)] if SUMMARY.exists() else []
    if LEDGER.exists():
        told.append(f"\n{claim_rendering.render(store.read_json(LEDGER), color=sys.stdout.isatty())}")
    return told


def _arrays_of(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    dataset = results["dataset"]["name"]
    return [store.read_arrays(score_file(dataset, row["variant"], row["name"]))[0] for row in results["points"]]


def _pictures(results: Mapping[str, Any]) -> dict[str, Path]:
    """The PNG files of a data set's figures by their place below its folder."""
    folder = figure_file(results["dataset"]["name"], "")
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.png"))}
