"""What survives: a tiny project killed, interrupted, starved and cut off at every stage must end as undisturbed.

    PYTHONPATH=tests python -m benchmarks.campaign --kills 100 --write benchmarks/campaign.json

After every fault the stage is run again as `make repro` does, from what is left; its outputs must have the hashes of
an undisturbed run, MLflow every run once, and Optuna every trial once. At last both pipelines are run as a whole. Only
faults that took effect are counted: a process that had ended before its signal came has not been killed. The exit code
is 1 where one did not survive.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from benchmarks.campaign_faults import disks, kills, signals, tally, twice
from benchmarks.campaign_project import Undisturbed, copied, undisturbed, whole_again
from benchmarks.campaign_servers import servers
from pipeline.reporting.text.reliability import Campaign, Fault, markdown

PARTS: dict[str, Callable[[Path, Undisturbed], Iterator[Fault]]] = {
    "signals": signals,
    "twice": twice,
    "servers": servers,
    "disks": disks,
}
ELSEWHERE = (tally("a worker killed", "Dask, Ray", [], "needs a cluster: tests of the engines"),)


def campaign(folder: Path, *, number: int, parts: list[str]) -> Iterator[Fault]:
    """Make the project, do everything to copies of it, and say after each fault what became of it."""
    (folder / "whole").mkdir()
    whole = undisturbed(folder / "whole")
    broken = copied(whole, folder / "broken")
    if number:
        yield from kills(broken, whole, number)
    for name in parts:
        place = folder / "disk" if name == "disks" else broken
        yield from PARTS[name](place, whole)
    yield tally("after all of it", "both pipelines", [whole_again(broken, whole)])
    yield from ELSEWHERE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="at least so many (%(default)s)")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS), help="these parts beside the kills")
    parser.add_argument("--write", type=Path, help="where to keep the table")
    options = parser.parse_args()
    begun, faults = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
        for fault in campaign(Path(folder), number=options.kills, parts=options.only):
            faults.append(fault)
            print(f"{fault.name}, {fault.place}: {fault.survived} of {fault.tried} survived {fault.remark}", flush=True)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {date.today()}"
    table = Campaign(machine=machine, minutes=(time.monotonic() - begun) / 60, faults=tuple(faults))
    print(markdown(table))
    if options.write:
        options.write.write_text(table.model_dump_json(indent=1) + "\n")
    return int(any(fault.survived < fault.tried for fault in faults))


if __name__ == "__main__":
    raise SystemExit(main())
