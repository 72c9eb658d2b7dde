"""How often 95% intervals of resplit studies hold the truth: whole studies are simulated with the product's own code.

Every study draws a pool of rows, splits it anew for each seed, trains networks and compares them as `evaluate` does.
The truth is the mean difference over all studies. Three bounds of what training rows have in common are tried: the
share of the pool that a seed trains on and the validation rows' together, that share, a tenth of it, and nothing.

Run `python -m benchmarks.coverage --studies 500`; it takes about a second a study.
"""

from __future__ import annotations

from pipeline.core.determinism import heed_cbwr, pin

pin()

import json  # noqa: E402
from collections.abc import Callable  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
from joblib import Parallel, delayed  # noqa: E402

from benchmarks.simulation import options  # noqa: E402
from pipeline.config.points import Point  # noqa: E402
from pipeline.data.bundled import load_bundled  # noqa: E402
from pipeline.data.dataset import Dataset, Pool, labels_of  # noqa: E402
from pipeline.data.seed_data import seed_data  # noqa: E402
from pipeline.data.splits import split_resampled  # noqa: E402
from pipeline.data.synthetic import MixtureTask, make_mixture  # noqa: E402
from pipeline.evaluation.members import test_groups  # noqa: E402
from pipeline.evaluation.score import score_members  # noqa: E402
from pipeline.metrics.calibration_error import resampling_uniforms  # noqa: E402
from pipeline.statistics.intervals import paired_difference  # noqa: E402
from pipeline.statistics.shared_rows import measured_widening  # noqa: E402
from pipeline.training.fit import fit  # noqa: E402
from pipeline.training.member import Member  # noqa: E402

ROWS = 900  # of a pool
SEEDS = 30
MIXTURE = MixtureTask(seed=2026, classes=3, components=2, features=10, separation=4.0, label_noise=0.0)
NOISY = MixtureTask(seed=7, classes=2, components=1, features=20, separation=2.0, label_noise=0.1)
PLAIN = Point(
    hidden=(32, 32), epochs=30, batch_size=64, optimizer="adam", learning_rate=0.003, schedule="constant", momentum=0.9
)
RIVALS = {"dropout 0.5": {"dropout": 0.5}, "label smoothing 0.1": {"label_smoothing": 0.1}, "noise 0.5": {"noise": 0.5}}
METRICS = ("test/nll", "test_calibrated/nll")


@dataclass(frozen=True)
class Setting:
    """Where pools come from, and how they are split."""

    name: str
    train: int
    validation: int
    pools: Callable[[int], list[Pool]]

    @property
    def bounds(self) -> dict[str, float]:
        """Correlations that training rows are taken to cause, by name."""
        share = self.train / ROWS
        return {
            "both shares": share + self.validation / ROWS,
            "training share": share,
            "a tenth": share / 10,
            "none": 0.0,
        }


def mixture_pools(task: MixtureTask) -> Callable[[int], list[Pool]]:
    """Fresh pools of a Gaussian mixture."""

    def pools(studies: int) -> list[Pool]:
        made = make_mixture(task, seeds=studies, train=ROWS, validation=1, test=1, name="pools")
        whole = made.pool
        return [
            Pool(whole.features[rows], whole.labels[rows], whole.classes, whole.feature_names)
            for rows in made.splits.train
        ]

    return pools


def digits_pools(studies: int) -> list[Pool]:
    """Random halves of scikit-learn's digits: the population is 1,797 rows, so that pools overlap."""
    whole = load_bundled("digits")
    draws = [np.random.default_rng([11, number]).permutation(len(whole.labels))[:ROWS] for number in range(studies)]
    return [Pool(whole.features[rows], whole.labels[rows], whole.classes, whole.feature_names) for rows in draws]


SETTINGS = (
    Setting("mixture", 130, 130, mixture_pools(MIXTURE)),
    Setting("mixture, large shares", 360, 180, mixture_pools(MIXTURE)),
    Setting("two noisy classes", 130, 130, mixture_pools(NOISY)),
    Setting("halves of digits", 130, 130, digits_pools),
)


