"""Trust in words: whether one model's probabilities can be trusted, and what a calibrator would gain."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.calibration.calibrator import calibrator_name
from pipeline.data.tables.messages import listed, plural
from pipeline.evaluation.one_model import ModelReport
from pipeline.evaluation.trust import LEVEL, TOLERABLE, Trust
from pipeline.reporting.text.numbers import fixed, short, short_interval
from pipeline.reporting.text.one_model import p_text
from pipeline.reporting.text.understood import shown

_NAMED = 6
_ENDLESS = 1000  # a temperature that leaves nothing of the probabilities


def calibrator_line(report: ModelReport) -> str:
    """What the calibrator does to the NLL of other rows, and what it is when fitted on all."""
    change = short_interval(report.gain.value, report.gain, digits=_digits(report), sign=True)
    name = calibrator_name(len(report.classes)).capitalize()
    return f"{name} ({setting(report)}) changes the NLL of rows that it was not fitted on by {change} nats."


def setting(report: ModelReport) -> str:
    """The calibrator's parameters in the field's words."""
    slope = float(report.calibrator.slope)
    if len(report.classes) > 2:
        return f"temperature {1 / slope:.3g}" if slope * _ENDLESS > 1 else f"a temperature of {_ENDLESS:,} or more"
    return f"slope {fixed(slope, digits=2)}, intercept {fixed(float(report.calibrator.intercept), digits=2, sign=True)}"


def closing(report: ModelReport, trust: Trust) -> Iterator[str]:
    """Whether the probabilities can be trusted, in sentences for anyone, and what else must be known."""
    yield {"trusted": _trusted, "little": _little, "off": _off, "unknown": _unknown}[trust.verdict](report, trust)
    if trust.verdict != "off":
        yield calibrator_line(report)
    yield from _groups(report, trust)
    if report.impossible:
        what = f"{plural(len(report.impossible), 'row')} had a probability of 0 for what came true"
        yield f"{what} (the first is data row {report.impossible[0] + 1:,}): 0 means never."
    if trust.says != "more":
        words = "say less than" if trust.says == "less" else "are not shown to say more than"
        nlls = f"NLL {short(report.given.nll.value)} against {short(report.base_nll)}"
        yield f"They {words} the class frequencies alone: {nlls}."


def _trusted(report: ModelReport, trust: Trust) -> str:
    return (
        "These probabilities can be trusted: what they give 80% comes true about 80% of the time, and they are off by "
        f"{_most(trust)} at most (root mean square, 95% confidence; {report.rows:,} rows)."
    )


def _little(report: ModelReport, trust: Trust) -> str:
    return (
        f"These probabilities can be trusted: {report.rows:,} rows show that they are off, but by {_most(trust)} at "
        "most (root mean square, 95% confidence), which is too little to matter."
    )


def _unknown(report: ModelReport, trust: Trust) -> str:
    more = f"; about {trust.needed:,} rows would show one of {short(TOLERABLE, digits=2)}"
    return (
        f"{report.rows:,} rows are too few to tell whether these probabilities can be trusted: nothing speaks against "
        f"it, but an error of {_most(trust)} could go unnoticed{more if trust.needed > report.rows else ''}."
    )


def _off(report: ModelReport, trust: Trust) -> str:
    event, digits = report.given.event, _digits(report)
    errors = f"ECE {short(event.error, digits=digits)}, where chance alone gives {short(event.floor, digits=digits)}"
    named = [shown(each) for each in trust.classes if len(trust.classes) < len(report.classes)]
    of_classes = f" (classes {listed(named[:_NAMED])}{', ...' if len(named) > _NAMED else ''})" if named else ""
    return f"These probabilities are {_faults(report, trust)}{of_classes}: {errors}; {_mending(report, trust)}."


def _faults(report: ModelReport, trust: Trust) -> str:
    of_class = f" for {shown(report.classes[1])!r} on average" if len(report.classes) == 2 else ""
    words = [f"{each}{of_class if each.startswith('too') else ''}" for each in trust.faults]
    return " and ".join(words) or "off, neither too sure nor too unsure on the whole"


def _mending(report: ModelReport, trust: Trust) -> str:
    """What a calibrator would gain on new rows."""
    gain, digits = report.gain, _digits(report)
    name = setting(report) if len(report.classes) > 2 else f"{calibrator_name(2)} ({setting(report)})"
    if not trust.mended:
        return f"{name} is not shown to mend it: {short_interval(gain.value, gain, digits=digits, sign=True)} nats"
    left = report.calibrated.event
    rest = f"an ECE of {short(left.error, digits=digits)} (p {_equal(p_text(left.p))})"
    ends = f"[{short(-gain.high, digits=digits)},{short(-gain.low, digits=digits)}]"
    more = ", which it cannot mend" if left.p <= LEVEL else ""
    return f"{name} would gain {short(-gain.value, digits=digits)} {ends} nats a row and leave {rest}{more}"


def _groups(report: ModelReport, trust: Trust) -> Iterator[str]:
    """Groups that are shown to be off, where the whole is not."""
    off = [shown(each.name) for each in report.groups if each.event is not None and each.event.p <= LEVEL]
    if off and trust.verdict != "off":
        yield f"This does not hold for every group: {listed(off)} {'is' if len(off) == 1 else 'are'} shown to be off."


def _equal(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"


def _most(trust: Trust) -> str:
    return short(trust.most, digits=2 if trust.most >= 0.01 else 4)


def _digits(report: ModelReport) -> int:
    return 3 if report.rows < 20_000 else 4
