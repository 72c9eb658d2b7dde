"""Exact checks of dropout: its masks in training, their expectation, and evaluation without any."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.core import rng
from pipeline.core.rng import Purpose
from pipeline.results.textbook import CheckResult
from pipeline.textbook.check_results import ABOVE, BELOW, EQUAL, WITHIN, check
from pipeline.textbook.optimizer_trajectories import two_steps
from pipeline.training import regularizers

RATES = (0.2, 0.5, 0.8)


def dropout_modes() -> list[CheckResult]:
    """Training differs from call to call, evaluation does not, and a mask's expectation is 1.

    Reference: Srivastava et al. 2014, JMLR 15, section 10 (inverted scaling).
    """
    rates = (0.0, *RATES)
    stack, first, second = two_steps([{"dropout": rate} for rate in rates], dtype=torch.float32, classes=3)
    once, again = (stack.logits(["validation"])["validation"] for _ in range(2))
    half = rates.index(0.5)
    share, error = (first.mask[half] != second.mask[half]).double().mean(), 0.5 / first.mask[half].numel() ** 0.5
    logits = (first.logits[half] - second.logits[half]).abs().mean() / second.logits[half].std()
    unexpected = _unexpected_values(torch.cat([first.mask, second.mask], 1)[1:])
    return [
        check("Two training steps mask half of the units differently at rate 0.5", share, WITHIN, 0.5, 4 * error),
        check("Two training steps move logits by more than a tenth of their spread", logits, ABOVE, 0.1),
        check("Two calls in evaluation mode differ in no bit (share of logits)", _share_unlike(once, again), EQUAL, 0),
        check(
            "Evaluation mode is the network without dropout (share unlike)", _share_unlike(once[1:], once[:1]), EQUAL, 0
        ),
        check("Masks are 0 or 1/(1-p), p rounded to 1/65536 (share that are not)", unexpected, EQUAL, 0),
        *_mask_means(),
    ]


def _unexpected_values(masks: Tensor) -> float:
    kept = torch.tensor([1 / (1 - round(rate * 65536) / 65536) for rate in RATES]).view(-1, 1, 1)
    return ((masks != 0) & (masks != kept)).double().mean().item()


def _mask_means() -> list[CheckResult]:
    """The mean mask over all 65536 equally likely uniforms, where it is an expectation, and over drawn ones."""
    means = _mean_masks(np.arange(-32768, 32768, dtype=np.int16), (0.5, *np.arange(1, 100) / 100))
    drawn = rng.uniform16(0, Purpose.DROPOUT, 0, 1 << 20)
    errors = torch.tensor([(rate / (1 - rate) / drawn.size) ** 0.5 for rate in RATES])
    away = ((_mean_masks(drawn, RATES) - 1).abs() / errors).max()
    largest = (means - 1).abs().max()
    return [
        check("A mask's expectation at rate 0.5 is exactly 1", means[0], EQUAL, 1),
        check("At rates 0.01 to 0.99 the expectation is 1 to float32's rounding", largest, WITHIN, 0, 2**-24),
        check("The mean of a million drawn masks is 1 (gap in standard errors)", away, BELOW, 4),
    ]


def _mean_masks(uniforms: NDArray[np.int16], rates: Sequence[float]) -> Tensor:
    """Mean mask (rate,) over uniforms; masks are in float32, in which the study's networks are trained."""
    thresholds, scales = (torch.from_numpy(values) for values in regularizers.dropout_thresholds(rates))
    drawn = torch.from_numpy(uniforms).view(1, 1, -1)
    masks = regularizers.dropout_mask(drawn, thresholds, scales.float(), out=torch.empty(len(rates), 1, drawn.numel()))
    return masks.mean((1, 2), dtype=torch.float64)


def _share_unlike(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Share of numbers whose bits differ."""
    return float(np.mean(one.view(np.int32) != other.view(np.int32)))
