"""How much better than it is the chosen point looks, where rows that helped to choose it also judge it.

Whole studies are simulated with the product's own code: a pool of rows is drawn and split anew for each seed, tuning
seeds choose a point and its learning rate by refinement on their validation rows, and the study's own seeds judge it by
test NLL after calibration against no regularization. Rows that no network has seen, scored against their known
class probabilities, say what the very same networks are worth; optimism is what the judgement is below that.

Points are chosen by four rules: by the test rows that also judge (the wrong way), by all validation rows, and rotated,
where the pool is divided into 2 or 5 parts and validation rows outside a part choose for the test rows inside it.

Run `python -m benchmarks.optimism --studies 500`; it takes about three seconds a study, of all settings together.
"""

from __future__ import annotations

from pipeline.core.determinism import heed_cbwr, pin

pin()

import json  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from dataclasses import asdict, dataclass, replace  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
from joblib import Parallel, delayed  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from benchmarks.coverage import MIXTURE, NOISY  # noqa: E402
from benchmarks.simulation import options  # noqa: E402
from pipeline.calibration.calibrator import Calibrator, calibrate, fit_calibrator  # noqa: E402
from pipeline.config.points import Point  # noqa: E402
from pipeline.data.dataset import Dataset, Pool  # noqa: E402
from pipeline.data.seed_data import SeedData, seed_data, seed_preprocessor  # noqa: E402
from pipeline.data.splits import split_resampled  # noqa: E402
from pipeline.data.synthetic import MixtureTask, make_mixture  # noqa: E402
from pipeline.metrics.predictions import Predictions  # noqa: E402
from pipeline.search.objectives import by_seed  # noqa: E402
from pipeline.training.fit import fit  # noqa: E402
from pipeline.training.member import Member  # noqa: E402

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STUDY, TUNING = range(10), range(10, 15)  # seeds; the optimism of a mean over seeds does not depend on their number
FRESH = 2000  # rows that no network of a study has seen
PLAIN = Point(
    hidden=(32,), epochs=15, batch_size=32, optimizer="adam", learning_rate=0.015, schedule="constant", momentum=0.9
)
RATES = (0.007, 0.015, 0.03)
USUAL = RATES.index(0.015)
POINTS: tuple[dict[str, float], ...] = (
    {},
    {"dropout": 0.1},
    {"dropout": 0.2},
    {"dropout": 0.4},
    {"weight_decay": 0.3},
    {"weight_decay": 1.0},
    {"label_smoothing": 0.03},
    {"label_smoothing": 0.1},
    {"noise": 0.2},
    {"noise": 0.4},
    {"mixup": 0.2},
    {"input_dropout": 0.1},
)
CANDIDATES = tuple(PLAIN.model_copy(update={**point, "learning_rate": rate}) for point in POINTS for rate in RATES)
PARTS = (1, 2, 5)  # of a pool; one part is all rows, which choose and judge
RULES = {0: "rows that judge", 1: "all rows", 2: "2 parts", 5: "5 parts"}


@dataclass(frozen=True)
class Setting:
    """Where pools come from, and how they are split."""

    name: str
    task: MixtureTask
    rows: int
    train: int
    validation: int


SETTINGS = (
    Setting("mixture, 900 rows", MIXTURE, 900, 130, 130),
    Setting("mixture, 180 rows", MIXTURE, 180, 60, 50),
    Setting("two noisy classes, 900 rows", NOISY, 900, 130, 130),
    Setting("two noisy classes, 180 rows", NOISY, 180, 60, 50),
)


@dataclass(frozen=True)
class Outcome:
    """What studies found, by the number of parts where rows are divided: (..., part, candidate), means over seeds."""

    chosen_by: dict[int, Floats]  # refinement on validation rows outside the part; of one part, on all
    judged_by: dict[int, Floats]  # test NLL after calibration, rows inside the part
    truth: Floats  # (..., candidate): that of fresh rows


@dataclass(frozen=True)
class Row:
    """One line of the table; errors are standard errors over studies."""

    studies: int
    setting: str
    choosing: str
    rule: str
    optimism: float  # judged minus true difference to no regularization that choosing causes; negative flatters
    optimism_error: float
    plain: float  # the same without allowing for what all candidates have in common
    plain_error: float
    spread: float  # standard deviation over studies of judged minus true difference
    gain: float  # true difference of the chosen point to no regularization
    loss: float  # true NLL beyond that of the point that all rows choose
    loss_error: float
    agreement: float  # share of studies where all parts choose the same


def draw(setting: Setting, studies: int) -> list[tuple[Pool, Pool]]:
    """The pool of each study, and rows that it never sees."""
    made = make_mixture(
        setting.task, seeds=studies, train=setting.rows + FRESH, validation=1, test=1, name=setting.name
    )
    return [
        (subset(made.pool, rows[: setting.rows]), subset(made.pool, rows[setting.rows :])) for rows in made.splits.train
    ]


