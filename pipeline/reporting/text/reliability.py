"""What has been done to the pipeline while it worked, and what survived: benchmarks/campaign.json as Markdown."""

from __future__ import annotations

from pipeline.results.record import Record


class Fault(Record):
    """One kind of fault at one place.

    Attributes:
        name: what was done.
        place: to what.
        tried: how often it was done, and took effect.
        survived: how often nothing was lost, doubled or changed by it.
        remark: why it was not tried, or what did not survive.
    """

    name: str
    place: str
    tried: int
    survived: int
    remark: str = ""


class Campaign(Record):
    """benchmarks/campaign.json."""

    machine: str
    minutes: float
    faults: tuple[Fault, ...]


def markdown(campaign: Campaign) -> str:
    """The table of faults, with its sums."""
    tried, survived = (sum(getattr(fault, name) for fault in campaign.faults) for name in ("tried", "survived"))
    lines = [f"{campaign.machine}, {campaign.minutes:.0f} minutes: {survived} of {tried} faults survived.", ""]
    lines += ["| what was done | to what | tried | survived | |", "|---|---|---:|---:|---|"]
    return "\n".join([*lines, *map(_row, campaign.faults)])


def _row(fault: Fault) -> str:
    counts = (fault.tried, fault.survived) if fault.tried else ("–", "–")
    return f"| {fault.name} | {fault.place} | {counts[0]} | {counts[1]} | {fault.remark.replace('|', '/')} |"
