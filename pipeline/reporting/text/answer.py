"""The answer as text: a sentence for a terminal, and the few numbers of a data set's card on the page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.metrics.names import MetricName
from pipeline.reporting.text.numbers import interval, short, typeset
from pipeline.reporting.text.points import test_nll
from pipeline.results.answer import Notation, answer_sentence
from pipeline.results.readable_names import STAR, readable, readable_arms
from pipeline.results.study import Comparison, GapChange, GapClosed, StudyResults

_GAP = MetricName("gap", "before", "nll")


def sentence(results: StudyResults, *, name: Callable[[str], str] = readable) -> str:
    """What to use and why; `name` writes a point's key as people would."""
    return answer_sentence(results.answer, results.protocol, Notation(name, typeset))


def params_row(results: StudyResults) -> str:
    """The recommended point as a variant of params.yaml: what it adds to no regularization, and its learning rate.

    Values are written as JSON, which YAML reads alike.
    """
    point, plain = results.answer.parameters, results.reference_point.parameters
    given = {name: value for name, value in point if value != getattr(plain, name)}
    row = {**given, "learning_rate": point.learning_rate}
    return f"{{{', '.join(f'{name}: {json.dumps(value)}' for name, value in row.items())}}}"


class Number(NamedTuple):
    """A number of a card: what it is, its value, and what to read beside it."""

    label: str
    value: str
    beside: str


@dataclass(frozen=True)
class Card:
    """The answer in three numbers: whether to use a point, the pasteable setting, and what to know before following."""

    use: bool
    key: str
    numbers: tuple[Number, ...]
    setting: str
    notes: tuple[str, ...]


def card(results: StudyResults) -> Card:
    """An answer for the page."""
    choice = results.answer
    use = choice.recommendation == "use"
    numbers = (*_difference(results), *_gap(results), *_trust(results))
    return Card(use, choice.key, numbers, params_row(results) if use else "", tuple(_notes(results)))


def card_markdown(results: StudyResults) -> str:
    """The answer as a table of Markdown: what to use, its numbers, and the setting to paste."""
    made = card(results)
    what = f"Use {readable_arms(made.key)} {STAR}" if made.use else f"Leave it unregularized {STAR}"
    rows = [f"| **{number.value}** | {number.label}; {number.beside} |" for number in made.numbers]
    setting = [f"| the setting | `{made.setting}` |"] * made.use
    notes = [f"| beware | {note} |" for note in made.notes]
    return "\n".join([f"| {results.dataset.name} | {what} |", "|---|---|", *rows, *setting, *notes])


def _wins(test: Comparison, seeds: int) -> str:
    estimate = test.p_better.estimate
    return "an unknown share of the" if estimate is None else f"{estimate * seeds:g} of {seeds}"


def _difference(results: StudyResults) -> Iterator[Number]:
    choice = results.answer
    test = choice.test
    if test is not None and test.difference is not None:
        what = "" if choice.recommendation == "use" else f" with {readable_arms(choice.key)}"
        yield Number(
            f"test NLL after calibration{what}, minus that of none",
            interval(test.difference, test, sign=True),
            f"{results.protocol.confidence:.0%} interval; better in {_wins(test, choice.seeds)} paired seeds",
        )


def _gap(results: StudyResults) -> Iterator[Number]:
    """The share of the gap that what is used closes, or the gap where nothing is to be used."""
    gap, entry = results.answer.gap, results.point(results.answer.key).comparison(_GAP)
    closed = None if entry is None else entry.closed
    if gap.reference is None or gap.chosen is None:
        return
    if results.answer.recommendation != "use":
        yield Number("generalization gap as trained: test NLL minus training NLL", short(gap.reference), "")
        return
    beside = f"from {short(gap.reference)} to {short(gap.chosen)} as trained"
    if closed is None or closed.percent is None:
        yield Number("generalization gap", beside, "")
        return
    yield Number("of the generalization gap closed", f"{typeset(closed.percent, '.0f')}%", f"{_range(closed)}{beside}")


def _range(closed: GapClosed) -> str:
    if closed.low is None or closed.high is None:
        return ""
    return f"[{typeset(closed.low, '.0f')}, {typeset(closed.high, '.0f')}]; "


def _trust(results: StudyResults) -> Iterator[Number]:
    """The calibration error after calibration, beside what chance gives and that as trained."""
    both = results.answer.calibration
    chosen = both.chosen if results.answer.recommendation == "use" else both.reference
    if chosen.after is None or chosen.after_floor is None:
        return
    trained = "" if chosen.before is None else f"; as trained {short(chosen.before)}"
    yield Number(
        "ECE after calibration: how far off its confidence is",
        short(chosen.after),
        f"chance alone gives {short(chosen.after_floor)}{trained}; {_beyond(results)}",
    )


def _beyond(results: StudyResults) -> str:
    """What the debiased squared calibration error says, as its root; that of noise alone is 0."""
    point = results.point(results.recommended)
    squared = point.metrics.get(point.decisive(test_nll("after")._replace(metric="debiased")))
    if squared is None or squared.mean is None or squared.low is None or squared.high is None:
        return "whether more than chance cannot be told"
    low, middle, high = (short(max(end, 0.0) ** 0.5) for end in (squared.low, squared.mean, squared.high))
    if squared.low <= 0:
        return f"no error is shown beyond chance (at most {high})"
    return f"beyond chance {middle} [{low}, {high}], root mean square"


def _notes(results: StudyResults) -> Iterator[str]:
    """What a reader should know before following the answer."""
    answer = results.answer
    if answer.recommendation != "use" and answer.key != results.reference.key:
        yield f"{readable_arms(answer.key)} was chosen on validation, but is not shown to be better on test."
        return
    if answer.calibration.is_worse:
        yield "Calibrate it: as trained its confidence is further off than that of no regularization."
    for parameter in answer.at_edge:
        yield f"{readable(parameter)} is at the end of those tried: there may be better."


def markdown(results: StudyResults, *, name: Callable[[str], str] = readable) -> str:
    """An answer for the README, in one line; `name` writes a point's key as people would."""
    choice, dataset = results.answer, results.dataset.name
    test, trust = choice.test, choice.calibration.chosen
    if choice.recommendation != "use" or test is None:
        return f"**{dataset}**. {sentence(results, name=name)}"
    parts = [
        f"**{dataset}**: use **{name(choice.key)}**. Test NLL after calibration ({results.protocol.calibrator}) "
        f"changes by {interval(test.difference, test, sign=True)} against no regularization (n = {choice.seeds} paired "
        f"seeds, {results.protocol.confidence:.0%} interval), {_gap_text(choice.gap)}the ECE is "
        f"{short(trust.before)} as trained and {short(trust.after)} after calibration (chance alone: "
        f"{short(trust.after_floor)})",
        *(f"{readable(parameter)} is at the end of those tried" for parameter in choice.at_edge),
    ]
    return f"{'; '.join(parts)}."


def _gap_text(gap: GapChange) -> str:
    if gap.chosen is None or gap.reference is None:
        return ""
    plain = f"{short(gap.reference)} without regularization"
    return f"the generalization gap is {short(gap.chosen)} as trained ({plain}), and "
