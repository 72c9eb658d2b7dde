"""What a study of a large table costs, stage by stage: benchmarks/large.json as Markdown."""

from __future__ import annotations

from pipeline.results.record import Record


class StageCost(Record):
    """CPU seconds of a stage, and the MiB that its process held at most."""

    name: str
    seconds: float
    mebibytes: int


class LargeRun(Record):
    """Stages on one table."""

    rows: int
    features: int
    classes: int
    seeds: int
    stages: tuple[StageCost, ...]

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Rows, features, classes and seeds."""
        return self.rows, self.features, self.classes, self.seeds


class LargeBenchmark(Record):
    """benchmarks/large.json; stages are in the order in which they run."""

    machine: str
    setting: str
    runs: tuple[LargeRun, ...]


def markdown(benchmark: LargeBenchmark) -> str:
    """Memory and CPU seconds of every stage, a row each, and a column for every table."""
    names = list(dict.fromkeys(stage.name for run in benchmark.runs for stage in run.stages))
    header = ["", *(_title(run) for run in benchmark.runs)]
    rows = [header, ["---", *["---:"] * len(benchmark.runs)]]
    rows += [[f"`{name}`", *(_cell(run, name) for run in benchmark.runs)] for name in names]
    lines = [f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows]
    return "\n".join([f"{benchmark.machine}: {benchmark.setting}.", "", *lines])


def _title(run: LargeRun) -> str:
    return f"{run.rows:,} × {run.features}, {run.classes} classes, {run.seeds} seeds"


def _cell(run: LargeRun, name: str) -> str:
    """Memory and time, or nothing where the stage was not measured."""
    return next((f"{each.mebibytes:,} MiB, {each.seconds:,.0f} s" for each in run.stages if each.name == name), "")
