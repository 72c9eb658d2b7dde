"""Finished tables of the textbook's claims, made by hand: every shape that a claim may have."""

from collections.abc import Sequence

from pipeline.results.record import Level
from pipeline.results.textbook import (
    ENOUGH,
    AuditRow,
    CellVerdict,
    CheckResult,
    ClaimResult,
    Direction,
    EffectCell,
    EffectResult,
    FigureAxes,
    FigureLine,
    MapPlace,
    MapRow,
    Quantifier,
    SentenceCounts,
    SentenceVerdict,
    Split,
    TextbookResults,
    VerdictCounts,
)
from pipeline.textbook.places import places_of
from pipeline.textbook.verdicts import prevalence


def cell(
    dataset: str, mean: float | None, half: float = 0.03, verdict: CellVerdict = "supported", *,
    strict: CellVerdict | None = None, against: str = "as it is", at: dict[str, Level] | None = None,
    inflation: float = 0.0,
) -> EffectCell:  # fmt: skip
    """An effect on one data set; its interval reaches `half` to both sides."""
    low, high = (None, None) if mean is None else (mean - half, mean + half)
    return EffectCell(
        dataset=dataset, at=at or {}, of="dropout=0.5", against=against, of_mean=0.3, against_mean=0.7, n=30,
        mean=mean, low=low, high=high, inflation=inflation, freedom=29.0, verdict=verdict, strict=strict or verdict,
    )  # fmt: skip


def effect(
    says: str, *cells: EffectCell, metric: str = "gap/nll", against_metric: str = "", direction: Direction = "lower",
    denied: bool = False, experiment: str = "made", least: float = 0.01, aside: str = "",
) -> EffectResult:  # fmt: skip
    return EffectResult(
        says=says, metric=metric, against_metric=against_metric or metric, experiment=experiment, direction=direction,
        least=least, denied=denied, aside=aside, cells=cells,
    )  # fmt: skip


def line(metric: str, x: Sequence[Level], mean: Sequence[float | None], **levels: Level) -> FigureLine:
    low, high = (tuple(None if value is None else value + shift for value in mean) for shift in (-0.05, 0.05))
    return FigureLine(metric=metric, line=levels, n=30, x=tuple(x), mean=tuple(mean), low=low, high=high)


def axes(dataset: str, x: str, *lines: FigureLine, where: dict[str, tuple[Level, ...]] | None = None) -> FigureAxes:
    y = tuple(dict.fromkeys(each.metric for each in lines))
    return FigureAxes(dataset=dataset, x=x, by=tuple(lines[0].line), where=where or {}, y=y, lines=lines)


def check(what: str, *, holds: bool = True) -> CheckResult:
    return CheckResult(
        what=what, measured=1.2345e-7, expected=0.0, relation="within", tolerance=1e-6, holds=holds
    )  # fmt: skip


def claim(
    name: str, sentence: str, verdict: SentenceVerdict, *effects: EffectResult, axes: Sequence[FigureAxes] = (),
    checks: Sequence[CheckResult] = (), quantifier: Quantifier = "all", note: str = "", split: Split | None = None,
) -> ClaimResult:  # fmt: skip
    cells = [cell for part in effects for cell in part.cells]
    verdicts: list[CellVerdict] = [cell.verdict for part in effects if not part.aside for cell in part.cells]
    verdicts += ["supported" if check.holds else "refuted" for check in checks]
    places = places_of(effects, quantifier)
    return ClaimResult(
        topic=name.partition(".")[0],
        id=name,
        sentence=sentence,
        source="notebook 1.2",
        note=note,
        quantifier=quantifier,
        verdict=verdict,
        counts=VerdictCounts.of(verdicts),
        places=places,
        prevalence=prevalence([place.verdict for place in places]),
        split=split,
        datasets=tuple(dict.fromkeys(cell.dataset for cell in cells)),
        seeds=30 if cells else 0,
        recipe={},
        effects=effects,
        checks=tuple(checks),
        panels=tuple(axes),  # its alias, which type checkers know
    )


