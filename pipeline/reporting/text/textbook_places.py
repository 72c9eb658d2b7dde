"""Where a sentence of the textbook holds and where it fails, in words: what a verdict leads with."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.reporting.text.textbook_names import levels, listed
from pipeline.results.readable_names import readable
from pipeline.results.textbook import CellVerdict, ClaimResult, EffectResult, Place, Prevalence, Split

PART = "part"
_NAMED = 3  # so many places are named one by one


def lead(claim: ClaimResult) -> str:
    """Where a sentence holds and where it fails, and on what that depends.

    `holds on 9 of 12 data sets; fails on wine and iris; open on digits`; empty without places.
    """
    texts = [_where(claim.places), _dependence(claim)]
    return "; ".join(filter(None, texts))


def _where(places: Sequence[Place]) -> str:
    if len(places) == 1:
        verb: dict[CellVerdict, str] = {"supported": "holds", "refuted": "fails", "inconclusive": "open"}
        return f"{verb[places[0].verdict]} on {_name(places[0])}"
    kinds: tuple[tuple[CellVerdict, str], ...] = (("refuted", "fails on"), ("inconclusive", "open on"))
    holds = sum(place.verdict == "supported" for place in places)
    texts = [f"holds on {holds} of {len(places)} {unit(places)}"] if places else []
    for verdict, words in kinds:
        names = [_name(place) for place in places if place.verdict == verdict]
        texts += [f"{words} {listed(names) if len(names) <= _NAMED else len(names)}"] if names else []
    return "; ".join(texts)


def unit(places: Sequence[Place]) -> str:
    """What places are: data sets, or data sets at several levels.

    >>> unit([])
    'data sets'
    """
    return "places" if any(place.at for place in places) else "data sets"


def _name(place: Place) -> str:
    at = levels(place.at)
    return f"{readable(place.dataset)} ({at})" if at else readable(place.dataset)


def _dependence(claim: ClaimResult) -> str:
    """What tells where it holds; of "can", one place is enough."""
    texts = ["“can”: one place is enough"] if claim.quantifier == "any" and claim.verdict == "depends" else []
    return "; ".join([*([split_words(claim.split)] if claim.split else []), *texts])


def split_words(split: Split) -> str:
    """What tells places apart, and how often the sentence holds on both sides.

    >>> split_words(Split(factor="classes", level="above 3", inside=(5, 5), outside=(1, 6), p=0.01))
    'with classes above 3 it holds on 5 of 5, else on 1 of 6'
    """
    (a, b), (c, d) = split.inside, split.outside
    if split.factor == PART:
        return f"the part “{split.level}” holds in {a} of {b}, the others in {c} of {d} comparisons"
    return f"with {readable(split.factor)} {split.level} it holds on {a} of {b}, else on {c} of {d}"


def share(prevalence: Prevalence) -> str:
    """The share of places where a sentence holds, with its interval.

    >>> share(Prevalence(holds=9, fails=2, places=12, low=0.428, high=0.979))
    'That is 75% of them [43%, 98%]'
    """
    part = prevalence.holds / prevalence.places
    return f"That is {part:.0%} of them [{prevalence.low:.0%}, {prevalence.high:.0%}]"


def asides(claim: ClaimResult) -> list[str]:
    """What was found in settings of their own, a text for each."""
    return [_aside(effect) for effect in claim.effects if effect.aside]


def _aside(effect: EffectResult) -> str:
    verdicts = [cell.verdict for cell in effect.cells]
    held, count = verdicts.count("supported"), len(verdicts)
    if count == 1:
        words: dict[CellVerdict, str] = {"supported": "holds", "refuted": "does not hold", "inconclusive": "is open"}
        outcome = words[verdicts[0]]
    else:
        outcome = f"holds on {held} of {count}"
    return f"aside, {effect.aside}: “{effect.says}” {outcome}"


def sentence_case(text: str) -> str:
    """With a capital letter.

    >>> sentence_case("holds on digits")
    'Holds on digits'
    """
    return text[:1].upper() + text[1:]


def tally(claim: ClaimResult) -> str:
    """Where a sentence holds, in numbers alone: at how many places, or how many of its exact checks."""
    if not claim.places:
        return f"{sum(check.holds for check in claim.checks)} of {len(claim.checks)} exact checks hold"
    if len(claim.places) == 1:
        return _where(claim.places)
    verdicts = [place.verdict for place in claim.places]
    counts = {"fails on": verdicts.count("refuted"), "open on": verdicts.count("inconclusive")}
    texts = [f"holds on {verdicts.count('supported')} of {len(verdicts)} {unit(claim.places)}"]
    return ", ".join([*texts, *(f"{words} {count}" for words, count in counts.items() if count)])
