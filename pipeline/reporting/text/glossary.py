"""The glossary: what each term of page and README means, in a sentence that a newcomer can use."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

TERMS = {
    "NLL": "Negative log-likelihood: the mean of −log of the probability given to what came true, in nats. Lower is "
    "better; guessing among K classes costs log K.",
    "ECE": "Expected calibration error: how far confidence is from how often it is right, on average over bins. 0 is "
    "best; .02 is two percentage points.",
    "floor": "The ECE that chance alone gives a perfectly calibrated model with these confidences on this many rows: "
    "an ECE is to be read beside it.",
    "temperature scaling": "All logits are multiplied by one number, fitted on validation rows: it changes how "
    "confident a network is, and no prediction. With two classes another number is added (Platt scaling).",
    "calibration": "Fitting a simple map on validation rows so that probabilities mean what they say; here temperature "
    "scaling, or Platt scaling with two classes.",
    "paired seeds": "All settings share the rows, first weights and batch orders of each seed, so that they are "
    "compared on equal terms and differences are much surer than the numbers themselves.",
    "gap": "Generalization gap: test NLL minus training NLL. A small one can come from learning nothing, so read it "
    "beside the NLL.",
    "none": "The same network without regularization, at the learning rate that suits it: what all is compared with.",
    "verdict": "Better or worse: shown, and likely on a new seed too; same: shown to matter less than the smallest "
    "effect of interest; no evidence: neither.",
    "Brier": "Brier score: the mean squared distance of the probabilities from what came true. Lower is better.",
    "smooth CE": "Smooth calibration error: like the ECE, with a kernel in place of bins.",
    "classwise": "The calibration error of every class’s probability, averaged over classes.",
    "debiased²": "The squared calibration error less what chance adds to it: signed, 0 where nothing is wrong.",
    "optimism": "How much worse the winner is on fresh seeds than the search took it to be.",
}
"""By the word that tables use."""
_ALTERNATIVES = "|".join(re.escape(term) for term in sorted(TERMS, key=len, reverse=True))
_TERM = re.compile(rf"(?<![\w-])(?:{_ALTERNATIVES})(?!\w)")


def explained(text: str) -> Markup:
    """HTML of a heading in which the first known term has its meaning as a tooltip.

    >>> explained("verdict cal.")[:19], explained("a < b")
    (Markup('<abbr title="Better'), Markup('a &lt; b'))
    """
    found = _TERM.search(text)
    if found is None:
        return escape(text)
    head, term, tail = text[: found.start()], found[0], text[found.end() :]
    return Markup('{}<abbr title="{}">{}</abbr>{}').format(head, TERMS[term], term, tail)
