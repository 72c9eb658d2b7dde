"""The report: one page that needs nothing from outside, readable on a phone and in print. Text from finished tables."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from pipeline.reporting.figures.embedding import data_uri
from pipeline.reporting.text import audit, textbook
from pipeline.reporting.text.learning_rate import untuned
from pipeline.reporting.text.numbers import OBJECTIVES, interval, short
from pipeline.reporting.text.search import arm_rows, budget, conclusion, footnotes, matrix, worth_rows
from pipeline.reporting.text.study import a_a_checks, compared, correction, multiplicity, ordered
from pipeline.results.answer import is_less_calibrated
from pipeline.results.readable_names import DAGGER, readable

Results = Mapping[str, Any]
Cells = dict[str, str]
TEMPLATE = "page.html.jinja"
WHEN_TRUSTED = {"as trained": "", "after temperature scaling": "_ts"}
MADE_WITH = ("torch", "numpy", "scipy", "scikit-learn", "optuna", "matplotlib")
TITLES = {
    "headline": "Calibration error against generalization gap",
    "rankings": "Who wins where",
    "forest": "Which regularizers change the test NLL, and by how much?",
    "temperature": "What does one temperature change?",
    "reliability": "Can the probabilities be trusted?",
    "curves": "How do the networks overfit?",
    "sweeps": "How strong should a regularizer be?",
    "best": "What is the best that each regularizer can do?",
    "arms": "What are the winners worth?",
    "interactions": "Do regularizers add up?",
    "history": "When was the best found, and was it luck?",
    "importances": "Which strengths matter?",
    "slices": "Where in its range is a strength at its best?",
    "contours": "Do strength and learning rate depend on each other?",
    "pareto": "What does one objective cost in the other?",
    "ledger": "All sentences at a glance",
    "audit": "How good are the estimators of calibration?",
}
SECTION = ("forest", "temperature", "reliability", "curves", "sweeps")  # in this order, below a data set's table
# below the tables of its search
SEARCH = ("arms", "interactions", "history", "importances", "slices", "contours", "pareto")


class Picture(NamedTuple):
    """A figure for the page: SVG without its words, and these."""

    svg: str
    caption: str


def section(results: Results, search: Results, pictures: Mapping[str, Picture]) -> dict[str, Any]:
    """What the page says of one data set, JSON-ready: the finished tables of study and search, and its pictures."""
    drawn = {name: picture._asdict() for name, picture in sorted(pictures.items())}
    return {"results": results, "search": search, "pictures": drawn}


def page(
    sections: Sequence[Mapping[str, Any]],
    summary: Mapping[str, Any],
    pictures: Mapping[str, Picture],
    claims: Mapping[str, Any] | None,
) -> str:
    """The page as HTML, from the sections of all data sets, what holds across them, and that of the claims ledger."""
    shared = {name: picture._asdict() for name, picture in pictures.items()}
    return _template().render(
        studies=[_study(entry) for entry in sections],
        summary=summary,
        headline=_picture("headline", shared["headline"]),
        rankings=_picture("rankings", shared["rankings"]),
        best=_picture("best", shared["best"]),
        claims=_claims(claims) if claims else None,
        made_with={name: version(name) for name in MADE_WITH},
        readable=readable,
        doubt=DAGGER,
    )


@cache
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(TEMPLATE)


def _study(entry: Mapping[str, Any]) -> dict[str, Any]:
    results, pictures = entry["results"], entry["pictures"]
    return {
        "name": results["dataset"]["name"],
        "data": results["dataset"],
        "protocol": results["protocol"],
        "rate": untuned(results, entry["search"]),
        "card": card(results),
        "points": [_cells(point) for point in ordered(results)],
        "calibration": [_calibration(point) for point in ordered(results) if not point["duplicate"]],
        "flips": list(_flips(results)),
        "notes": [multiplicity(results["protocol"]), correction(results["protocol"]), *a_a_checks(results)],
        "parameters": results["points"][results["reference"]["index"]]["parameters"],
        "pictures": [
            _picture(name, pictures[name], results["dataset"]["name"]) for name in SECTION if name in pictures
        ],
        "search": _search(entry),
    }


def _search(entry: Mapping[str, Any]) -> dict[str, Any]:
    search, pictures = entry["search"], entry["pictures"]
    dataset, (*_, holm, shared) = search["results"]["dataset"], footnotes(search)
    return {
        "conclusion": conclusion(search),
        "budget": budget(search),
        "objective": OBJECTIVES[search["search"]["objectives"][0]],
        "overlapping": dataset["overlapping"],
        "arms": arm_rows(search),
        "worth": worth_rows(search),
        "matrix": matrix(search),
        "notes": [holm, shared],
        "pictures": [_picture(name, pictures[name], dataset["name"]) for name in SEARCH if name in pictures],
    }


def card(results: Results) -> dict[str, Any]:
    """The answer in a few numbers: `use`, `key`, texts by question, and `notes`; see `statistics.answer`."""
    answer = results["answer"]
    choice = answer["after_scaling"]
    row = next(point for point in results["points"] if point["key"] == choice["key"])
    test, trust = choice["test"], choice["calibration"]
    texts = {}
    if test and test["difference"] is not None:
        texts["test NLL after temperature scaling, against none"] = interval(test, "difference", "{:+.3f}")
        wins = test["p_better"]["estimate"] * choice["seeds"]
        texts["better in"] = f"{wins:g} of {choice['seeds']} paired seeds"
    for when, suffix in (("as trained", ""), ("after temperature scaling", "_ts")):
        closed = row["against_reference"].get(f"gap{suffix}/nll", {}).get("closed")
        if closed and closed["percent"] is not None:
            texts[f"percent of the generalization gap closed, {when}"] = interval(closed, "percent", "{:.0f}")
    for when, words in (("before", "as trained"), ("after", "after temperature scaling")):
        ece, floor = (trust["chosen"][name] for name in (when, f"{when}_floor"))
        if ece is not None and floor is not None:
            chance = f"{100 * floor:.1f} would be chance"
            texts[f"its confidence {words} is off by"] = f"{100 * ece:.1f} points on average; {chance}"
    trusted = {words: _trust(row["metrics"].get(f"test{end}/debiased")) for words, end in WHEN_TRUSTED.items()}
    texts["can its probabilities be trusted?"] = "; ".join(f"{words} {said}" for words, said in trusted.items())
    return {"use": choice["recommendation"] == "use", "key": choice["key"], "texts": texts, "notes": _notes(answer)}


def _trust(squared: Mapping[str, Any] | None) -> str:
    """What the debiased squared calibration error says, as the root in percentage points; that of noise alone is 0."""
    if squared is None or squared["low"] is None:
        return "it cannot be told"
    low, middle, high = (100 * max(squared[end], 0.0) ** 0.5 for end in ("low", "mean", "high"))
    if squared["low"] <= 0:
        return f"no error is shown beyond chance (at most {high:.1f} points)"
    return f"to within {middle:.1f} [{low:.1f}, {high:.1f}] points (root mean square, beyond chance)"


def _notes(answer: Mapping[str, Any]) -> list[str]:
    """What a reader should know before following the answer."""
    worse = is_less_calibrated(answer["after_scaling"]["calibration"])
    notes = ["Scale its temperature: as trained its confidence is further off than that of no regularization."] * worse
    notes += [
        f"{readable(field)} is the strongest tried: more may be better still."
        for field in answer["after_scaling"]["at_edge"]
    ]
    if not answer["agree"]:
        notes.append(f"Without temperature scaling validation would choose {readable(answer['plain']['key'])}.")
    return notes


def _cells(point: Mapping[str, Any]) -> dict[str, Any]:
    before, after = (point["against_reference"].get(f"test{suffix}/nll") for suffix in ("", "_ts"))
    means = {name: entry["mean"] for name, entry in point["metrics"].items()}
    return {
        "key": point["key"],
        "note": "identical to none" if point["duplicate"] else "",
        "nll": short(means["test/nll"]),
        "accuracy": short(means["test/accuracy"]),
        "gap": short(means["gap/nll"]),
        "ece": f"{short(means['test/ece'])} / {short(means['test/ece_floor'])}",
        "before": [cell.replace("-", "−") for cell in compared(before)],
        "nll_ts": short(means["test_ts/nll"]),
        "gap_ts": short(means["gap_ts/nll"]),
        "ece_ts": f"{short(means['test_ts/ece'])} / {short(means['test_ts/ece_floor'])}",
        "after": [cell.replace("-", "−") for cell in compared(after)],
    }


def _calibration(point: Mapping[str, Any]) -> dict[str, Any]:
    means = {name: entry["mean"] for name, entry in point["metrics"].items()}
    names = {"debiased": 4, "smece": 3, "classwise": 3, "bias": 3, "brier": 3}
    return {
        "key": point["key"],
        "cells": [
            short(means[f"test{suffix}/{name}"], digits=digits, sign=name in ("debiased", "bias")).replace("-", "−")
            for name, digits in names.items()
            for suffix in ("", "_ts")
        ],
    }


def _flips(results: Results) -> Iterator[dict[str, Any]]:
    """The changes of sign or verdict in NLL, the largest changes of rank first."""
    told = [flip for flip in results["flips"] if flip["metric"] == "nll"]
    for flip in sorted(told, key=lambda flip: -abs(flip["after"]["rank"] - flip["before"]["rank"])):
        sides = {
            when: {**flip[when], "difference": short(flip[when]["difference"], sign=True)}
            for when in ("before", "after")
        }
        yield {"key": flip["key"], "kinds": flip["kinds"], **sides}


def _claims(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What the page says of the claims ledger: all sentences in a table, then each with its figure, topic by topic."""
    table, pictures = entry["table"], entry["pictures"]
    return {
        "counted": textbook.counted(table),
        "rows": textbook.rows(table),
        "notes": textbook.notes(table),
        "summaries": {name: _picture(name, pictures[name]) for name in ("ledger", "audit") if name in pictures},
        "topics": [
            (topic, [_claim(claim, pictures.get(claim["id"])) for claim in table["claims"] if claim["topic"] == topic])
            for topic in dict.fromkeys(claim["topic"] for claim in table["claims"])
        ],
        "audit": audit.audit_rows(table["audit"]),
        "audit_caption": audit.CAPTION,
        "sizes": audit.sizes(table["audit"]),
    }


def _claim(claim: Mapping[str, Any], picture: Mapping[str, str] | None) -> dict[str, Any]:
    said = {
        "word": (word := textbook.WORDS[claim["verdict"]]),
        "finding": textbook.finding(claim)[len(word) :],  # which it begins with
        "tally": textbook.tally(claim),
        "outcomes": textbook.outcomes(claim),
        "picture": _picture("figure", picture, claim["id"], title=claim["sentence"]) if picture else None,
    }
    return {**{key: claim[key] for key in ("id", "sentence", "verdict", "note", "source")}, **said}


def _picture(name: str, picture: Mapping[str, str], of: str = "", *, title: str = "") -> dict[str, str]:
    """A picture for the template; `of` is the data set or claim that it is about, and tells it from its like."""
    title = title or TITLES[name]
    about = f" ({of})" if of and title == TITLES.get(name) else ""
    return {
        "name": name,
        "of": of.replace(".", "-") or "all",
        "title": title,
        "alt": f"{title.rstrip('.')}{about}: the text below says how to read it.",
        "caption": picture["caption"],
        "data": data_uri(picture["svg"]),
    }
