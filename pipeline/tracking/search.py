"""What the tracking server says of a search: a record a trial, under one an arm, the winners, and the answer.

What it says of an arm and its trials depends on nothing that comes later, so that it can be said while the search goes
on, and again when it has ended, in the same words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.config.search_space import LEARNING_RATE, STACKED, TUNED, Search, measure
from pipeline.tracking import views
from pipeline.tracking.artifacts import Row, as_csv, as_json, dataset_of, points_table, tables_of
from pipeline.tracking.records import Experiment, Record
from pipeline.tracking.study import AGAINST, CURRENT, Arrays, chosen_metrics, finding, metrics_of, outcome, signed
from pipeline.tracking.trials import TRIALS, experiment, key, trial_key, trial_records

FIGURES = ("arms", "interactions", "history", "importances", "slices", "contours", "pareto")
WINNERS = "winners"  # a view


def settings(table: Mapping[str, Any]) -> Search:
    """What a finished table says was searched, and how."""
    return Search.model_validate(table["search"])


def records_of(
    table: Mapping[str, Any],
    rows: Sequence[Row],
    arrays: Sequence[Arrays],
    *,
    trials: bytes | Path,
    figures: Mapping[str, Path],
) -> list[Record]:
    """All records of a finished search; the one for the answer comes last, so that the UI lists it first.

    Args:
        table: the finished table of the search.
        rows: all trials.
        arrays: each contender's `score/*`.
        trials: the table of all trials.
        figures: drawn figures by path, such as "arms.png"; those that lack are left out.
    """
    results = table["results"]
    dataset, points = results["dataset"]["name"], results["points"]
    search, epochs = settings(table), points[0]["parameters"]["epochs"]
    stacked = any(row["kind"] == STACKED for row in points)
    return [
        *trial_records(dataset, search, rows, epochs=epochs),
        *([_stacks_record(results)] if stacked else []),
        *(_contender_record(table, search, row, found) for row, found in zip(points, arrays, strict=True)),
        _answer_record(table, search, trials, figures),
    ]


def experiment_of(dataset: str, search: Search, table: Mapping[str, Any] | None = None) -> Experiment:
    """What the page of a search says: that it goes on, or what it has found."""
    ways = f"[charts](charts:{TRIALS}) or in [a table](table:{TRIALS})"
    shown = {TRIALS: _trials_view(search)}
    if table is None:
        text = (
            f"The search on `{dataset}` goes on: after every batch its trials appear here, each a run under the run of "
            f"its arm. Compare them in {ways}."
        )
    else:
        text = (
            f"{table['results']['answer']['sentence']}\n\n"
            f"Every trial of the search on `{dataset}` is a run under the run of its arm: compare them in {ways}, also "
            "found under *Views*. What the winners, and combinations of them, are worth on seeds that no trial has "
            f"seen: [charts](charts:{WINNERS}), [table](table:{WINNERS}). The run `answer` holds the search's figures "
            f"and tables. Filter by `{CURRENT}` to hide earlier results."
        )
        shown[WINNERS] = _winners_view(search)
    return Experiment(name=experiment(dataset), description=text, views=shown)


def _trials_view(search: Search) -> str:
    """All trials, best first: what was chosen, what came of it, and how values fell epoch by epoch."""
    objectives, axes = list(map(measure, search.objectives)), _axes(search)
    compared = views.section("Strengths and results", [views.parallel(axes, objectives)], columns=1, height=420)
    on_the_way = views.section("On the way", [views.lines(f"rung/{search.objectives[0]}")], columns=1, height=420)
    return views.saved(
        "Trials, compared",
        columns=[
            *map(views.tag, ("arm", "state")),
            *map(views.metric, objectives),
            *map(views.param, search.space),
        ],
        search=f'{CURRENT} AND tags.level = "trial"',
        order_by=views.metric(objectives[0]),
        sections=[compared, *([on_the_way] if search.pruner.kind != "none" else [])],
        folded=["rung", "seeds/validation", "validation", "validation_ts"],
    )


def _axes(search: Search) -> list[str]:
    """The learning rate and what some arm tunes alone: more axes would hide what they show."""
    alone = {LEARNING_RATE, *(name for names in search.arms.values() if len(names) == 1 for name in names)}
    return [name for name in search.space if name in alone]


def _winners_view(search: Search) -> str:
    """The winners and their combinations, best first, on test rows."""
    return views.saved(
        "Winners on fresh seeds",
        columns=[
            views.tag("verdict"),
            *map(views.metric, (*AGAINST, "test_ts/nll", "test/accuracy")),
            *map(views.param, search.space),
            "attributes.`Description`",
        ],
        search=f'{CURRENT} AND tags.verdict != ""',
        order_by=views.metric("test/nll"),
        sections=[views.section("Results", [views.bars(name) for name in AGAINST], columns=3, height=520)],
    )


def _place(dataset: str, row: Row) -> str:
    """The key of a contender: a winner lies beside its arm's trials; no arm has the name of what holds the stacks."""
    kind, name = row["kind"], row["name"]
    return key(dataset, name, "winner") if kind == TUNED else key(f"{dataset}+{STACKED}", name)


def _link(dataset: str, row: Row) -> str:
    return f"[{row['name']}](record:{_place(dataset, row)})"


def _stacks_record(results: Mapping[str, Any]) -> Record:
    dataset = results["dataset"]["name"]
    rows = [row for row in results["points"] if row["kind"] == STACKED]
    return Record(
        key=f"{dataset}+{STACKED}",
        experiment=experiment(dataset),
        name="stacked winners",
        description=(
            f"Winners of several arms on `{dataset}`, stacked on each other without tuning them together, part of "
            f"[the search](record:{dataset}): {', '.join(_link(dataset, row) for row in rows)}. "
            f"Compare them with the winners in [charts](charts:{WINNERS}) or in [a table](table:{WINNERS})."
        ),
        tags={"dataset": dataset, "level": "stacks"},
        artifacts={"tables/points.csv": points_table(rows)},
    )


