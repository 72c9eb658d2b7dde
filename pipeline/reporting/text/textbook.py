"""How is the claims ledger read? A finding for each sentence, and rows of text for terminal, page and README."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.reporting.text.numbers import interval
from pipeline.reporting.text.textbook_words import levels, listed, says, stands_alone, subtracted, target
from pipeline.results.readable_names import readable

Claim = Mapping[str, Any]
Row = Mapping[str, Any]
VERDICTS = ("supported", "refuted", "inconclusive")
SIGNS = {"supported": "✓", "refuted": "✗", "inconclusive": "?"}
WORDS = {"supported": "supported", "refuted": "refuted", "inconclusive": "open"}
_AIMS = {"same": "target", "higher": "against", "lower": "against"}
_ZERO = re.compile(r"[+−](?=0(?:\.0+)?(?![\d.]))")
_STYLES = {"supported": "bold green", "refuted": "bold red", "inconclusive": ""}


class Part(NamedTuple):
    """One comparison that a sentence stands on: an effect on one data set, at one level of what it is measured at."""

    effect: Row
    cell: Row


def parts(claim: Claim) -> list[Part]:
    """All comparisons of a claim."""
    return [Part(effect, cell) for effect in claim["effects"] for cell in effect["cells"]]


def difference(part: Part) -> str:
    """The difference with its interval, in as many digits as the smallest effect of interest asks for.

    Where a cell is compared with a number, the value itself and that number.

    >>> effect = {"least": 0.01, "direction": "same"}
    >>> difference(Part(effect, {"mean": -0.42, "low": -0.45, "high": 0.0, "against": "as it is"}))
    '−0.420 [−0.450, 0.000]'
    >>> difference(Part(effect, {"mean": 0.0, "low": 0.0, "high": 0.0, "against": "1"}))
    '1.000, target 1'
    """
    if part.cell["mean"] is None:
        return "not finite"
    aim, least = target(part.cell), part.effect["least"]
    if aim is None:
        return _ZERO.sub("", interval(part.cell, "mean", f"{{:+.{_digits(part.cell['mean'], least)}f}}"))
    ends: dict[str, float] = {key: part.cell[key] + aim for key in ("mean", "low", "high")}
    text = interval(ends, "mean", f"{{:.{_digits(ends['mean'], least)}f}}")
    text = text.partition(" [")[0] if part.cell["low"] == part.cell["high"] else text
    return f"{_ZERO.sub('', text)}, {_AIMS[part.effect['direction']]} {aim:.3g}"


def _stated(part: Part) -> str:
    """The metric and its difference; of what is compared with a number, the metric's value."""
    equals = "= " * (target(part.cell) is not None and part.cell["mean"] is not None)
    return f"{subtracted(part.effect)} {equals}{difference(part)}"


def _digits(value: float, least: float) -> int:
    return 1 if abs(value) >= 10 or least >= 1 else 2 if least >= 0.1 else 3 if least >= 0.002 else 4


def decisive(claim: Claim) -> Part | None:
    """The comparison that decides: the weakest that supports what holds everywhere, the strongest exception if not.

    Of a claim that something holds somewhere it is the mirror image. None where exact checks alone decide.
    """
    found = parts(claim)
    key = "strict" if claim["verdict"] == ("refuted" if claim["quantifier"] == "all" else "supported") else "verdict"
    chosen = [part for part in found if part.cell[key] == claim["verdict"]]
    if claim["verdict"] == "inconclusive":
        against = "refuted" if claim["quantifier"] == "all" else "supported"
        chosen = [part for part in found if part.cell["verdict"] == against] or chosen
    known = [part for part in chosen if part.cell["mean"] is not None] or chosen
    pick = min if claim["quantifier"] == "all" else max
    return pick(known, key=_strength, default=None)


def _strength(part: Part) -> float:
    """How far the difference goes the way that it is said to go, in smallest effects of interest."""
    effect, mean = part.effect, float(part.cell["mean"] or 0)
    size = mean / max(effect["least"], 1e-12)
    along: float = {"higher": size, "lower": -size, "same": 1 - abs(size)}[effect["direction"]]
    return -along if effect["denied"] else along


def by_dataset(claim: Claim) -> dict[str, list[str]]:
    """On which data sets the sentence is supported, refuted and open, each taken alone."""
    found: dict[str, list[str]] = {verdict: [] for verdict in VERDICTS}
    whole = "supported" if claim["quantifier"] == "all" else "refuted"
    single = "refuted" if whole == "supported" else "supported"
    for dataset in claim["datasets"]:
        verdicts = {part.cell["verdict"] for part in parts(claim) if part.cell["dataset"] == dataset}
        found[whole if verdicts == {whole} else single if single in verdicts else "inconclusive"].append(dataset)
    return found