STRENGTHS = (0.0, 0.2, 0.5)
EVERYWHERE = claim(
    "dropout.everywhere",
    "Dropout reduces the gap.",
    "everywhere",
    effect("dropout 0.5 has a smaller gap", cell("mixture", -0.42), cell("digits", -0.12, inflation=0.4)),
    axes=[axes("mixture", "dropout", line("gap/nll", STRENGTHS, (0.7, 0.4, 0.3)))],
)
MIXED = claim(
    "dropout.mixed",
    "Dropout of 0.5 is best, and <b>no</b> other [max p] & so on.",
    "depends",
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
    axes=[
        axes(name, "dropout", *(line("test/nll", STRENGTHS, (0.7, None, 0.3), batch_norm=on) for on in (False, True)))
        for name in ("mixture", "digits", "breast_cancer")
    ],
    note="A note.",
)
CAN = claim(
    "dropout.can",
    "Dropout can hurt.",
    "depends",
    effect(
        "dropout is worse",
        cell("mixture", 0.3, 0.05),
        cell("digits", -0.1, 0.02, "refuted", strict="refuted"),
        direction="higher",
        metric="test_calibrated/accuracy",
    ),
    quantifier="any",
    split=Split(factor="classes", level="above 3", inside=(1, 1), outside=(0, 1), p=0.04),
)
DENIED = claim(
    "decay.denied",
    "Small data sets do not benefit.",
    "open",
    effect(
        "dropout is better",
        cell("mixture", -0.09, 0.02, "refuted", strict="inconclusive", at={"hidden": "64x64"}),
        cell("mixture", 0.01, 0.1, "inconclusive", at={"hidden": "256x256"}),
        denied=True,
    ),
    axes=[axes("mixture", "hidden", line("gap/nll", ("64x64", "256x256"), (0.7, 0.4)))],
)
EXACT = claim("decay.exact", "L2 is decay.", "everywhere", checks=[check("difference of weights"), check("another")])
FAILED = claim("decay.failed", "L2 is no decay.", "depends", checks=[check("one"), check("other", holds=False)])
SAME = claim(
    "smooth.same",
    "What it aims at is miscalibrated.",
    "everywhere",
    effect("the two are the same", cell("mixture", 0.002, 0.003), direction="same", metric="test/nll"),
    effect("bias is larger", cell("mixture", 12.3, 0.4), metric="bias/nll", against_metric="variance/nll"),
    axes=[
        axes(
            "mixture", "label_smoothing",
            line("test/exact_ce", STRENGTHS, (0.1, 0.2, 0.3)),
            line("theory/smoothing_error", STRENGTHS, (0.0, 0.1, 0.2)),
        ),
        axes(
            "mixture", "epoch",
            line("train/nll", (0, 1, 10, 100), (0.7, 0.6, 0.3, 0.1)),
            line("validation/nll", (0, 1, 10, 100), (0.7, 0.7, None, 0.9)),
        ),
        axes(
            "mixture", "cell",
            line("bias/nll", ("as it is", "dropout=0.5"), (0.2, 0.1)), line("variance/nll", ("as it is",), (0.3,)),
        ),
    ],
)  # fmt: skip
MANY = claim(
    "combining.many",
    "Combining is best.",
    "open",
    effect("it is better", cell("mixture", -0.5, 0.6, "inconclusive"), cell("digits", -9.0, 0.2)),
    effect("it is better", cell("random_labels", 0.3, 0.1, "refuted"), aside="the notebook's setting"),
    axes=[
        axes(
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
    "everywhere",
    effect(
        "the accuracy is 1", cell("random_labels", -0.002, 0.0, against="1"), direction="same",
        metric="train/accuracy@200",
    ),
)  # fmt: skip


def place(
    rows: int, noise: float, winner: str, gain: float, verdict: CellVerdict, rivals: tuple[str, ...] = ()
) -> MapPlace:  # fmt: skip
    return MapPlace(
        rows=rows, label_noise=noise, winner=winner, rivals=rivals, baseline=0.4, gain=gain, low=gain - 0.01,
        high=gain + 0.01, n=20, verdict=verdict, means={"none": 0.4, "dropout": 0.3, "mixup": 0.3},
    )  # fmt: skip


MAP = tuple(
    MapRow(rows=places[0].rows, least=0.005, arms=("none", "dropout", "mixup"), places=places)
    for places in (
        (place(16, 0.0, "dropout", 0.2, "supported"), place(16, 0.2, "mixup", 0.1, "supported", ("dropout",))),
        (place(64, 0.0, "mixup", 0.01, "inconclusive"), place(64, 0.2, "mixup", 0.0, "refuted")),
    )
)
AUDIT = tuple(
    AuditRow(
        dataset="mixture", cell=network, part=part, estimator=name, rows=rows, networks=30, truth=0.1,
        mean=0.1 + bias / rows, bias=bias / rows, sd=0.01, interval="Student t",
        coverage=covered if part == "study" or name == "debiased" else None, coverage_low=None, coverage_high=None,
        within=ENOUGH[0] <= covered <= ENOUGH[1] if part == "study" or name == "debiased" else None,
    )
    for network in ("as it is", "dropout=0.5")
    for part in ("network", "study")
    for name, bias, covered in (("ece", 3.0, 0.85), ("debiased", 0.1, 0.95), ("smece", -1.0, 0.97))
    for rows in (100, 1000)
)  # fmt: skip


def table(*claims: ClaimResult, audit: Sequence[AuditRow] = ()) -> TextbookResults:
    chosen = claims or CLAIMS
    return TextbookResults(
        seeds=30, counts=SentenceCounts.of(claim.verdict for claim in chosen), claims=chosen, audit=tuple(audit), map=()
    )
