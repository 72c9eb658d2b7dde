"""The model that is handed over, against what people would pick: benchmarks/champion.json as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from scipy.stats import rankdata

from pipeline.results.record import Record

CHAMPION = "champion"


class Contender(Record):
    """Who takes part.

    Attributes:
        name: as measurements have it.
        title: what readers call it.
        form: how one would use it; its other forms are extras.
        rival: whether the champion must not lose to it.
    """

    name: str
    title: str
    form: str
    rival: bool


class Measurement(Record):
    """One contender on one split of one table.

    Attributes:
        table: its name.
        split: seed of the split.
        contender: its name.
        library: package that it comes from, with its version.
        train: training rows.
        test: test rows.
        features: columns, before they were encoded.
        classes: how many.
        seconds: CPU seconds of all fits and predictions.
        nll: mean test log-loss in nats of each form.
    """

    table: str
    split: int
    contender: str
    library: str
    train: int
    test: int
    features: int
    classes: int
    seconds: float
    nll: dict[str, float]


class ContestBenchmark(Record):
    """benchmarks/champion.json; contenders and measurements are in the order in which readers see them."""

    contenders: tuple[Contender, ...]
    rows: tuple[Measurement, ...]


Losses = dict[str, dict[str, float]]
"""Mean test log-loss in nats by table and contender."""


def markdown(contest: ContestBenchmark) -> str:
    """Every contender as one would use it; at its best form on each table's test rows; all of them; CPU seconds."""
    plain, best = losses(contest, best=False), losses(contest, best=True)
    parts = [
        "Mean test NLL, every contender as one would use it:",
        _table(contest, plain),
        _verdict(contest, plain),
        "The same at each contender's best form, single or bag, calibrated or not, chosen on the very test rows, which "
        "flatters all but the champion:",
        _table(contest, best),
        _verdict(contest, best),
        *_of_all(contest, plain),
        "CPU seconds of a split, with all forms:",
        _seconds(contest),
    ]
    return "\n\n".join(part for part in parts if part)


def losses(contest: ContestBenchmark, *, best: bool) -> Losses:
    """Means over the splits of each table that count; who lacks one of them is left out.

    Args:
        contest: what was measured.
        best: of each contender the form with the least mean; otherwise the one in which it would be used.
    """
    found: Losses = {}
    for table in _tables(contest):
        common = set(splits(contest, table))
        for contender in contest.contenders:
            rows = [row.nll for row in _of(contest, table, contender.name) if row.split in common]
            if common and len(rows) == len(common):
                means = {form: fmean(row[form] for row in rows) for form in rows[0]}
                found.setdefault(table, {})[contender.name] = min(means.values()) if best else means[contender.form]
    return found


def splits(contest: ContestBenchmark, table: str) -> list[int]:
    """Splits of a table that count: those that the champion and its rivals have, whichever of them have any."""
    needed = [each.name for each in contest.contenders if each.rival or each.name == CHAMPION]
    sets = [{row.split for row in _of(contest, table, name)} for name in needed]
    return sorted(set.intersection(*(filter(None, sets))) if any(sets) else ())


def ranks(values: Losses, names: Sequence[str]) -> list[float]:
    """Mean rank of each contender over tables that it has; 1 is the least loss, equal ones share theirs."""
    placed = [rankdata([row[name] for name in names]) for row in values.values()]
    return [fmean(row[place] for row in placed) for place in range(len(names))]


def _of(contest: ContestBenchmark, table: str, contender: str) -> list[Measurement]:
    return [row for row in contest.rows if (row.table, row.contender) == (table, contender)]


def _tables(contest: ContestBenchmark) -> list[str]:
    return list(dict.fromkeys(row.table for row in contest.rows))


def _present(contest: ContestBenchmark) -> list[Contender]:
    names = {row.contender for row in contest.rows}
    return [each for each in contest.contenders if each.name in names]


def _of_all(contest: ContestBenchmark, plain: Losses) -> list[str]:
    """All contenders on the splits that all have, where some have fewer than the others."""
    present, common = _present(contest), _common(contest)
    if not common.rows or all(each.name in row for each in present for row in plain.values()):
        return []
    values = losses(common, best=False)
    return [
        "All contenders, each as one would use it, on the splits that all have been measured on:",
        _table(common, values),
        _verdict(common, values),
    ]


def _common(contest: ContestBenchmark) -> ContestBenchmark:
    """The rows of splits that every contender has."""
    names = {each.name for each in _present(contest)}
    places = {(row.table, row.split) for row in contest.rows}
    met = {place: {row.contender for row in contest.rows if (row.table, row.split) == place} for place in places}
    rows = tuple(row for row in contest.rows if met[row.table, row.split] == names)
    return contest.model_copy(update={"rows": rows})


def _table(contest: ContestBenchmark, values: Losses) -> str:
    present = [each for each in _present(contest) if any(each.name in row for row in values.values())]
    lines = _head(["table", "splits"], [each.title for each in present])
    for table, row in values.items():
        cells = [_cell(row.get(each.name), min(row.values())) for each in present]
        lines.append(_line([table, str(len(splits(contest, table))), *cells]))
    whole = [each.name for each in present if all(each.name in row for row in values.values())]
    placed = dict(zip(whole, ranks(values, whole), strict=True))
    cells = [f"{placed[each.name]:.2f}" if each.name in placed else "" for each in present]
    lines.append(_line(["**mean rank**", "", *cells]))
    return "\n".join(lines)


def _cell(value: float | None, least: float) -> str:
    if value is None:
        return ""
    return f"**{value:.4f}**" if value == least else f"{value:.4f}"


def _verdict(contest: ContestBenchmark, values: Losses) -> str:
    """On how many tables the champion is at or below the best of its rivals, and of all; "" before it has any."""
    judged = [row for row in values.values() if CHAMPION in row]
    if not judged:
        return ""
    rivals = [each for each in contest.contenders if each.rival]
    beaten = sum(row[CHAMPION] <= min(row.get(each.name, row[CHAMPION]) for each in rivals) for row in judged)
    first = sum(row[CHAMPION] <= min(row.values()) for row in judged)
    return (
        f"The champion is at or below the best of {', '.join(each.title for each in rivals)} "
        f"on {beaten} of {len(judged)} tables, and of all on {first}."
    )


def _seconds(contest: ContestBenchmark) -> str:
    present = _present(contest)
    lines = _head(["table"], [each.title for each in present])
    for table in _tables(contest):
        rows = [_of(contest, table, each.name) for each in present]
        lines.append(_line([table, *(f"{fmean(row.seconds for row in each):.0f}" if each else "" for each in rows)]))
    return "\n".join(lines)


def _head(first: Sequence[str], titles: Sequence[str]) -> list[str]:
    return [_line([*first, *titles]), "|---|" + "---:|" * (len(first) + len(titles) - 1)]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
