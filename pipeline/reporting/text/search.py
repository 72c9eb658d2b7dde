"""How is the finished table of a search read? Its answer in words, and rows of text for terminal, page and README."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from textwrap import fill
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.reporting.text.numbers import OBJECTIVES, interval, short
from pipeline.reporting.text.study import compared, correction, multiplicity
from pipeline.results.rank_changes import is_doubtful, said
from pipeline.results.readable_names import DAGGER, readable, readable_arms

Search = Mapping[str, Any]
Row = Mapping[str, Any]
AFTER = "test_ts/nll"
_STYLES = {"better": "bold green", "worse": "bold red"}


def conclusion(search: Search) -> list[str]:
    """The answer in sentences: what to use, the best arm against the best single one, and what is only as good."""
    results = search["results"]
    said = results["answer"]["sentence"]
    for key in sorted((row["key"] for row in results["points"]), key=len, reverse=True):
        said = re.sub(rf"(?<![\w+]){re.escape(key)}(?![\w+])", readable_arms(key), said)
    told = [re.sub(r"-(?=\d)", "−", said), _singles(search)]
    entries = [row["against_reference"].get(AFTER) for row in results["points"] if row["against_reference"]]
    if not any(entry and entry["verdict"] == "better" for entry in entries):
        told.append("Unregularized is as good: nothing is shown to be better than the tuned, unregularized network.")
    return told


def _singles(search: Search) -> str:
    """The best tuned arm against the best single one, both by validation NLL after scaling on fresh seeds."""
    means = {row["name"]: _mean(row, "validation_ts/nll") for row in tuned(search)}
    known = {name: mean for name, mean in means.items() if mean is not None}
    combined = {entry["name"] for entry in search["interactions"] if entry["kind"] == "tuned"}
    reference = search["results"]["reference"]["key"]
    single = [name for name in known if name not in combined and name != reference]
    best = min(known, key=lambda name: known[name])
    by = "by validation NLL after temperature scaling on fresh seeds"
    if best == reference or not single:
        return f"The best arm {by} is {readable_arms(best)}."
    alone = min(single, key=lambda name: known[name])
    if best == alone:
        return f"The best arm {by}, {readable_arms(best)}, is a single one."
    entry = pair(search, best, alone, AFTER)
    verdict = {"better": "better than", "worse": "worse than", "no evidence": "not shown to be better than"}
    return (
        f"The best arm {by}, {readable_arms(best)}, is {verdict[entry['verdict']]} the best single "
        f"one, {readable_arms(alone)}: test NLL after temperature scaling differs by "
        f"{interval(entry, 'difference', '{:+.4f}')}."
    )


def pair(search: Search, a: str, b: str, metric: str) -> dict[str, Any]:
    """What `a` minus `b` is, whichever way the table has it."""
    for entry in search["pairs"]:
        if metric in entry["metrics"] and {entry["a"], entry["b"]} == {a, b}:
            found = dict(entry["metrics"][metric])
            return found if entry["a"] == a else {**found, **_turned(found)}
    raise KeyError(f"pairs must hold {a} and {b} by {metric}")


def _turned(entry: Row) -> dict[str, Any]:
    """The same comparison the other way round."""
    ends = {"difference": "difference", "low": "high", "high": "low"}
    values = {name: None if entry[other] is None else 0.0 - entry[other] for name, other in ends.items()}
    verdict = {"better": "worse", "worse": "better"}.get(entry["verdict"], entry["verdict"])
    return {**values, "verdict": verdict}


def tuned(search: Search) -> list[Row]:
    """The winners of the arms, in the order of the table: the unregularized one first."""
    return [row for row in search["results"]["points"] if row["kind"] == "tuned"]


def strengths(arm: Row) -> str:
    """What a winner is made of; strengths that it has switched off stand last.

    >>> strengths({"strengths": {"learning_rate": 0.003, "mixup": 0.0, "cutout": 0.31, "noise": 0.0}})
    'learning rate 0.003, cutout 0.31; off: mixup, noise'
    """
    found = arm["strengths"]
    order = ["learning_rate", *(name for name in found if name != "learning_rate")]
    on = ", ".join(f"{readable(name)} {found[name]:.3g}" for name in order if found[name])
    off = ", ".join(readable(name) for name in order if not found[name])
    return f"{on}; off: {off}" if off else on


def notes(arm: Row) -> list[str]:
    """What a reader should know of a winner: strengths at the edge of their range, decay that does nothing."""
    found = [f"{readable(name)} is near the end of its range: beyond may be better still" for name in arm["edges"]]
    own = [value for name, value in arm["strengths"].items() if name != "learning_rate"]
    if own and not any(own):
        found.append("all off: the unregularized network, at the learning rate that this arm found")
    decay = arm["decay"]
    if decay:
        epochs = f"{decay['epochs']:,.0f}" if decay["epochs"] >= 100 else f"{decay['epochs']:.2g}"
        found.append(f"weight decay has a timescale of {epochs} epochs, of {decay['of']} in all")
    if decay and decay["warning"]:
        found[-1] += f": {decay['warning']}"
    return found


def arm_rows(search: Search) -> list[dict[str, Any]]:
    """A line an arm: what won, out of what, and how optimistic its value was."""
    return [
        {
            "arm": readable_arms(row["name"]),
            "strengths": strengths(arm),
            "trials": " / ".join(str(arm["trials"][state]) for state in ("complete", "pruned", "failed")),
            "value": short(arm["value"]),
            "optimism": interval(arm["optimism"], "mean", "{:+.3f}"),
            "optimistic": (arm["optimism"]["low"] or 0) > 0,
            "notes": notes(arm),
        }
        for row in tuned(search)
        for arm in [search["arms"][row["name"]]]
    ]


def worth_rows(search: Search) -> list[dict[str, Any]]:
    """A line a contender on fresh seeds: accuracy, and the rest before and after temperature scaling."""
    return [
        {
            "name": readable_arms(row["name"]),
            "stacked": row["kind"] != "tuned",
            "accuracy": short(_mean(row, "test/accuracy")),
            "stages": [_stage(row, suffix) for suffix in ("", "_ts")],
        }
        for row in search["results"]["points"]
    ]


def _stage(row: Row, suffix: str) -> dict[str, str]:
    against = compared(row["against_reference"].get(f"test{suffix}/nll"))
    return {
        "nll": short(_mean(row, f"test{suffix}/nll")),
        "gap": short(_mean(row, f"gap{suffix}/nll")),
        "ece": f"{short(_mean(row, f'test{suffix}/ece'))} / {short(_mean(row, f'test{suffix}/ece_floor'))}",
        "debiased": short(_mean(row, f"test{suffix}/debiased"), digits=4, sign=True).replace("-", "−"),
        "difference": against[0].replace("-", "−"),
        "verdict": against[2],
    }


def matrix(search: Search) -> list[tuple[str, list[dict[str, str] | None]]]:
    """Every arm minus every other: below the diagonal after temperature scaling, above it before."""
    names = [row["name"] for row in tuned(search)]
    lines = []
    for place, a in enumerate(names):
        metrics = [AFTER if other < place else "test/nll" for other in range(len(names))]
        lines.append(
            (
                readable_arms(a),
                [None if b == a else _cell(search, a, b, m) for b, m in zip(names, metrics, strict=True)],
            )
        )
    return lines


def _cell(search: Search, a: str, b: str, metric: str) -> dict[str, str]:
    entry = pair(search, a, b, metric)
    if entry["difference"] is None:
        return {"difference": "", "verdict": "left out"}
    word = said(entry) + DAGGER * is_doubtful(entry)
    return {"difference": short(entry["difference"], sign=True).replace("-", "−"), "verdict": word}


def budget(search: Search) -> str:
    """What every arm could spend, in words."""
    asked, epochs = search["search"], search["results"]["points"][0]["parameters"]["epochs"]
    sampler, pruner = asked["sampler"], asked["pruner"]
    samplers = {"tpe": "TPE", "random": "random sampling", "gp": "a Gaussian process", "nsga2": "NSGA-II"}
    pruners = {"halving": "successive halving", "hyperband": "Hyperband", "median": "the median rule"}
    ended = (
        f"ended early by {pruners[pruner['kind']]} from epoch {pruner['first']} on" if pruner["kind"] in pruners else ""
    )
    objectives = " and ".join(OBJECTIVES[name] for name in asked["objectives"])
    return (
        f"{asked['trials']} trials of each arm, {asked['seeds']} seeds and up to {epochs} epochs each, proposed "
        f"{asked['batch']} at a time by {samplers[sampler['kind']]}{f', {ended}' if ended else ''}; by {objectives} on "
        "validation rows"
    )


def footnotes(search: Search) -> list[str]:
    """What the columns are, what n is, and what was corrected."""
    protocol = search["results"]["protocol"]
    return [
        f"{budget(search)[0].upper()}{budget(search)[1:]}. Trials: completed / pruned / failed.",
        f"Test, after temperature scaling (TS), minus none: n = {protocol['seeds']} paired seeds that the search has "
        f"not seen; [ ] {protocol['confidence']:.0%} Student t intervals. None is the tuned, unregularized network.",
        multiplicity(protocol).replace("points", "contenders"),
        correction(protocol),
    ]


def table(search: Search) -> Table:
    """The rich table: an arm a line, within 120 columns."""
    columns = ("Arm", "Its best", "Trials", "Search", "NLL", "NLL TS", "ECE/floor TS", "TS - none", "Verdict")
    made = Table(*columns, box=None, padding=(0, 1, 0, 0), header_style="bold", collapse_padding=True)
    made.columns[0].min_width, made.columns[1].min_width = 15, 26
    for column in made.columns[2:]:
        column.no_wrap, column.justify = True, "right"
    for cells in _terminal_rows(search):
        style = _STYLES.get(cells[-1].removesuffix(DAGGER), "")
        made.add_row(*cells[:-1], Text(cells[-1], style=style))
    return made


def _terminal_rows(search: Search) -> Iterator[list[str]]:
    for row, told in zip(tuned(search), arm_rows(search), strict=True):
        against = compared(row["against_reference"].get(AFTER))
        numbers = (short(_mean(row, f"test{suffix}/nll")) for suffix in ("", "_ts"))
        ece = f"{short(_mean(row, 'test_ts/ece'))}/{short(_mean(row, 'test_ts/ece_floor'))}"
        trials = told["trials"].replace(" ", "")
        yield [told["arm"], told["strengths"], trials, told["value"], *numbers, ece, against[0], against[2]]


def render(search: Search, *, width: int = 120, color: bool = False) -> str:
    """The answer, the table and its footnotes as text, with terminal colours only where asked for."""
    console = Console(file=io.StringIO(), width=width, force_terminal=color, color_system="standard" if color else None)
    with console.capture() as captured:
        console.print(
            f"{search['results']['dataset']['name']}: the best that each arm can do", markup=False, highlight=False
        )
        console.print(table(search))
        console.print()
        for note in footnotes(search):
            console.print(note, style="dim", highlight=False, markup=False)
        for sentence in conclusion(search):
            console.print(fill(sentence, width), highlight=False, markup=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def markdown(searches: Sequence[Search]) -> str:
    """The README's part: a small table a data set and its answer."""
    head = ("", "its best", "NLL", "NLL after TS", "ECE / floor after TS", "NLL − none after TS", "verdict")
    parts = []
    for search in searches:
        name, protocol = search["results"]["dataset"]["name"], search["results"]["protocol"]
        rows = [_markdown_row(search, row) for row in tuned(search)]
        lines = [f"| {' | '.join(cells)} |" for cells in (head, ("---", "---", *["---:"] * (len(head) - 2)), *rows)]
        n = f"n = {protocol['seeds']} paired seeds, {protocol['confidence']:.0%} intervals; {budget(search)}"
        parts += [f"**{name}** ({n})", "\n".join(lines), " ".join(conclusion(search))]
    return "\n\n".join(parts)


def _markdown_row(search: Search, row: Row) -> list[str]:
    after, against = _stage(row, "_ts"), row["against_reference"].get(AFTER)
    difference = interval(against, "difference", "{:+.3f}") if against else ""
    own = strengths(search["arms"][row["name"]])
    return [
        readable_arms(row["name"]),
        own,
        _stage(row, "")["nll"],
        after["nll"],
        after["ece"],
        difference,
        after["verdict"],
    ]


def _mean(row: Row, metric: str) -> float | None:
    mean: float | None = row["metrics"].get(metric, {}).get("mean")
    return mean
