"""How often the final words are wrong: studies redrawn from the committed ones, with differences that are known.

From the scores of a finished study (`make repro` first), every point's paired difference from no regularization is
centred: all points are then equal, and what is left is real noise of seeds and of test rows. Studies are drawn from it,
seeds and groups of test rows with replacement, and compared by the product's own code. That is the pigeonhole bootstrap
with the scores for a population, so that what is true is known. One point, chosen at random, may get a known gain.

Thirty seeds drawn from thirty repeat those that stand far out, so that p values are a little too small in the tail.

References: McCullagh 2000, Resampling and Exchangeable Arrays; Owen 2007, The Pigeonhole Bootstrap.

Run `python -m benchmarks.words --studies 500`; it takes some minutes.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from joblib import Parallel, delayed

from benchmarks.simulation import options
from pipeline.config.params import load_params
from pipeline.core.paths import PARAMS
from pipeline.metrics.names import MetricName
from pipeline.results.comparison import BASE_LOSS, LOSS_LEFT, study_results
from pipeline.results.scored_points import BaseRateScores, ScoredPoints
from pipeline.results.tuning import RateTrial, Tuning
from pipeline.stages.evaluate import study_scores

LOSS = "test_calibrated/nll"
GAINS = (0.0, 0.02, 0.05)  # nats
FAR = 0.1  # points that lose more are left out: nobody would take them for equal


def committed(dataset: str) -> ScoredPoints:
    """The scores of a data set's study, without the A/A check and points that are hopeless or copies."""
    scored = study_scores(dataset, load_params(PARAMS))
    gains = (scored.scores[LOSS] - scored.scores[LOSS][0]).mean(1)
    spread = np.abs(scored.scores[LOSS] - scored.scores[LOSS][0]).max(1)
    own = [not point.parameters.replicate for point in scored.points]
    kept = [i for i, _ in enumerate(scored.points) if own[i] and gains[i] < FAR and (spread[i] > 0 or i == 0)]
    return replace(
        scored,
        points=[scored.points[i] for i in kept],
        scores={name: values[kept] for name, values in scored.scores.items()},
        groups={name: values[kept] for name, values in scored.groups.items()},
    )


def equalized(table: np.ndarray) -> np.ndarray:
    """Scores (points, seeds, ...) shifted so that all points have the mean of the first one, no regularization.

    Seeds on which a point is a copy to the bit, early stopping that never stops for example, stay copies and the others
    take the whole shift: shifted too, they would gain the same on all rows, a difference without the noise that every
    other network has.
    """
    difference = table - table[:1]
    copies = np.all(difference == 0, axis=tuple(range(2, table.ndim)), keepdims=True)
    axes = tuple(range(1, table.ndim))
    seeds = np.maximum(np.sum(~copies, axis=1, keepdims=True), 1)
    shift = difference.mean(axes, keepdims=True) * table.shape[1] / seeds
    return np.where(copies, table[:1], table - shift)


def redrawn(scored: ScoredPoints, gain: float, rng: np.random.Generator) -> tuple[ScoredPoints, str]:
    """A study of equal points, but for one that gains; and that point's name."""
    lucky = int(rng.integers(1, len(scored.points)))
    seeds, tuning_seeds = rng.integers(0, scored.seeds, scored.seeds), rng.integers(0, scored.seeds, 5)
    columns = rng.integers(0, scored.groups[LOSS].shape[2], scored.groups[LOSS].shape[2])
    effect = np.where(np.arange(len(scored.points)) == lucky, -gain, 0.0)
    groups = {}
    for name in (LOSS, "test/nll"):
        equal = equalized(scored.groups[name]) + effect[:, None, None]
        groups[name] = equal[:, seeds][:, :, columns]
    left = equalized(scored.scores[LOSS_LEFT]) + effect[:, None]
    points = [
        point.model_copy(update={"tuning": _tuning(point.parameters.learning_rate, values)})
        for point, values in zip(scored.points, left[:, tuning_seeds], strict=True)
    ]
    scores = {name: table.mean(2) for name, table in groups.items()} | {LOSS_LEFT: left[:, seeds]}
    directions = dict.fromkeys(groups, "lower")
    base_groups = {name: scored.base_rates.groups[name][:, seeds][:, :, columns] for name in groups}
    base_scores = {name: table.mean(2) for name, table in base_groups.items()}
    base_scores[BASE_LOSS] = scored.base_rates.scores[BASE_LOSS][:, seeds]
    base_rates = BaseRateScores(base_scores, base_groups)
    made = replace(
        scored, points=points, scores=scores, groups=groups, directions=directions, base_rates=base_rates,
        protocol=replace(scored.protocol, resamples=2000),
    )  # fmt: skip
    return made, scored.points[lucky].name


def _tuning(rate: float, values: np.ndarray) -> Tuning:
    trial = RateTrial(learning_rate=rate, values=tuple(map(float, values)))
    return Tuning(objective="refinement", trials=(trial,))


def one(scored: ScoredPoints, gain: float, number: int) -> dict[str, bool]:
    """What a redrawn study says."""
    made, lucky = redrawn(scored, gain, np.random.default_rng([int(1000 * gain), number]))
    results = study_results(made, reference=0, generator=np.random.default_rng(number))
    compared = [(point, point.comparison(MetricName("test", "after", "nll"))) for point in results.points[1:]]
    better = [(point, entry) for point, entry in compared if entry and entry.verdict == "better"]
    decided = [entry for _, entry in compared if entry and entry.verdict != "no evidence"]
    use = results.answer.recommendation == "use"
    return {
        "use": use,
        "use the one that gains": use and results.answer.name == lucky,
        "a verdict better": bool(better),
        "a verdict better that holds for all points": any(not entry.fails_holm for _, entry in better),
        "a verdict better or worse that holds for all points": any(not entry.fails_holm for entry in decided),
        "the one that gains is better": any(point.name == lucky for point, _ in better),
    }


def main() -> None:
    """Simulate, and print a table."""
    chosen = options(__doc__)
    rows = []
    for dataset in load_params(PARAMS).study.datasets:
        scored = committed(dataset)
        for gain in GAINS:
            said = Parallel(n_jobs=chosen.jobs)(delayed(one)(scored, gain, k) for k in range(chosen.studies))
            shares = {word: float(np.mean([each[word] for each in said])) for word in said[0]}
            rows.append({"dataset": dataset, "points": len(scored.points) - 1, "gain": gain, **shares})
            print(rows[-1], flush=True)
    if chosen.write:
        chosen.write.write_text(json.dumps({"studies": chosen.studies, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
