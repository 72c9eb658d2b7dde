"""The exact checks that claims may name: statements of the textbook that need no statistics.

Each runs on the functions that train the study's networks: nothing is a copy of them, and PyTorch's own optimizers and
losses stand beside them.
"""

from __future__ import annotations

from collections.abc import Callable

from pipeline.results.textbook import CheckResult
from pipeline.textbook.decay_checks import l2_adam, l2_sgd
from pipeline.textbook.dropout_checks import dropout_modes
from pipeline.textbook.smoothing_checks import smoothed_targets, smoothing_optimum

CHECKS: dict[str, Callable[[], list[CheckResult]]] = {
    "dropout_modes": dropout_modes,
    "smoothed_targets": smoothed_targets,
    "l2_sgd": l2_sgd,
    "l2_adam": l2_adam,
    "smoothing_optimum": smoothing_optimum,
}
