"""Baselines as text: a table of them beside no regularization and the answer, and whether one of them does better."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill

from pipeline.metrics.names import STAGES, Stage
from pipeline.reporting.table import WIDTH, Cell, Column, Table, terminal
from pipeline.reporting.text.numbers import fixed, interval, short_interval
from pipeline.reporting.text.points import STAGE_NAMES, SUFFIX, points_table, test_nll, verdict_cell
from pipeline.results.baselines import BaselineResult, BaselineResults, Rival
from pipeline.results.readable_names import DAGGER, readable, readable_arms
from pipeline.results.study import Comparison, StudyResults

AFTER = test_nll("after")
_TERMINAL = ("name", "accuracy", "nll", "nll_calibrated", "ece_calibrated")
_OPTIONAL = ("accuracy", "ece_calibrated", "nll", "difference_calibrated")
_KEYS = ("nll", "ece", "difference", "verdict")
_AGAINST = ("from_answer", "answer_verdict")


def title(dataset: str) -> str:
    """What the table is called."""
    return f"Is a network worth it? Classifiers of scikit-learn, {dataset}"


def page_table(results: StudyResults, made: BaselineResults) -> Table:
    """No regularization, the answer and every baseline, as trained and after calibration; class frequencies last.

    Verdicts are those after calibration: with all of them the page would have to be scrolled for these.
    """
    against = _AGAINST if made.answer is not None else ()
    keys = [key for key in (*_KEYS, *against) if "verdict" not in key]
    after = [key + SUFFIX["after"] for key in (*_KEYS, *against)]
    return _table(results, made).only("name", "accuracy", *keys, *after)


def _terminal_table(results: StudyResults, made: BaselineResults) -> Table:
    """The same after calibration; verdicts are those against the answer where there is one."""
    suffix = SUFFIX["after"]
    keys = ["difference", *(_AGAINST if made.answer is not None else ("verdict",))]
    return _table(results, made).only(*_TERMINAL, *(key + suffix for key in keys))


def _table(results: StudyResults, made: BaselineResults) -> Table:
    rivals = [made.none, *([made.answer] if made.answer is not None else [])]
    entrants: list[Rival | BaselineResult] = [*rivals, *made.baselines]
    points = points_table(title(results.dataset.name), entrants, results.base_rates, name=_name, head="classifier")
    empty = (Cell(""),) * len(_against_columns())
    rows = [*(empty for _ in rivals), *(tuple(_against_answer(each)) for each in made.baselines), empty]
    caption = (
        f"Means over {made.seeds} paired seeds on test, with differences and their {made.confidence:.0%} intervals; "
        f"{DAGGER} see below"
    )
    beside = Table("", _against_columns(), tuple(rows))
    return Table(points.title, points.columns, points.rows, caption, tuple(_notes(made))).beside(beside)


def _against_columns() -> tuple[Column, ...]:
    titles = ("NLL − answer", "verdict")
    return tuple(
        Column(key + SUFFIX[stage], text, STAGE_NAMES[stage], text + " cal." * (stage == "after"))
        for stage in STAGES
        for key, text in zip(_AGAINST, titles, strict=True)
    )


def _against_answer(each: BaselineResult) -> Iterator[Cell]:
    for stage in STAGES:
        yield from _compared(each.against_answer.get(test_nll(stage)))


def _compared(entry: Comparison | None) -> tuple[Cell, Cell]:
    if entry is None:
        return Cell(""), Cell("")
    if entry.left_out:
        return Cell(""), Cell("left out", "soft")
    difference = short_interval(entry.difference, entry, sign=True)
    return Cell(difference), verdict_cell(entry.finding, fails_holm=entry.fails_holm)


def _name(entrant: Rival | BaselineResult) -> str:
    is_answer = isinstance(entrant, Rival) and entrant.against_reference
    return f"answer: {readable_arms(entrant.name)}" if is_answer else readable(entrant.name)


def _notes(made: BaselineResults) -> Iterator[str]:
    yield (
        f"Classifiers of scikit-learn with the settings of params.yaml, not tuned here, fitted on the same training "
        f"rows as networks and calibrated as they are; n = {made.seeds} paired seeds. None is the study’s, at the "
        "learning rate that suits it."
    )
    yield (
        f"{DAGGER} marks verdicts that do not hold once all of these classifiers are taken into account (Holm’s "
        "step-down), a family of their own."
    )


def sentences(made: BaselineResults) -> list[str]:
    """Whether a baseline does better than the answer, and by how much at most; nothing where there are none."""
    if not made.baselines:
        return []
    rival = "no regularization" if made.answer is None else f"the answer, {readable_arms(made.answer.name)}"
    known = {
        readable(each.name): entry
        for each in made.baselines
        if (entry := _against_rival(made, each)) is not None and entry.low is not None
    }
    if not known:
        return [f"No classifier of scikit-learn can be compared with {rival}."]
    better = [name for name, entry in known.items() if entry.corrected == "better"]
    return [_better(rival, {name: known[name] for name in better}) if better else _none_better(rival, known)]


def _against_rival(made: BaselineResults, each: BaselineResult) -> Comparison | None:
    return (each.against_reference if made.answer is None else each.against_answer).get(AFTER)


def _better(rival: str, better: dict[str, Comparison]) -> str:
    listed = "; ".join(f"{name}, {_change(better[name])}" for name in _by_difference(better))
    return f"Better than {rival}, here: {listed} ({_what()})."


def _none_better(rival: str, known: dict[str, Comparison]) -> str:
    """The closest baseline, and the largest gain that any interval leaves open."""
    closest = _by_difference(known)[0]
    most = max(0.0 - entry.low for entry in known.values() if entry.low is not None)
    found = f"the closest, {closest}, differs by {_change(known[closest])}"
    if most <= 0:
        return f"Every classifier of scikit-learn does worse than {rival}, here: {found} ({_what()})."
    return (
        f"No classifier of scikit-learn is shown to do better than {rival}, here, and none by more than "
        f"{fixed(most, digits=4)}: {found} ({_what()})."
    )


def _what(stage: Stage = "after") -> str:
    return f"test NLL {STAGE_NAMES[stage]}, less is better"


def _by_difference(known: dict[str, Comparison]) -> list[str]:
    return sorted(known, key=lambda name: known[name].difference or 0.0)


def _change(entry: Comparison) -> str:
    return interval(entry.difference, entry, digits=4, sign=True)


def render(
    results: StudyResults, made: BaselineResults | None, *, width: int = WIDTH, color: bool = False, notes: bool = True
) -> str:
    """The table, its notes and the sentence for a terminal; nothing where there are no baselines."""
    if made is None or not made.baselines:
        return ""
    said = "\n".join(fill(text, width) for text in sentences(made))
    shown = terminal(_terminal_table(results, made), width=width, color=color, notes=notes, optional=_OPTIONAL)
    return f"{title(results.dataset.name)}\n{shown}{said}\n"
