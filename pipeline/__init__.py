"""Regularization Lab: which regularization helps on this data, how much, and are the probabilities to be trusted.

`from pipeline import RegularizedClassifier` gives the model that is handed over as an estimator of scikit-learn.
"""

from typing import TYPE_CHECKING

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
