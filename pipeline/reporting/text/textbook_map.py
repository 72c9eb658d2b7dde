"""The map in words: its two sentences, and what a place of it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pipeline.reporting.text.textbook_names import listed
from pipeline.results.readable_names import readable
from pipeline.results.textbook import MapPlace, MapRow

_NAMED = 2  # rivals that are named


def places_of(rows: Sequence[MapRow]) -> list[MapPlace]:
    """All places of the map."""
    return [place for row in rows for place in row.places]


def reading(rows: Sequence[MapRow]) -> str:
    """What the map says, in two sentences: where a tuned regularizer wins, which one, and where none does."""
    places = places_of(rows)
    won = [place for place in places if place.verdict == "supported"]
    return f"{_wins(won, places)} {_rest(places, rows[0].least)}"


def _wins(won: Sequence[MapPlace], places: Sequence[MapPlace]) -> str:
    if not won:
        return f"No tuned regularizer beats the tuned network without one for certain at any of {len(places)} places."
    most = Counter(place.winner for place in won).most_common()
    best = max(won, key=lambda place: place.gain or 0.0)
    winners = listed(f"{name} at {count}" for name, count in most)
    return (
        f"A tuned regularizer beats the tuned network without one at {len(won)} of {len(places)} places ({winners}), "
        f"most at {best.rows} training rows with {best.label_noise:.0%} wrong labels, by {best.gain:.3f} nats."
    )


def _rest(places: Sequence[MapPlace], least: float) -> str:
    none = [place for place in places if place.verdict == "refuted"]
    unclear = sum(place.verdict == "inconclusive" for place in places)
    if not none:
        return f"At no place is a gain of {least:g} nats ruled out; at {unclear} it is open."
    rows = _span([place.rows for place in none], "d")
    noise = _span([place.label_noise for place in none], ".0%")
    return (
        f"None gains {least:g} nats at {_count(len(none))} ({rows} training rows, {noise} wrong labels), and at "
        f"{unclear} it is open."
    )


def _span(values: Sequence[float], form: str) -> str:
    """From the smallest to the largest value, or the one there is."""
    least, most = format(min(values), form), format(max(values), form)
    return least if least == most else f"{least} to {most}"


def _count(places: int) -> str:
    return f"{places} place{'s' * (places != 1)}"


def gain(place: MapPlace) -> str:
    """A place's gain in nats, as its tile says it."""
    if place.gain is None:
        return "?"
    return f"{place.gain:+.3f}".replace("-", "−")


def rivals(place: MapPlace) -> str:
    """The arms that cannot be told from the winner, in a few letters."""
    if not place.rivals:
        return ""
    if len(place.rivals) > _NAMED:
        return f"≈ {len(place.rivals)} others"
    return "≈ " + ", ".join(map(readable, place.rivals))


def caption(rows: Sequence[MapRow]) -> str:
    """What tiles, colours and numbers of the map are."""
    first = rows[0].places[0]
    baseline, *others = rows[0].arms
    return (
        "Each tile is a task drawn anew for every seed, whose true probabilities are known. Number: by how much the "
        "winner's divergence from them after calibration (nats) is below that of the tuned network of the arm "
        f"“{readable(baseline)}”, on seeds that did not choose it. Colour: the winner, the deeper the larger its share "
        f"of what there was to gain; white: none gains {rows[0].least:g} nats or more; hatched: open. ≈: arms that "
        f"cannot be told from the winner. Arms: {listed(others)}, each with its best strength and learning rate on "
        f"validation, seed by seed. n = {first.n} paired seeds a tile; 95% Student t intervals decide, tile by tile: "
        "of so many tiles, one or two may be wrong. The tasks are mixtures of Gaussians, which noise on the inputs "
        "fits by construction: elsewhere another arm may win."
    )
