"""Too few seeds: what they cannot decide, said before the work and not after it."""

from __future__ import annotations

from pipeline.statistics.paired_comparison import fewest_seeds, paired_runs_needed

GAMMA = 0.75  # P(better) from which a difference matters


def too_few_seeds(seeds: int) -> str:
    """What so few paired seeds cannot decide at 95%, in one line; nothing where they find a P(better) of .75.

    >>> too_few_seeds(10)
    'study.seeds: 10 decide only what wins nearly every seed; 29 reveal a probability of 0.75 of being better'
    """
    least, enough = fewest_seeds(), paired_runs_needed(GAMMA)
    if seeds >= enough:
        return ""
    revealed = f"{enough} reveal a probability of {GAMMA:g} of being better"
    if seeds >= least:
        return f"study.seeds: {seeds} decide only what wins nearly every seed; {revealed}"
    return (
        f"study.seeds: {seeds} cannot decide a comparison, for {seeds} wins or losses in {seeds} happen by chance in "
        f"1 of {2 ** (seeds - 1)}; {least} is the least, and {revealed}"
    )
