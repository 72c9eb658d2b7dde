"""The answer as text: a sentence for a terminal, and the few numbers of a data set's card on the page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipeline.metrics.names import STAGES
from pipeline.reporting.text.numbers import interval, short, typeset
from pipeline.reporting.text.points import STAGE_NAMES, test_nll
from pipeline.results.answer import Notation, answer_sentence
from pipeline.results.readable_names import readable
from pipeline.results.study import Answer, Comparison, GapChange, MetricSummary, StageCalibration, StudyResults


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


@dataclass(frozen=True)
class Card:
    """The answer in a few numbers: whether to use a point, texts by question, and what to know before following it."""

    use: bool
    key: str
    texts: dict[str, str]
    notes: tuple[str, ...]


def card(results: StudyResults) -> Card:
    """An answer for the page."""
    choice = results.answer
    texts = {**_difference(results), **_gap(choice), **_off(choice.calibration.chosen)}
    texts["can its probabilities be trusted?"] = _trusted(results)
    if choice.recommendation == "use":
        texts["as a variant in params.yaml"] = params_row(results)
    return Card(choice.recommendation == "use", choice.key, texts, tuple(_notes(results.answer)))


def _wins(test: Comparison, seeds: int) -> str:
    estimate = test.p_better.estimate
    return "an unknown share of the" if estimate is None else f"{estimate * seeds:g} of {seeds}"


def _difference(results: StudyResults) -> dict[str, str]:
    choice = results.answer
    test = choice.test
    if test is None or test.difference is None:
        return {}
    return {
        f"test NLL after calibration ({results.protocol.calibrator}), against none": interval(
            test.difference, test, sign=True
        ),
        "better in": f"{_wins(test, choice.seeds)} paired seeds",
    }


def _gap(choice: Answer) -> dict[str, str]:
    gap = choice.gap
    if gap.chosen is None or gap.reference is None:
        return {}
    without = f"; {short(gap.reference)} without regularization" if choice.test is not None else ""
    return {"generalization gap (test minus training NLL), as trained": f"{short(gap.chosen)}{without}"}


def _off(chosen: StageCalibration) -> dict[str, str]:
    sides = {"before": (chosen.before, chosen.before_floor), "after": (chosen.after, chosen.after_floor)}
    return {
        f"its confidence {STAGE_NAMES[stage]} is off by": (
            f"{100 * ece:.1f} points on average; {100 * floor:.1f} would be chance"
        )
        for stage in STAGES
        for ece, floor in [sides[stage]]
        if ece is not None and floor is not None
    }


def _trusted(results: StudyResults) -> str:
    point = results.point(results.answer.key)
    names = {stage: point.decisive(test_nll(stage)._replace(metric="debiased")) for stage in STAGES}
    return "; ".join(f"{STAGE_NAMES[stage]} {_trust(point.metrics.get(name))}" for stage, name in names.items())


def _trust(squared: MetricSummary | None) -> str:
    """What the debiased squared calibration error says, as the root in percentage points; that of noise alone is 0."""
    if squared is None or squared.mean is None or squared.low is None or squared.high is None:
        return "it cannot be told"
    low, middle, high = (100 * max(end, 0.0) ** 0.5 for end in (squared.low, squared.mean, squared.high))
    if squared.low <= 0:
        return f"no error is shown beyond chance (at most {high:.1f} points)"
    return f"to within {middle:.1f} [{low:.1f}, {high:.1f}] points (root mean square, beyond chance)"


def _notes(answer: Answer) -> Iterator[str]:
    """What a reader should know before following the answer."""
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
