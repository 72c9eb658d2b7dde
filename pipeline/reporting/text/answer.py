"""The answer as text: a sentence for a terminal, and the few numbers of a data set's card on the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipeline.metrics.names import STAGES
from pipeline.reporting.text.numbers import fixed, interval, short
from pipeline.reporting.text.points import STAGE_NAMES, test_nll
from pipeline.results.readable_names import readable
from pipeline.results.study import Answer, Choice, Comparison, GapClosed, MetricSummary, StageCalibration, StudyResults

UNREGULARIZED = "Leave it unregularized"


def answer_sentence(results: StudyResults, *, name: Callable[[str], str] = readable) -> str:
    """What to use and why; `name` writes a point's key as people would."""
    choice, plain = results.answer.after_scaling, results.answer.plain
    parts = [*_reasons(results, choice, name(choice.key)), f"n = {choice.seeds} paired seeds"]
    also = "" if results.answer.agree else f" {_otherwise(name(plain.key))}"
    return f"{'; '.join(parts)}.{also}"


def _otherwise(name: str) -> str:
    return f"Without temperature scaling validation would choose {name}."


def _reasons(results: StudyResults, choice: Choice, name: str) -> Iterator[str]:
    test = choice.test
    if choice.recommendation == "use" and test is not None:
        yield f"Use {name}: {_effect(results, test)}"
        yield from _consequences(choice)
    elif test is None:
        yield f"{UNREGULARIZED}: validation NLL after temperature scaling prefers the unregularized network"
    elif choice.duplicate:
        yield f"{UNREGULARIZED}: {name}, chosen on validation, is the unregularized network itself"
    elif test.left_out:
        yield f"{UNREGULARIZED}: {name}, chosen on validation, cannot be compared: {test.left_out}"
    else:
        yield f"{UNREGULARIZED}: {name}, chosen on validation, is {_state(test)}"
        yield _effect(results, test)


def _effect(results: StudyResults, test: Comparison) -> str:
    protocol = results.protocol
    widened = ", widened for the rows that seeds share" if protocol.correction != "none" else ""
    return (
        f"test NLL after temperature scaling changes by {interval(test.difference, test, digits=4, sign=True)} "
        f"({protocol.confidence:.0%} interval{widened}), better in {_wins(test, results.answer.after_scaling.seeds)} "
        "seeds"
    )


def _wins(test: Comparison, seeds: int) -> str:
    estimate = test.p_better.estimate
    return "an unknown share of the" if estimate is None else f"{estimate * seeds:g} of {seeds}"


def _state(test: Comparison) -> str:
    if test.verdict == "worse":
        return "worse on test"
    if test.equivalent:
        return "not meaningfully different on test"
    if test.more_seeds is None:
        return "not shown to be better on test, which more rows, not more seeds, would settle"
    return f"not shown to be better on test, which {test.more_seeds} or so more seeds would settle with even chances"


def _consequences(choice: Choice) -> Iterator[str]:
    closed, calibration = choice.gap_closed, choice.calibration
    gap = "of the generalization gap after temperature scaling"
    if closed is None or closed.percent is None:
        yield f"the share {gap} that closes cannot be told"
    else:
        yield f"it closes {interval(closed.percent, closed, digits=0)} percent {gap}"
    changes = list(_eces(calibration.reference, calibration.chosen))
    if changes:
        yield f"ECE goes from {' and from '.join(changes)}"
    if calibration.is_worse:
        yield "do not trust its probabilities without temperature scaling"
    for parameter in choice.at_edge:
        yield f"{readable(parameter)} is the strongest tried, so more may be better still"


def _eces(plain: StageCalibration, chosen: StageCalibration) -> Iterator[str]:
    sides = {
        "before": (plain.before, chosen.before, chosen.before_floor),
        "after": (plain.after, chosen.after, chosen.after_floor),
    }
    for stage, (ece, other, floor) in sides.items():
        if ece is not None and other is not None and floor is not None:
            yield f"{fixed(ece)} to {fixed(other)} {stage} temperature scaling (noise floor {fixed(floor)})"


@dataclass(frozen=True)
class Card:
    """The answer in a few numbers: whether to use a point, texts by question, and what to know before following it."""

    use: bool
    key: str
    texts: dict[str, str]
    notes: tuple[str, ...]


def card(results: StudyResults) -> Card:
    """A data set's answer for the page."""
    choice = results.answer.after_scaling
    texts = {**_difference(choice), **_closed(results), **_off(choice.calibration.chosen)}
    texts["can its probabilities be trusted?"] = _trusted(results)
    return Card(choice.recommendation == "use", choice.key, texts, tuple(_notes(results.answer)))


def _difference(choice: Choice) -> dict[str, str]:
    test = choice.test
    if test is None or test.difference is None:
        return {}
    return {
        "test NLL after temperature scaling, against none": interval(test.difference, test, sign=True),
        "better in": f"{_wins(test, choice.seeds)} paired seeds",
    }


def _closed(results: StudyResults) -> dict[str, str]:
    point = results.point(results.answer.after_scaling.key)
    texts = {}
    for stage in STAGES:
        entry = point.comparison(test_nll(stage).on("gap"))
        if entry is not None and entry.closed is not None and entry.closed.percent is not None:
            question = f"percent of the generalization gap closed, {STAGE_NAMES[stage]}"
            texts[question] = interval(entry.closed.percent, entry.closed, digits=0)
    return texts


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
    metrics = results.point(results.answer.after_scaling.key).metrics
    names = {stage: test_nll(stage)._replace(metric="debiased") for stage in STAGES}
    return "; ".join(f"{STAGE_NAMES[stage]} {_trust(metrics.get(name))}" for stage, name in names.items())


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
    choice = answer.after_scaling
    if choice.calibration.is_worse:
        yield "Scale its temperature: as trained its confidence is further off than that of no regularization."
    for parameter in choice.at_edge:
        yield f"{readable(parameter)} is the strongest tried: more may be better still."
    if not answer.agree:
        yield _otherwise(readable(answer.plain.key))


def markdown(results: StudyResults) -> str:
    """A data set's answer for the README, in one line."""
    choice, name = results.answer.after_scaling, results.dataset.name
    test, trust = choice.test, choice.calibration.chosen
    if choice.recommendation != "use" or test is None:
        return f"**{name}**: {answer_sentence(results)}"
    parts = [
        f"**{name}**: use **{readable(choice.key)}**. Test NLL after temperature scaling changes by "
        f"{interval(test.difference, test, sign=True)} against no regularization (n = {choice.seeds} paired seeds, "
        f"{results.protocol.confidence:.0%} interval), {_share(choice.gap_closed)}the ECE is {short(trust.before)} as "
        f"trained and {short(trust.after)} after scaling (chance alone: {short(trust.after_floor)})",
        *(f"{readable(parameter)} is the strongest tried" for parameter in choice.at_edge),
    ]
    return f"{'; '.join(parts)}."


def _share(closed: GapClosed | None) -> str:
    if closed is None or closed.percent is None:
        return ""
    return f"{interval(closed.percent, closed, digits=0)} percent of the gap after scaling closes, and "