def _contender_record(table: Mapping[str, Any], search: Search, row: Row, arrays: Arrays) -> Record:
    """A winner, or winners stacked on each other, on fresh seeds."""
    results = table["results"]
    dataset, name, tuned = results["dataset"]["name"], row["name"], row["kind"] == TUNED
    return Record(
        key=_place(dataset, row),
        experiment=experiment(dataset),
        name=f"{name} winner" if tuned else name,
        parent=key(dataset, name) if tuned else f"{dataset}+{STACKED}",
        description=" ".join(
            [
                _origin(dataset, table["arms"][name], row) if tuned else _parts(table, row),
                finding(row, _link(dataset, results["points"][results["reference"]["index"]]), results["protocol"]),
                *_interactions(table, row),
                *([_optimism(table["arms"][name])] if tuned else []),
                "All metrics are in `tables/metrics.csv`.",
            ]
        ),
        params={field: float(row["parameters"].get(field, 0.0)) for field in search.space},
        tags={
            "dataset": dataset,
            **({"arm": name} if tuned else {}),
            "level": "winner" if tuned else STACKED,
            "verdict": outcome(row),
            "dvc.md5.data": results["dataset"]["md5"],
        },
        metrics=list(metrics_of(row, arrays)),
        artifacts=tables_of(row),
        dataset=dataset_of(results["dataset"]),
    )


def _origin(dataset: str, arm: Mapping[str, Any], row: Row) -> str:
    name, number = row["name"], int(arm["trial"])
    return (
        f"[Trial {number}](record:{trial_key(dataset, name, number)}) of arm [{name}](record:{key(dataset, name)}), "
        f"its best of {sum(arm['trials'].values())}, trained anew on {row['seeds']} seeds that no trial has seen."
    )


def _parts(table: Mapping[str, Any], row: Row) -> str:
    dataset = table["results"]["dataset"]["name"]
    parts = " and ".join(_link(dataset, _contender(table, part)) for part in row["name"].split("+"))
    return f"The winners of {parts} stacked on each other, not tuned together, on {row['seeds']} seeds."


def _contender(table: Mapping[str, Any], name: str) -> Row:
    found: Row = next(row for row in table["results"]["points"] if row["name"] == name)
    return found


def _interactions(table: Mapping[str, Any], row: Row) -> Iterator[str]:
    """How a combination compares with the best of its single arms."""
    dataset = table["results"]["dataset"]["name"]
    for entry in table["interactions"]:
        against = entry["metrics"].get("test/nll") if entry["name"] == row["name"] else None
        if against and not against["left_out"]:
            change = f"{signed(against['difference'])} [{signed(against['low'])}, {signed(against['high'])}]"
            single = _link(dataset, _contender(table, entry["best_single"]))
            better = "P(better) {estimate:.2f} [{low:.2f}, {high:.2f}]".format_map(against["p_better"])
            yield (
                f"Against {single}, the best of its parts, NLL changes by {change}, {better}, verdict: "
                f"**{against['verdict']}**."
            )


def _optimism(arm: Mapping[str, Any]) -> str:
    found = arm["optimism"]
    change = f"{signed(found['mean'])} [{signed(found['low'])}, {signed(found['high'])}]"
    return f"On validation rows the search had found {found['searched']:.4f}; fresh seeds are off by {change}."


def _answer_record(
    table: Mapping[str, Any], search: Search, trials: bytes | Path, figures: Mapping[str, Path]
) -> Record:
    results = table["results"]
    answer, dataset = results["answer"], results["dataset"]["name"]
    winners = ", ".join(_link(dataset, row) for row in results["points"] if row["kind"] == TUNED)
    stacked = any(row["kind"] == STACKED for row in results["points"])
    return Record(
        key=dataset,
        experiment=experiment(dataset),
        name="answer",
        description=(
            f"{answer['sentence']}\n\n"
            f"Look at `figures/`, at `tables/`, at all trials in [charts](charts:{TRIALS}) or in "
            f"[a table](table:{TRIALS}), and at what the winners are worth in [charts](charts:{WINNERS}) or in "
            f"[a table](table:{WINNERS}).\n\n"
            f"Winners: {winners}"
            f"{f'; and [their combinations](record:{dataset}+{STACKED})' * stacked}."
        ),
        tags={"dataset": dataset, "level": "study", "recommendation": answer["after_scaling"]["recommendation"]},
        metrics=list(chosen_metrics(results)),
        artifacts={
            **{f"figures/{name}.png": figures[f"{name}.png"] for name in FIGURES if f"{name}.png" in figures},
            "tables/trials.csv": trials,
            "tables/arms.csv": _arms_table(table["arms"], search),
            "tables/points.csv": points_table(results["points"]),
            "answer.json": as_json(answer),
        },
        dataset=dataset_of(results["dataset"]),
    )


def _arms_table(arms: Mapping[str, Mapping[str, Any]], search: Search) -> bytes:
    """One line an arm: its best trial, how optimistic its value was, and what became of all trials."""
    return as_csv(
        {
            "arm": name,
            "trial": arm["trial"],
            measure(search.objectives[0]): arm["value"],
            **{f"optimism{end}": arm["optimism"][field] for end, field in _ENDS.items()},
            **{strength: arm["strengths"].get(strength) for strength in search.space},
            **arm["trials"],
            "at_edge": " ".join(arm["edges"]),
        }
        for name, arm in arms.items()
    )


_ENDS = {"": "mean", "_low": "low", "_high": "high"}
