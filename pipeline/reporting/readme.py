"""What does the README quote? Its generated parts, from the results files, the benchmark and the stage graph."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from pipeline.core.errors import InputError
from pipeline.reporting.text import textbook
from pipeline.reporting.text.learning_rate import untuned
from pipeline.reporting.text.numbers import interval, short
from pipeline.reporting.text.search import markdown
from pipeline.reporting.text.study import compared, ordered, render
from pipeline.results.readable_names import readable

Results = Mapping[str, Any]
SAMPLE = "dropout=0.5"  # the point whose line the README explains, or the first where there is none


def refresh(text: str, parts: Mapping[str, str]) -> str:
    """The README with every part between `<!-- begin NAME -->` and `<!-- end NAME -->` written anew.

    Raises:
        InputError: the text lacks a part, or has one that is not known.
    """
    found = re.findall(r"<!-- begin (\w+) -->", text)
    if sorted(found) != sorted(parts) or found != re.findall(r"<!-- end (\w+) -->", text):
        wanted = ", ".join(sorted(parts))
        raise InputError(f"README.md: must have the parts {wanted}, each with its end, got {', '.join(found)}")
    for name, part in parts.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        before, _, after = text.partition(begin)
        text = before + begin + part.strip() + "\n" + end + after.partition(end)[2]
    return text


def parts(
    studies: Sequence[Results],
    summary: Mapping[str, Any],
    speed: Mapping[str, Mapping[str, Any]],
    stages: Mapping[str, Any],
    searches: Sequence[Mapping[str, Any]],
    claims: Mapping[str, Any],
) -> dict[str, str]:
    """The generated parts by name.

    Args:
        studies: the finished table of each data set.
        summary: what holds across them.
        speed: the benchmarks' files by name.
        stages: those of `dvc.yaml`.
        searches: the finished table of each data set's search.
        claims: the joined table of the claims ledger.
    """
    return {
        "rate": "\n".join(_rate(results, searches) for results in studies),
        "answer": "\n".join([*(f"- {_answer(results)}" for results in studies), "", summary["sentence"]]),
        "sample": _sample(studies[0]),
        "results": "\n\n".join(_table(results) for results in studies),
        "graph": _graph(stages),
        "speed": _speed(speed["engine"]),
        "race": _race(speed["search"]),
        "search": markdown(searches),
        "claims": textbook.markdown(claims),
    }


def _answer(results: Results) -> str:
    choice, name = results["answer"]["after_scaling"], results["dataset"]["name"]
    test, closed, trust = choice["test"], choice["gap_closed"], choice["calibration"]["chosen"]
    if choice["recommendation"] != "use":
        return f"**{name}**: {choice['sentence'][0].lower()}{choice['sentence'][1:]}"
    known = closed and closed["percent"] is not None
    closing = f"{interval(closed, 'percent', '{:.0f}')} percent of the gap after scaling closes, and " if known else ""
    return (
        f"**{name}**: use **{readable(choice['key'])}**. Test NLL after temperature scaling changes by "
        f"{interval(test, 'difference', '{:+.3f}')} against no regularization (n = {choice['seeds']} paired seeds, "
        f"{results['protocol']['confidence']:.0%} interval), {closing}the ECE is {short(trust['before'])} as trained "
        f"and {short(trust['after'])} after scaling (chance alone: {short(trust['after_floor'])})"
        + "".join(f"; {readable(field)} is the strongest tried" for field in choice["at_edge"])
        + "."
    )


def _rate(results: Results, searches: Sequence[Mapping[str, Any]]) -> str:
    name = results["dataset"]["name"]
    own = next((search for search in searches if search["results"]["dataset"]["name"] == name), None)
    return f"- **{name}**: {untuned(results, own)}" if own else f"- **{name}**: no search has been run."


def _sample(results: Results) -> str:
    """The header of the printed table and one of its lines."""
    lines = render(results).splitlines()
    line = next((line for line in lines if line.startswith(f"{SAMPLE} ")), lines[1])
    return f"```text\n{lines[0]}\n{line}\n```"


def _table(results: Results) -> str:
    """The unregularized point, and of each variant the point that validation chooses, as Markdown."""
    name, protocol = results["dataset"]["name"], results["protocol"]
    head = ("", "NLL", "gap", "ECE / floor", "NLL after TS", "ECE after TS", "NLL − none after TS", "verdict")
    rows = [_cells(point) for point in _best(results)]
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ("---", *["---:"] * (len(head) - 1)), *rows)]
    n = f"n = {protocol['seeds']} paired seeds, {protocol['confidence']:.0%} intervals"
    return f"**{name}** ({n}; verdicts as trained → after temperature scaling)\n\n" + "\n".join(lines)


def _best(results: Results) -> list[Mapping[str, Any]]:
    points = [point for point in ordered(results) if not point["a_a"] and not point["duplicate"]]
    return [next(group) for _, group in groupby(points, key=lambda point: point["variant"])]


def _cells(point: Mapping[str, Any]) -> list[str]:
    means = {name: entry["mean"] for name, entry in point["metrics"].items()}
    before, after = (point["against_reference"].get(f"test{suffix}/nll") for suffix in ("", "_ts"))
    verdicts = " → ".join(compared(entry)[2] for entry in (before, after))
    against = (interval(after, "difference", "{:+.3f}"), verdicts) if after else ("", "")
    eces = [f"{short(means[f'test{s}/ece'])} / {short(means[f'test{s}/ece_floor'])}" for s in ("", "_ts")]
    nll, gap, nll_ts = (short(means[name]) for name in ("test/nll", "gap/nll", "test_ts/nll"))
    return [readable(point["key"]), nll, gap, eces[0], nll_ts, eces[1], *against]


def _graph(stages: Mapping[str, Any]) -> str:
    """The stages and what passes between them, as a Mermaid flow chart."""
    made = {path: name for name, stage in stages.items() for path in _paths(stage, "outs", "metrics", "plots")}
    names = {
        name: "@".join([name, "-".join(stage["matrix"])] if "matrix" in stage else [name])
        for name, stage in stages.items()
    }
    arrows = {
        (source, name): None
        for name, stage in stages.items()
        for dep in _paths(stage, "deps")
        for path, source in made.items()
        if source != name and (path == dep or path.startswith(f"{dep}/"))
    }
    lines = [f'    {name}["{shown}"]' for name, shown in names.items()] + [f"    {a} --> {b}" for a, b in arrows]
    return "\n".join(["```mermaid", "flowchart LR", *lines, "```"])


def _paths(stage: Mapping[str, Any], *kinds: str) -> list[str]:
    entries = [entry for kind in kinds for entry in stage.get(kind, [])]
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def _speed(speed: Mapping[str, Any]) -> str:
    """The benchmark's table, as Markdown."""
    lines = [f"{speed['machine']}: {speed['network']}.", ""]
    lines += ["| | µs per member and step | times the bound | faster than `DataLoader` |", "|---|---:|---:|---:|"]
    lines += [
        f"| {row['name']} | {row['microseconds']:,.0f} | {row['bound']:.2f} | {row['gain']:.1f} |"
        for row in speed["rows"]
        if not row["name"].startswith("bound")
    ]
    return "\n".join(lines)


def _race(race: Mapping[str, Any]) -> str:
    """The benchmark of whole searches, as Markdown."""
    lines = [f"{race['machine']}: {race['setting']}; medians of {race['rounds']} rounds.", ""]
    lines += ["| | seconds | times the stack's | best NLL found | on 20 other seeds |", "|---|---:|---:|---:|---:|"]
    lines += [
        f"| {row['name']} | {row['seconds']:.1f} | {row['gain']:.1f} | {row['best']:.3f} | {row['fresh']:.3f} |"
        for row in race["rows"]
    ]
    return "\n".join(lines)
