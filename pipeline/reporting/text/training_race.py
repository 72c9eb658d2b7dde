"""The same networks, trained in every usual way: benchmarks/training_race.json as Markdown."""

from __future__ import annotations

from math import sqrt
from statistics import fmean, stdev

from pipeline.results.record import Record

STACK = "stack"


class Racer(Record):
    """One way to train, as it was measured.

    Attributes:
        name: as the benchmark has it.
        title: what readers call it.
        library: package that it comes from, with its version.
        measured: the day, and what else the machine did.
        rounds: that were measured.
        networks: trained in a round, each on another seed.
        seconds: of the CPU, for one network; median over rounds, as all that follows.
        wall: seconds by the clock, for one network.
        gain: CPU seconds of a network as a multiple of the stack's in the same round.
        range: least and greatest `gain` of the rounds.
        seeds: of the networks, in all rounds.
        losses: mean test log-loss of each seed's network, in nats.
    """

    name: str
    title: str
    library: str
    measured: str
    rounds: int
    networks: int
    seconds: float
    wall: float
    gain: float
    range: tuple[float, float]
    seeds: tuple[int, ...]
    losses: tuple[float, ...]


class TrainingRace(Record):
    """benchmarks/training_race.json; rows are in the order in which readers see them."""

    machine: str
    setting: str
    rows: tuple[Racer, ...]


def markdown(race: TrainingRace) -> str:
    """Seconds and test NLL of every way to train, a row each."""
    days = list(dict.fromkeys(row.measured for row in race.rows))
    stack = next((row for row in race.rows if row.name == STACK), None)
    rounds = max(row.rounds for row in race.rows)
    head = (
        f"{race.machine}, one thread each, {days[0]}: {race.setting}; medians of {_rounds(rounds)}; test NLL as "
        "mean ± standard deviation over seeds, and how far it is above the stack's on the same seeds (standard error)."
    )
    lines = [
        "| | library | CPU s a network | by the clock | times the stack's | seeds | test NLL | above the stack's |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    return "\n".join([head, "", *lines, *(_line(row, stack, days[0]) for row in race.rows)])


def excess(row: Racer, stack: Racer) -> tuple[float, float | None] | None:
    """Mean test log-loss in nats above the stack's on the seeds that both have, and its standard error.

    None where there are no such seeds; of one alone there is no error.
    """
    theirs = dict(zip(stack.seeds, stack.losses, strict=True))
    pairs = zip(row.seeds, row.losses, strict=True)
    differences = [loss - theirs[seed] for seed, loss in pairs if seed in theirs]
    error = stdev(differences) / sqrt(len(differences)) if len(differences) > 1 else None
    return (fmean(differences), error) if differences else None


def _line(row: Racer, stack: Racer | None, day: str) -> str:
    above = None if stack is None or row is stack else excess(row, stack)
    spread = f" ± {stdev(row.losses):.3f}" if len(row.losses) > 1 else ""
    cells = (
        row.title,
        row.library if row.measured == day else f"{row.library}; {row.measured}, {_rounds(row.rounds)}",
        _seconds(row.seconds),
        _seconds(row.wall),
        f"{row.gain:,.{1 if row.gain < 100 else 0}f}",
        str(len(row.seeds)),
        f"{fmean(row.losses):.3f}{spread}",
        "" if above is None else _above(*above),
    )
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def _above(mean: float, error: float | None) -> str:
    return f"{mean:+.3f}" if error is None else f"{mean:+.3f} ({error:.3f})"


def _rounds(count: int) -> str:
    return "1 round" if count == 1 else f"{count} rounds"


def _seconds(value: float) -> str:
    """With three significant digits below ten."""
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.0f}"
