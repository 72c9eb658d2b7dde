"""Finished tables of the claims ledger, made by hand: every shape that a claim may have."""

from collections.abc import Sequence
from typing import Any

from pipeline.textbook.verdicts import Verdict, counted

Row = dict[str, Any]


def cell(dataset: str, mean: float | None, half: float = 0.03, verdict: Verdict = "supported", **more: Any) -> Row:
    """An effect on one data set; its interval reaches `half` to both sides."""
    ends = {"low": None, "high": None} if mean is None else {"low": mean - half, "high": mean + half}
    fixed = {"at": {}, "of": "dropout=0.5", "against": "as it is", "of_mean": 0.3, "against_mean": 0.7, "n": 30}
    named = {"dataset": dataset, "mean": mean, **ends, "inflation": 0.0, "verdict": verdict, "strict": verdict}
    return {**fixed, **named, **more}


def effect(says: str, *cells: Row, metric: str = "gap/nll", **more: Any) -> Row:
    fixed = {"direction": "lower", "least": 0.01, "denied": False, "experiment": "made", "against_metric": metric}
    return {"says": says, "metric": metric, **fixed, **more, "cells": list(cells)}


def line(metric: str, x: Sequence[Any], mean: Sequence[float | None], **levels: Any) -> Row:
    ends = {
        end: [None if value is None else value + shift for value in mean]
        for end, shift in (("mean", 0.0), ("low", -0.05), ("high", 0.05))
    }
    return {"metric": metric, "line": levels, "n": 30, "x": list(x), **ends}


def panel(dataset: str, x: str, *lines: Row, **more: Any) -> Row:
    y = list(dict.fromkeys(one["metric"] for one in lines))
    return {"dataset": dataset, "x": x, "by": list(lines[0]["line"]), "y": y, "lines": list(lines), **more}


def check(what: str, *, holds: bool = True) -> Row:
    return {
        "what": what,
        "measured": 1.2345e-7,
        "expected": 0.0,
        "relation": "within",
        "tolerance": 1e-6,
        "holds": holds,
    }


def claim(
    name: str, sentence: str, verdict: Verdict, *effects: Row, panels: Sequence[Row] = (), checks: Sequence[Row] = (),
    quantifier: str = "all", note: str = "",
) -> Row:  # fmt: skip
    cells = [one for part in effects for one in part["cells"]]
    verdicts = [one["verdict"] for one in cells] + ["supported" if one["holds"] else "refuted" for one in checks]
    return {
        "id": name,
        "topic": name.partition(".")[0],
        "sentence": sentence,
        "source": "notebook 1.2",
        "note": note,
        "quantifier": quantifier,
        "verdict": verdict,
        "counts": counted(verdicts),
        "datasets": list(dict.fromkeys(one["dataset"] for one in cells)),
        "seeds": 30 if cells else 0,
        "effects": list(effects),
        "checks": list(checks),
        "panels": list(panels),
    }