def study(
    setting: Setting, pool: Pool, number: int
) -> list[tuple[str, str, float, float, dict[str, tuple[float, float]]]]:
    """Metric, rival, mean difference, variance over seeds, and the interval under each bound, of one study."""
    heed_cbwr()
    splits = split_resampled(
        pool.labels,
        classes=pool.classes,
        seeds=SEEDS,
        train=setting.train,
        validation=setting.validation,
        name=str(number),
    )
    dataset, seeds = Dataset(pool, splits), list(range(SEEDS))
    data = {seed: seed_data(dataset, seed) for seed in seeds}
    points = [PLAIN, *(PLAIN.model_copy(update=changes) for changes in RIVALS.values())]
    # another study has other networks: the first weights and orders are drawn for seeds of its own
    numbers = {seed: 10_000 * (number + 1) + seed for seed in seeds}
    fitted = fit(
        [[Member(point, numbers[seed]) for seed in seeds] for point in points],
        {numbers[seed]: data[seed] for seed in seeds},
        history=False,
    )
    labels, groups = labels_of(dataset, seeds), test_groups(dataset, seeds)
    uniforms = resampling_uniforms(np.random.default_rng(0), resamples=1, rows=labels["test"].shape[1])
    scored = [
        score_members(each.logits, labels, None, uniforms=uniforms, groups=groups, costly=False) for each in fitted
    ]
    rows = []
    for metric in METRICS:
        for rival, one in zip(RIVALS, scored[1:], strict=True):
            a, b = one.scores[metric], scored[0].scores[metric]
            shared = one.groups[metric] - scored[0].groups[metric]
            ends = {}
            for name, rho in setting.bounds.items():
                interval = paired_difference(a, b, widening=measured_widening(a - b, shared, rho=rho))
                ends[name] = float(interval.low), float(interval.high)
            rows.append((metric, rival, float((a - b).mean()), float((a - b).var(ddof=1)), ends))
    return rows


def table_of(setting: Setting, studies: int, *, jobs: int) -> list[dict[str, Any]]:
    """Of each metric and rival: the truth, the inflation beyond independent seeds, coverage and width by bound."""
    pools = setting.pools(studies)
    done = Parallel(n_jobs=jobs)(delayed(study)(setting, pool, number) for number, pool in enumerate(pools))
    table = []
    for place, (metric, rival, *_) in enumerate(done[0]):
        columns = [one[place] for one in done]
        means, variances = (np.array([column[k] for column in columns]) for k in (2, 3))
        truth = float(means.mean())
        bounds = {}
        for name in setting.bounds:
            low, high = np.array([column[4][name] for column in columns]).T
            held = (low <= truth) & (truth <= high)
            bounds[name] = {"coverage": float(held.mean()), "width": float((high - low).mean())}
        table.append(
            {
                "setting": setting.name,
                "metric": metric,
                "rival": rival,
                "truth": truth,
                "inflation": float(means.var(ddof=1) / variances.mean() - 1 / SEEDS),
                "bounds": bounds,
            }
        )
    return table


def main() -> None:
    """Simulate, and print a table."""
    chosen = options(__doc__)
    rows = [row for setting in SETTINGS for row in table_of(setting, chosen.studies, jobs=chosen.jobs)]
    error = (0.95 * 0.05 / chosen.studies) ** 0.5
    print(f"{chosen.studies} studies of {SEEDS} seeds; standard error of a coverage of .95: {error:.3f}")
    for row in rows:
        bounds = "  ".join(f"{name} {one['coverage']:.3f} ({one['width']:.4f})" for name, one in row["bounds"].items())
        print(
            f"{row['setting']:22s} {row['metric']:12s} {row['rival']:20s} {row['truth']:+.4f}  "
            f"inflation {row['inflation']:.3f}  {bounds}"
        )
    if chosen.write:
        chosen.write.write_text(json.dumps({"studies": chosen.studies, "seeds": SEEDS, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