def finding(claim: Claim) -> str:
    """What was found of a sentence, in one: where it holds and where not, and the comparison that decides."""
    where = by_dataset(claim)
    decides, checks = decisive(claim), claim["checks"]
    against = "refuted" if claim["quantifier"] == "all" else "supported"
    order = sorted(VERDICTS, key=lambda verdict: verdict != claim["verdict"])
    said = []
    for verdict in (verdict for verdict in order if where[verdict]):
        own = decides if decides and decides.cell["dataset"] in where[verdict] else None
        doubt = ", if taken alone" if claim["verdict"] == "inconclusive" and verdict == against else ""
        told = f": {_told(own, claim, where[verdict])}" if own else ""
        said.append(f"{WORDS[verdict]} on {listed(where[verdict])}{doubt}{told}")
    if checks:
        said.append(_checked(checks))
    text = "; ".join(said)
    if not where[claim["verdict"]]:
        text = f"{WORDS[claim['verdict']]}{' as a whole' * bool(claim['effects'])}: {text}"
    return f"{text[:1].upper()}{text[1:]}."


def _checked(checks: Sequence[Row]) -> str:
    """How many exact checks hold, and which do not."""
    failed = [check["what"] for check in checks if not check["holds"]]
    if not failed:
        return f"all {len(checks)} exact checks hold" if len(checks) > 1 else "the exact check holds"
    return f"{len(checks) - len(failed)} of {len(checks)} exact checks hold, not “{'”, “'.join(failed)}”"


def _told(part: Part, claim: Claim, datasets: Sequence[str]) -> str:
    """A comparison in words: what is compared, the metric, and the difference."""
    at = levels(part.cell["at"])
    said = f"“{stands_alone(claim, part.effect)}”, "
    place = [*([at] if at else []), *([f"on {readable(part.cell['dataset'])}"] if len(datasets) > 1 else [])]
    return f"{said}{_stated(part)}" + (f" ({', '.join(place)})" if place else "")


def tally(claim: Claim) -> str:
    """How many comparisons speak for and against a sentence."""
    counts, total = claim["counts"], sum(claim["counts"].values())
    kind = "comparison" if claim["effects"] else "check"
    said = [f"{counts['supported']} of {total} {kind}{'s' * (total != 1)} support{'s' * (total == 1)} it"]
    said += [f"{counts['refuted']} refute{'s' * (counts['refuted'] == 1)} it"] if counts["refuted"] else []
    said += [f"{counts['inconclusive']} open"] if counts["inconclusive"] else []
    return ", ".join(said)


def compared(claim: Claim) -> dict[str, int]:
    """How many comparisons, exact checks apart, have each verdict."""
    found = [part.cell["verdict"] for part in parts(claim)]
    return {verdict: found.count(verdict) for verdict in VERDICTS}


def checked(claim: Claim) -> str:
    """How many exact checks of a claim hold, in few words.

    >>> checked({"checks": [{"holds": True}, {"holds": False}]})
    '1 of 2 exact checks hold'
    """
    return f"{sum(check['holds'] for check in claim['checks'])} of {len(claim['checks'])} exact checks hold"


def outcomes(claim: Claim) -> list[tuple[str, list[str]]]:
    """By verdict, the parts of a sentence: what each says, from what size on, and where that is found."""
    found = []
    for verdict in VERDICTS:
        said = [
            f"{says(effect)}, smallest effect of interest {effect['least']:g} ({'; '.join(own)})"
            for effect in claim["effects"]
            if (own := [_place(Part(effect, cell)) for cell in effect["cells"] if cell["verdict"] == verdict])
        ]
        if said:
            found.append((verdict, said))
    return found


def _place(part: Part) -> str:
    at = levels(part.cell["at"])
    return f"{readable(part.cell['dataset'])}{f', {at}' if at else ''}: {difference(part)}"


def counted(table: Mapping[str, Any]) -> str:
    """How many sentences hold."""
    counts = table["counts"]
    return (
        f"Of {sum(counts.values())} sentences of the textbook, {counts['supported']} are supported, "
        f"{counts['refuted']} refuted and {counts['inconclusive']} open"
    )