STRENGTHS = (0.0, 0.2, 0.5)
EVERYWHERE = claim(
    "dropout.everywhere",
    "Dropout reduces the gap.",
    "supported",
    effect("dropout 0.5 has a smaller gap", cell("mixture", -0.42), cell("digits", -0.12, inflation=0.4)),
    panels=[panel("mixture", "dropout", line("gap/nll", STRENGTHS, (0.7, 0.4, 0.3)))],
)
MIXED = claim(
    "dropout.mixed",
    "Dropout of 0.5 is best, and <b>no</b> other [max p] & so on.",
    "refuted",
    effect(
        "0.5 is better than 0",
        cell("mixture", -0.2),
        cell("digits", -0.15),
        cell("breast_cancer", 0.005, 0.03, "inconclusive"),
        metric="test/nll",
    ),
    effect(
        "0.5 is better than 0.2",
        cell("mixture", -0.05),
        cell("digits", 0.08, 0.02, "refuted"),
        cell("breast_cancer", None, 0.03, "inconclusive"),
        metric="test/nll",
    ),
    panels=[
        panel(name, "dropout", *(line("test/nll", STRENGTHS, (0.7, None, 0.3), batch_norm=on) for on in (False, True)))
        for name in ("mixture", "digits", "breast_cancer")
    ],
    note="A note.",
)
CAN = claim(
    "dropout.can",
    "Dropout can hurt.",
    "supported",
    effect(
        "dropout is worse",
        cell("mixture", 0.3, 0.05, direction="higher"),
        cell("digits", -0.1, 0.02, "refuted", strict="refuted"),
        direction="higher",
        metric="test_ts/accuracy",
    ),
    quantifier="any",
)
DENIED = claim(
    "decay.denied",
    "Small data sets do not benefit.",
    "inconclusive",
    effect(
        "dropout is better",
        cell("mixture", -0.09, 0.02, "refuted", strict="inconclusive", at={"hidden": "64x64"}),
        cell("mixture", 0.01, 0.1, "inconclusive", at={"hidden": "256x256"}),
        denied=True,
    ),
    panels=[panel("mixture", "hidden", line("gap/nll", ("64x64", "256x256"), (0.7, 0.4)))],
)
EXACT = claim("decay.exact", "L2 is decay.", "supported", checks=[check("difference of weights"), check("another")])
FAILED = claim("decay.failed", "L2 is no decay.", "refuted", checks=[check("one"), check("other", holds=False)])
SAME = claim(
    "smooth.same",
    "What it aims at is miscalibrated.",
    "supported",
    effect("the two are the same", cell("mixture", 0.002, 0.003), direction="same", metric="test/nll"),
    effect("bias is larger", cell("mixture", 12.3, 0.4), metric="bias/nll", against_metric="variance/nll"),
    panels=[
        panel(
            "mixture", "label_smoothing",
            line("test/exact_ce", STRENGTHS, (0.1, 0.2, 0.3)), line("theory/smoothing_error", STRENGTHS, (0, 0.1, 0.2)),
        ),
        panel(
            "mixture", "epoch",
            line("train/nll", (0, 1, 10, 100), (0.7, 0.6, 0.3, 0.1)),
            line("validation/nll", (0, 1, 10, 100), (0.7, 0.7, None, 0.9)),
        ),
        panel(
            "mixture", "cell",
            line("bias/nll", ("as it is", "dropout=0.5"), (0.2, 0.1)), line("variance/nll", ("as it is",), (0.3,)),
        ),
    ],
)  # fmt: skip
MANY = claim(
    "combining.many",
    "Combining is best.",
    "inconclusive",
    effect("it is better", cell("mixture", -0.5, 0.6, "inconclusive"), cell("digits", -9.0, 0.2)),
    panels=[
        panel(
            name, x,
            *(
                line(metric, STRENGTHS, (0.5, 0.4, 0.3), weight_decay=decay, label_smoothing=smoothing)
                for decay in (0.0, 1.0) for smoothing in (0.0, 0.1)
            ),
        )
        for metric in ("test/accuracy", "test/nll", "test/ece") for x in ("dropout", "label_noise")
        for name in ("mixture", "digits")
    ],
)  # fmt: skip
CLAIMS = (EVERYWHERE, MIXED, CAN, DENIED, EXACT, FAILED, SAME, MANY)
AIMED = claim(
    "overfit.aimed",
    "It learns all labels.",
    "supported",
    effect(
        "the accuracy is 1", cell("random_labels", -0.002, 0.0, against="1"), direction="same",
        metric="train/accuracy@200",
    ),
)  # fmt: skip

AUDIT = [
    {
        "dataset": "mixture", "cell": network, "part": part, "estimator": name, "rows": rows, "networks": 30,
        "truth": 0.1, "bias": bias / rows, "coverage": covered if part == "study" or name == "debiased" else None,
    }
    for network in ("as it is", "dropout=0.5")
    for part in ("network", "study")
    for name, bias, covered in (("ece", 3.0, 0.85), ("debiased", 0.1, 0.95), ("smece", -1.0, 0.97))
    for rows in (100, 1000)
]  # fmt: skip


def table(*claims: Row, audit: Sequence[Row] = ()) -> Row:
    chosen = claims or CLAIMS
    return {
        "seeds": 30,
        "claims": list(chosen),
        "audit": list(audit),
        "counts": counted([one["verdict"] for one in chosen]),
    }
