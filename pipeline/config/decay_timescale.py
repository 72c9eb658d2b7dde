"""Over how many epochs does weight decay average, and is that too long to matter or too short to learn?"""

import math
from collections.abc import Mapping
from typing import Any, Literal

from pipeline.core.strict_model import StrictModel

NO_OP = 0.05  # weights that nothing else moves lose less than this share over the training: as good as no decay
TOO_STRONG = 0.5  # or more than this share within an epoch


class DecayTimescale(StrictModel):
    """Over how many epochs weight decay averages, of how many, what share of a weight is lost, and a warning."""

    epochs: float
    of: int
    lost: float
    warning: Literal["no-op", "too strong"] | None


def decay_timescale(parameters: Mapping[str, Any], rows: int) -> dict[str, Any] | None:
    """Over how many epochs decoupled decay averages, 1 / (learning rate * decay) steps; None where it is off.

    `warning` is "no-op" where weights that nothing else moves lose less than a twentieth over the whole training, and
    "too strong" where they lose more than half within an epoch.

    Reference:
        Wang & Aitchison 2024, How to set AdamW's weight decay as you scale model and dataset size.

    >>> decay_timescale({"learning_rate": 0.01, "weight_decay": 0.001, "batch_size": 64, "epochs": 20}, 256)["epochs"]
    25000.0
    """
    rate = parameters["learning_rate"] * parameters["weight_decay"]
    if not rate:
        return None
    steps = -(-rows // parameters["batch_size"])
    epochs = 1 / (rate * steps)
    mean = 0.5 if parameters.get("schedule") == "cosine" else 1.0  # of the learning rate over the whole training
    lost = 1 - math.exp(-mean * parameters["epochs"] / epochs)
    within_an_epoch = 1 - math.exp(-1 / epochs)
    warning = "no-op" if lost < NO_OP else "too strong" if within_an_epoch > TOO_STRONG else None
    return {"epochs": epochs, "of": parameters["epochs"], "lost": lost, "warning": warning}


def zones(epochs: int) -> tuple[float, float]:
    """The timescales in epochs below which decay is too strong, and above which it is a no-op in so many epochs.

    >>> [round(end, 2) for end in zones(60)]
    [1.44, 1169.74]
    """
    return -1 / math.log1p(-TOO_STRONG), -epochs / math.log1p(-NO_OP)