def rows(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line a claim: id, topic, sentence, verdict, tally, n, data sets, and the difference that decides.

    `metric` says what that difference is to show before its metric; `decides` is all of it in one text.
    """
    return [
        {
            "id": claim["id"],
            "topic": claim["topic"],
            "sentence": claim["sentence"],
            "verdict": claim["verdict"],
            "tally": " / ".join(str(claim["counts"][verdict]) for verdict in VERDICTS),
            "word": WORDS[claim["verdict"]],
            "decides": _decides(claim, part),
            "metric": f"{stands_alone(claim, part.effect)}: {subtracted(part.effect)}" if part else "",
            "difference": difference(part) if part else _checked(claim["checks"]),
            "where": readable(part.cell["dataset"]) if part else "",
            "n": claim["seeds"] or "",
            "datasets": listed(claim["datasets"]) if claim["datasets"] else "",
        }
        for claim in table["claims"]
        for part in [decisive(claim)]
    ]


def _decides(claim: Claim, part: Part | None) -> str:
    """The comparison that decides: what it is to show, its metric, its number, and where."""
    if part is None:
        return _checked(claim["checks"])
    return f"{stands_alone(claim, part.effect)}: {_stated(part)} ({readable(part.cell['dataset'])})"


def notes(table: Mapping[str, Any]) -> list[str]:
    """How a verdict is reached."""
    return [
        f"n = {table['seeds']} paired seeds; [ ] 95% Student t intervals of paired differences, widened for the "
        "rows that seeds share.",
        "An effect is supported if its interval excludes zero and its mean reaches the smallest effect of interest; "
        "refuted if the whole interval falls short of that; of “the same”, if the interval lies inside or outside the "
        "margin. Else it is open.",
        "A sentence is supported if all its effects are on all its data sets, and refuted by a single one (“can”: the "
        "other way round); a single one decides by Bonferroni's interval. +/−/?: comparisons and checks that "
        "support it, refute it, and are open. Shown: the comparison that decides.",
        "A verdict counts for these data sets, networks and training lengths.",
    ]


def render(table: Mapping[str, Any], *, width: int = 120, color: bool = False) -> str:
    """The ledger as text, a table a topic, with terminal colours only where asked for."""
    console = Console(file=io.StringIO(), width=width, force_terminal=color, color_system="standard" if color else None)
    with console.capture() as captured:
        console.print(f"{counted(table)}.", markup=False, highlight=False)
        console.print(_table(table))
        console.print()
        for note in notes(table):
            console.print(note, style="dim", highlight=False, markup=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _table(table: Mapping[str, Any]) -> Table:
    """Columns that share the width; what does not fit is wrapped, never cut."""
    made = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", collapse_padding=True, expand=True)
    made.add_column("What the textbook says", ratio=2)
    made.add_column("Verdict", no_wrap=True)
    made.add_column("+/−/?", no_wrap=True, justify="right")
    made.add_column("What decides: difference [95%]", ratio=3)
    topic = ""
    for row in rows(table):
        if row["topic"] != topic:
            made.add_row(Text(readable(topic := row["topic"]), style="bold"))
        verdict = Text(row["word"], style=_STYLES[row["verdict"]])
        made.add_row(Text(row["sentence"]), verdict, row["tally"].replace(" ", ""), Text(row["decides"]))
    return made


def markdown(table: Mapping[str, Any]) -> str:
    """The README's part: how many sentences hold, and a line each."""
    lines = ["| what the textbook says | verdict | what was found |", "| --- | --- | --- |"]
    lines += [f"| {' | '.join(cells)} |" for claim in table["claims"] for cells in [_markdown_row(claim)]]
    head = f"{counted(table)} (n = {table['seeds']} paired seeds, 95% intervals)."
    return head + "\n\n" + "\n".join(lines)


def _markdown_row(claim: Claim) -> Iterator[str]:
    yield claim["sentence"].replace("|", "\\|")
    yield f"**{WORDS[claim['verdict']]}**" if claim["verdict"] == "refuted" else WORDS[claim["verdict"]]
    yield brief(claim)


def brief(claim: Claim) -> str:
    """A finding in few words: the tally, and the comparison that decides."""
    part, counts = decisive(claim), claim["counts"]
    told = f"{counts['supported']} of {sum(counts.values())}"
    if part is None:
        return _checked(claim["checks"])
    at = levels(part.cell["at"])
    place = readable(part.cell["dataset"]) + (f", {at}" if at else "")
    said = stands_alone(claim, part.effect)
    return f"{told} hold; {said}: {_stated(part)} ({place})"
