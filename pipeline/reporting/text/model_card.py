"""The card of a model, in Markdown: data, protocol, parts, metrics, calibration, limits, how to make it again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pipeline.reporting.text.champion import sentences
from pipeline.reporting.text.numbers import fixed, interval
from pipeline.reporting.text.one_model import p_text
from pipeline.reporting.text.understood import shown
from pipeline.results.champion import ChampionResults, Contender, RowMean
from pipeline.results.readable_names import readable
from pipeline.results.study import StudyResults

_MOST_CLASSES, _MOST_OTHERS = 12, 6
_METRICS = {"nll": "log-loss (nats)", "brier": "Brier score (0 to 2)", "accuracy": "accuracy"}


def card(study: StudyResults, results: ChampionResults, *, name: str, md5: str) -> str:
    """The card of a model.

    Args:
        study: of its data set.
        results: its parts, and how it does on test rows.
        name: under which it is registered.
        md5: of its file.
    """
    sections = {
        f"Model of {results.dataset}": [sentences(results)[0]],
        "Data": _data(study),
        "Protocol": _protocol(results),
        "Parts": _parts(results),
        "Metrics": _metrics(results),
        "Calibration": _calibration(results),
        "Limits": _limits(study, results),
        "How to use it and to make it again": _again(study, results, name=name, md5=md5),
    }
    marks = ["#", *["##"] * (len(sections) - 1)]
    return "\n\n".join(
        "\n\n".join([f"{mark} {title}", *blocks])
        for mark, (title, blocks) in zip(marks, sections.items(), strict=True)
    ) + "\n"  # fmt: skip


def _data(study: StudyResults) -> list[str]:
    data = study.dataset
    kept = data.classes[:_MOST_CLASSES]
    listed = ", ".join(f"`{each.name}` {each.rows:,}" for each in kept) + ", ..." * (len(data.classes) > len(kept))
    table = [] if data.table is None else [f"Read from the user's table: {' '.join(data.table.remarks)}".rstrip(" :")]
    return [
        f"Data set `{data.name}`: {data.rows:,} rows, {data.features:,} features; rows of each class: {listed}. "
        f"MD5 of its file: `{data.md5}`.",
        *table,
    ]


def _protocol(results: ChampionResults) -> list[str]:
    return [
        f"Fitted on {results.train:,} rows in {results.folds} folds: every recipe predicts the rows of the fold that "
        "it has not seen, and is calibrated on them. Recipes are picked greedily, with replacement, by the log-loss of "
        "these predictions; their probabilities are averaged over folds, then by their shares, and calibrated once "
        f"more. {results.test:,} test rows, which none of this has seen, judge it once."
    ]


def _parts(results: ChampionResults) -> list[str]:
    rows = [
        (readable(each.name), each.kind, f"{each.share:.0%}", fixed(each.held_out))
        for each in results.parts
        if each.share
    ]
    left = len(results.parts) - len(rows)
    said = f"{left} more recipes were fitted and not picked. " if left else ""
    return [_table(("part", "kind", "share", "log-loss, held out"), rows), said + sentences(results)[-1]]


def _metrics(results: ChampionResults) -> list[str]:
    """The model's metrics, and its log-loss beside that of others."""
    own = [(label, _mean(getattr(results.champion, name))) for name, label in _METRICS.items()]
    others = sorted(results.contenders, key=lambda each: each.nll.mean)[:_MOST_OTHERS]
    return [
        f"Means over {results.test:,} test rows with 95% intervals over rows, as if these were independent.",
        _table(("metric", "value"), own),
        _table(("other model", "log-loss", "minus this model's"), [_other(each) for each in others]),
    ]


def _other(each: Contender) -> tuple[str, str, str]:
    return readable(each.name), _mean(each.nll), interval(each.difference.mean, each.difference, sign=True)


def _calibration(results: ChampionResults) -> list[str]:
    """Calibration error beside what chance alone gives, and what another calibrator would gain."""
    event, gain = results.calibration.event, results.calibration.gain
    looked_at = f"P({shown(results.classes[1])})" if len(results.classes) == 2 else "the top label"
    return [
        f"On the test rows, the calibration error of {looked_at} is {fixed(event.error)}; "
        f"a calibrated model would show {fixed(event.floor)} by chance (p = {p_text(event.p)}). "
        f"Mean probability minus frequency: {interval(event.bias.value, event.bias, sign=True)}. "
        "Calibrating it again on other test rows changes its log-loss by "
        f"{interval(gain.value, gain, digits=4, sign=True)}.",
        sentences(results)[-2],
        f"Log-loss on rows that chose the parts: {fixed(results.held_out)}; on rows that did not: "
        f"{fixed(results.cross_fitted)}.",
    ]


def _limits(study: StudyResults, results: ChampionResults) -> list[str]:
    limits = (
        f"It knows the {len(results.classes)} classes above and gives every row one of them.",
        "Its probabilities hold for rows that are drawn as these were. Where the share of classes, or how columns are "
        "measured, changes, judge it anew: `python -m pipeline score`.",
        f"Intervals are over {results.test:,} test rows of one division of the data: they tell nothing of what another "
        "division would have given.",
        "A category that no training row had, or a value that is missing where none was, is predicted as what is "
        "likeliest without it, and not refused.",
    )
    return [_list(limits), *([] if study.dataset.table is None else ["Noticed of the table:", _findings(study)])]


def _findings(study: StudyResults) -> str:
    notes = study.dataset.table
    texts = [each.text for each in notes.findings] if notes is not None else []
    return _list(texts[:_MOST_OTHERS] or ["nothing"])


def _again(study: StudyResults, results: ChampionResults, *, name: str, md5: str) -> list[str]:
    """Commands that predict, serve and fit it."""
    return [
        "```sh\n"
        f"python -m pipeline predict models:/{name}@champion new.csv\n"
        f"mlflow models serve -m models:/{name}@champion --env-manager local\n"
        f"dvc repro champion@{results.dataset}    # fits it again, from params.yaml\n"
        "```",
        f"The same code, `constraints.txt` and data (MD5 `{study.dataset.md5}`) give the same file, MD5 `{md5}`. It is "
        "safetensors: no code is in it, and no pickle beside it.",
    ]


def _mean(mean: RowMean) -> str:
    return interval(mean.mean, mean)


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {each}" for each in items)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines: Iterator[Sequence[str]] = iter((head, ["---"] * len(head), *rows))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
