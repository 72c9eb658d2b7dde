"""What survives: a tiny project killed, interrupted, starved and cut off at every stage must end as undisturbed.

    PYTHONPATH=tests python -m benchmarks.campaign --kills 100 --write benchmarks/campaign.json

After every fault the stage is run again as `make repro` does, from what is left; its outputs must have the hashes of
an undisturbed run, MLflow every run once, and Optuna every trial once. Two parts are done at a time, each to a copy of
its own, in which both pipelines are run as a whole at last. Only faults that took effect are counted: a process that
had ended before its signal came has not been killed. The exit code is 1 where one did not survive.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

from benchmarks.campaign_faults import disks, kills, signals, tally, twice
from benchmarks.campaign_project import Stage, Undisturbed, copied, undisturbed, whole_again
from benchmarks.campaign_servers import servers
from pipeline.reporting.text.reliability import Campaign, Fault, markdown

ELSEWHERE = (tally("a worker killed", "Dask, Ray", [], "`make clusters` kills one of each at its work"),)
Part = Callable[[Path, Undisturbed], Iterator[Fault]]


def parts(number: int, stages: tuple[Stage, ...]) -> dict[str, tuple[Part, tuple[Stage, ...]]]:
    """What is done to copies of the project, each with the stages that it is done to."""
    killing = partial(kills, number=number)
    return {
        "kills": (killing, stages[::2]),
        "more-kills": (killing, stages[1::2]),
        "signals": (signals, stages),
        "twice": (twice, stages),
        "disks": (disks, stages),
        "servers": (servers, stages),
    }


def done(name: str, folder: Path, whole: Undisturbed, number: int) -> list[Fault]:
    """Do one part to a copy of its own, say after each fault what became of it, and run both pipelines at last."""
    part, stages = parts(number, whole.stages)[name]
    copy, faults = folder / name, []
    if name != "disks":  # which has one on a disk of its own
        copied(whole, copy)
    for fault in part(copy, replace(whole, stages=stages)):
        faults.append(fault)
        print(f"{fault.name}, {fault.place}: {fault.survived} of {fault.tried} survived {fault.remark}", flush=True)
    if name != "disks":
        faults.append(tally(f"all of the {name.replace('-', ' ')}", "both pipelines", [whole_again(copy, whole)]))
    return faults


def main() -> int:
    names = list(parts(0, ()))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="at least so many (%(default)s)")
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="PART", help=f"of {', '.join(names)}"
    )
    parser.add_argument("--jobs", type=int, default=2, help="parts at a time (%(default)s)")
    parser.add_argument("--write", type=Path, help="where to keep the table")
    options = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="campaign-") as made, ProcessPoolExecutor(options.jobs) as pool:
        folder = Path(made)
        (folder / "whole").mkdir()
        whole = undisturbed(folder / "whole")
        number = -(-options.kills // len(whole.stages))
        waited = [pool.submit(done, name, folder, whole, number) for name in options.only]
        faults = (*(fault for each in waited for fault in each.result()), *ELSEWHERE)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {date.today()}"
    table = Campaign(machine=machine, minutes=(time.monotonic() - begun) / 60, faults=faults)
    print(markdown(table))
    if options.write:
        options.write.write_text(table.model_dump_json(indent=1) + "\n")
    return int(any(fault.survived < fault.tried for fault in faults))


if __name__ == "__main__":
    raise SystemExit(main())
