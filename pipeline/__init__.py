"""Regularization Lab: which regularization helps on this data, how much, and are the probabilities to be trusted.

`from pipeline import RegularizedClassifier` gives the model that is handed over as an estimator of scikit-learn.
"""

import sys
from typing import TYPE_CHECKING

if sys.version_info < (3, 11):  # noqa: UP036  (before all that an older one cannot read; no traceback with `-m`)
    _needed = "Python 3.11 or newer is needed; `make setup`, then `source .venv/bin/activate`"
    raise ImportError(f"{_needed}; this is {sys.version_info[0]}.{sys.version_info[1]}", name=__name__)
if TYPE_CHECKING:
    from pipeline.estimator.classifier import RegularizedClassifier

__all__ = ["RegularizedClassifier"]


def __getattr__(name: str) -> object:
    """The estimator, imported once it is asked for: commands do without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pipeline.core.determinism import pin  # noqa: PLC0415

    pin()  # before numpy is imported, where it is not yet
    from pipeline.estimator.classifier import RegularizedClassifier  # noqa: PLC0415

    return RegularizedClassifier
