"""A library of candidates fitted on the same folds, and the blends that are selected from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64

from pipeline.calibration.selection import Choice, choose
from pipeline.champion.model import Champion, Part, Probabilities, View, log_of, probabilities_of
from pipeline.champion.predictors import Kind
from pipeline.champion.selection import select
from pipeline.results.champion import PartResult

_PARTS = 5
_OfCandidates = Float64[np.ndarray, "candidates rows classes"]


@dataclass(frozen=True)
class Candidate:
    """A part, and its calibrated probabilities (row, class) of the rows that were held out."""

    part: Part
    probabilities: Float64[np.ndarray, "rows classes"]
    loss: float


@dataclass(frozen=True)
class Blend:
    """A champion, and how it was calibrated.

    Attributes:
        champion: the model.
        choice: of its calibrator.
        held_out: probabilities (row, class) of the rows that have selected and calibrated it.
    """

    champion: Champion
    choice: Choice
    held_out: Probabilities


@dataclass(frozen=True)
class Library:
    """Candidates that were fitted on the same folds.

    Attributes:
        candidates: parts with their probabilities of the rows held out.
        labels: (row,) of the rows held out, fold after fold.
        views: what each fold sees rows by.
    """

    candidates: Sequence[Candidate]
    labels: Int64[np.ndarray, " rows"]
    views: Sequence[View]

    def only(self, *kinds: Kind) -> Library:
        """The candidates of these kinds alone."""
        return replace(self, candidates=[each for each in self.candidates if each.part.kind in kinds])

    def blend(self, *, size: int) -> Blend:
        """Select candidates by the loss on rows held out, with so many picks, and calibrate their average.

        One pick is one network, the best one, as it was fitted on the first fold; where there is none, another part.
        """
        if size == 1:
            networks = self.only("network")
            return (networks if networks.candidates else self)._single()
        shares, mixed = _selected(self._probabilities, self.labels, size=size)
        choice = choose(mixed, self.labels)
        chosen = [(each.part, float(share)) for each, share in zip(self.candidates, shares, strict=True) if share > 0]
        parts, of_parts = [part for part, _ in chosen], [share for _, share in chosen]
        return Blend(Champion(self.views, parts, of_parts, choice.calibrator), choice, _calibrated(mixed, choice))

    def _single(self) -> Blend:
        best = min(self.candidates, key=lambda each: each.loss)
        logits, part = log_of(best.probabilities), replace(best.part, predictors=best.part.predictors[:1])
        choice = choose(logits, self.labels)
        return Blend(Champion(self.views[:1], [part], [1.0], choice.calibrator), choice, _calibrated(logits, choice))

    def cross_fitted(self, *, size: int) -> Probabilities:
        """Probabilities (row, class) of blends that have been selected and calibrated without the row.

        Row i belongs to part i modulo 5; its part is predicted by what the others select. What is left of the winner's
        curse is that each candidate's own calibrator has seen the row.
        """
        probabilities, part = self._probabilities, np.arange(len(self.labels)) % _PARTS
        fresh = np.empty(probabilities.shape[1:])
        for number in range(_PARTS):
            seen, unseen = part != number, part == number
            shares, mixed = _selected(probabilities[:, seen], self.labels[seen], size=size)
            choice = choose(mixed, self.labels[seen])
            fresh[unseen] = _calibrated(_mixed(probabilities[:, unseen], shares), choice)
        return fresh

    def results(self, chosen: Champion) -> tuple[PartResult, ...]:
        """What each candidate is worth, and its share of a blend; the largest share first."""
        shares = dict(zip((part.name for part in chosen.parts), chosen.shares, strict=True))
        parts = [
            PartResult(
                name=each.part.name, kind=each.part.kind, held_out=each.loss, share=shares.get(each.part.name, 0.0)
            )
            for each in self.candidates
        ]
        return tuple(sorted(parts, key=lambda part: (-part.share, part.held_out)))

    @property
    def _probabilities(self) -> _OfCandidates:
        return np.stack([each.probabilities for each in self.candidates])


def _selected(
    probabilities: _OfCandidates, labels: Int64[np.ndarray, " rows"], *, size: int
) -> tuple[Float64[np.ndarray, " candidates"], Probabilities]:
    """Shares of the candidates, and logarithms of their average."""
    shares = select(probabilities, labels, steps=size)
    return shares, _mixed(probabilities, shares)


def _mixed(probabilities: _OfCandidates, shares: Float64[np.ndarray, " candidates"]) -> Probabilities:
    return log_of(np.tensordot(shares, probabilities, 1))


def _calibrated(logits: Probabilities, choice: Choice) -> Probabilities:
    return probabilities_of(choice.calibrator.calibrate(logits))