def subset(pool: Pool, rows: NDArray[np.integer]) -> Pool:
    """Some rows of a pool."""
    posterior = None if pool.posterior is None else pool.posterior[rows]
    return replace(pool, features=pool.features[rows], labels=pool.labels[rows], posterior=posterior)


def with_fresh(dataset: Dataset, seed: int, fresh: Pool) -> SeedData:
    """A seed's data, and fresh rows that are preprocessed like its own."""
    data = seed_data(dataset, seed)
    preprocessed = seed_preprocessor(dataset, seed).transform(fresh.features)
    return replace(data, features={**data.features, "fresh": preprocessed})


def logits_of(data: dict[int, SeedData], first: int, splits: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Logits (candidate, seed, row, class) of every candidate; another study's first weights and orders are others."""
    fitted = fit(
        [[Member(point, first + seed) for seed in data] for point in CANDIDATES],
        {first + seed: each for seed, each in data.items()},
        chunk=32,
        history=False,
        splits=splits,
    )
    return {split: np.stack([each.logits[split] for each in fitted]) for split in splits}


def calibrated(logits: NDArray[np.float32], calibrator: Calibrator) -> Floats:
    """Log probabilities after calibration."""
    return Predictions.from_logits(calibrate(logits, calibrator)).log_probs


def study(setting: Setting, pool: Pool, fresh: Pool, number: int) -> Outcome:
    """Train every candidate on tuning seeds and on a study's own, and score both on every part of the pool."""
    heed_cbwr()
    sizes = {"seeds": len(STUDY) + len(TUNING), "train": setting.train, "validation": setting.validation}
    splits = split_resampled(pool.labels, classes=pool.classes, name=str(number), **sizes)
    dataset = Dataset(pool, splits)
    order = np.random.default_rng([3, number]).permutation(setting.rows)
    parts = {count: order % count for count in PARTS}
    first = 10_000 * (number + 1)
    tuning = logits_of({seed: seed_data(dataset, seed) for seed in TUNING}, first, ["validation"])["validation"]
    logits = logits_of(
        {seed: with_fresh(dataset, seed, fresh) for seed in STUDY}, first, ["validation", "test", "fresh"]
    )
    labels = np.broadcast_to(pool.labels[splits.validation[STUDY]], logits["validation"].shape[:3])
    calibrator = fit_calibrator(logits["validation"], labels)
    answers = pool.labels[splits.test[STUDY]][None, :, :, None]
    losses = -np.take_along_axis(calibrated(logits["test"], calibrator), answers, axis=-1)[..., 0]
    expected = -(calibrated(logits["fresh"], calibrator) * np.asarray(fresh.posterior)).sum(-1)
    return Outcome(
        {count: refinements(tuning, pool, splits.validation[TUNING], part) for count, part in parts.items()},
        {count: part_means(losses, part[splits.test[STUDY]], count) for count, part in parts.items()},
        expected.mean((1, 2)),
    )


def refinements(logits: NDArray[np.float32], pool: Pool, rows: NDArray[np.integer], part: Ints) -> Floats:
    """Mean refinement (part, candidate) over seeds on validation rows outside a part; of one part, on all rows."""
    count = int(part.max()) + 1
    values = np.empty((count, rows.shape[0], len(logits)))
    for number in range(count):
        for seed, validation in enumerate(rows):
            outside = (part[validation] != number) | (count == 1)
            labels = np.broadcast_to(pool.labels[validation[outside]], (len(logits), int(outside.sum())))
            values[number, seed] = by_seed("refinement", logits[:, seed, outside], labels)
    return values.mean(1)


def part_means(losses: Floats, part: Ints, count: int) -> Floats:
    """Mean loss (part, candidate) over seeds of the rows inside each part."""
    inside = part[None] == np.arange(count)[:, None, None]
    sums = np.einsum("csr,psr->pcs", losses, inside.astype(np.float64))
    return (sums / inside.sum(-1)[:, None]).mean(-1)


def joined(outcomes: Sequence[Outcome]) -> Outcome:
    """All studies in one, study first."""
    return Outcome(
        {count: np.stack([each.chosen_by[count] for each in outcomes]) for count in PARTS},
        {count: np.stack([each.judged_by[count] for each in outcomes]) for count in PARTS},
        np.stack([each.truth for each in outcomes]),
    )


def picks(values: Floats, *, tuned: bool) -> tuple[Ints, Ints]:
    """The best candidate and the reference (study, part): no regularization at the rate that it would take."""
    table = values.reshape(*values.shape[:-1], len(POINTS), len(RATES))
    rates = table.argmin(-1) if tuned else np.full(table.shape[:-1], USUAL)
    best = np.take_along_axis(table, rates[..., None], axis=-1)[..., 0].argmin(-1)
    rate = np.take_along_axis(rates, best[..., None], axis=-1)[..., 0]
    return best * len(RATES) + rate, rates[..., 0]


def taken(values: Floats, index: Ints) -> Floats:
    """The value of the candidate that each study and part has chosen."""
    return np.take_along_axis(values, index[..., None], axis=-1)[..., 0]


def covariance_terms(errors: Floats, index: Ints) -> Floats:
    """By study, what choosing has to do with the errors (study, part, candidate): their mean is its bias.

    The choice is compared with how often the other studies choose each candidate. What all choices have in common, the
    luck of a pool's rows and the effect of stratified splits among it, drops out.
    """
    studies = len(errors)
    hit = index[..., None] == np.arange(errors.shape[-1])
    surprise = (hit - hit.mean(0)) * studies / (studies - 1)
    return (surprise * (errors - errors.mean(0))).sum(-1).mean(-1)


def mean_and_error(values: Floats) -> tuple[float, float]:
    """A mean over studies, and its standard error."""
    return rounded(values.mean(), 5), rounded(values.std(ddof=1) / len(values) ** 0.5, 5)


def rounded(value: np.floating, digits: int) -> float:
    """A number with as many decimals as are printed; never minus zero."""
    return round(float(value), digits) + 0.0


def line(setting: Setting, found: Outcome, rule: int, *, tuned: bool, equal: bool) -> Row:
    """How one rule of choosing does in a setting; `equal` chooses as if all candidates were as good as each other."""

    def choose(number: int) -> tuple[Ints, Ints]:
        values = found.chosen_by[number] if number else found.judged_by[1]
        return picks(values - values.mean(0) if equal else values, tuned=tuned)

    index, plain = choose(rule)
    truth = np.broadcast_to(found.truth[:, None], (*index.shape, len(CANDIDATES)))
    errors = found.judged_by[max(rule, 1)] - truth
    difference = (taken(errors, index) - taken(errors, plain)).mean(1)
    terms = covariance_terms(errors, index) - covariance_terms(errors, plain)
    usual = found.truth[:, None]
    loss = taken(truth, index).mean(1) - taken(usual, choose(1)[0])[:, 0]
    choosing = ("own rates" if tuned else "one rate") + ", made equal" * equal
    return Row(
        len(terms),
        setting.name,
        choosing,
        RULES[rule],
        *mean_and_error(terms),
        *mean_and_error(difference),
        rounded(difference.std(ddof=1), 4),
        rounded((taken(truth, index) - taken(truth, plain)).mean(), 4),
        *mean_and_error(loss),
        rounded((index == index[:, :1]).all(1).mean(), 2),
    )


def table_of(setting: Setting, studies: int, *, jobs: int) -> list[Row]:
    """Every way of choosing in one setting."""
    pools = draw(setting, studies)
    calls = (delayed(study)(setting, *both, number) for number, both in enumerate(pools))
    found = joined(Parallel(n_jobs=jobs)(calls))
    ways = [(False, False), (True, False), (False, True), (True, True)]
    return [line(setting, found, rule, tuned=tuned, equal=equal) for tuned, equal in ways for rule in RULES]


def known_rows(path: Path | None, studies: int) -> list[Row]:
    """The rows of a table that was written before, of settings with as many studies or more."""
    table = json.loads(path.read_text()) if path and path.exists() else {"rows": []}
    return [Row(**row) for row in table["rows"] if row["studies"] >= studies]


def main() -> None:
    """Simulate what the file does not have yet, write it after every setting, and print a table."""
    chosen = options(__doc__)
    known, rows = known_rows(chosen.write, chosen.studies), []
    for setting in SETTINGS:
        had = [row for row in known if row.setting == setting.name]
        rows += had or table_of(setting, chosen.studies, jobs=chosen.jobs)
        if chosen.write:
            others = [row for row in known if row.setting not in {each.setting for each in rows}]
            table = {"seeds": len(STUDY), "tuning seeds": len(TUNING), "rows": list(map(asdict, rows + others))}
            chosen.write.write_text(json.dumps(table, indent=1) + "\n")
    for row in rows:
        print(
            f"{row.studies:4d} {row.setting:28s} {row.choosing:22s} {row.rule:16s} optimism {row.optimism:+.5f} "
            f"({row.optimism_error:.5f})  plain {row.plain:+.5f} ({row.plain_error:.5f})  spread {row.spread:.4f}  "
            f"gain {row.gain:+.4f}  loss {row.loss:+.5f} ({row.loss_error:.5f})  agreement {row.agreement:.2f}"
        )


if __name__ == "__main__":
    main()
