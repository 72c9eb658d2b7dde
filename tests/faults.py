"""Endings of a pipeline's processes: signals from outside, and a hook that ends a stage at one of its own writes."""

import os
import signal
import subprocess
import time
from pathlib import Path

from project import environment, heed_interrupts

MAKE = "dvc repro {0} || {{ python -m pipeline unlock 2> /dev/null && dvc repro {0}; }}"

# Run at the start of every interpreter, where PYTHONPATH has its folder. Writes of a stage's own process are noted in
# the file $WRITES, a line each; at the write of the stage that $END says, "STAGE NUMBER SECONDS SIGNAL WHOM", comes the
# signal, so many seconds later, to the stage alone or to its whole process group. A stage is "train-wine".
HOOK = """
import os, signal, sys, threading

words = sys.orig_argv[1:]
if words[:2] == ["-m", "pipeline"] and "WRITES" in os.environ:
    stage, folder, main, seen = "-".join(words[2:]), os.getcwd(), os.getpid(), 0
    log = os.open(os.environ["WRITES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    wanted, number, seconds, kind, whom = os.environ.get("END", "none 0 0 0 stage").split()
    changes = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "sqlite3.connect"}

    def end():
        try:
            (os.killpg if whom == "group" else os.kill)(os.getpgrp() if whom == "group" else main, int(kind))
        except ProcessLookupError:
            pass

    def note(event, arguments):
        global seen
        if os.getpid() != main or not (event in changes or event == "open" and arguments[2] & 3):
            return
        if isinstance(arguments[0], int):  # a file that is open already, as where bytecode is written
            return
        path = os.path.join(folder, os.fspath(arguments[0])) if isinstance(arguments[0], (str, os.PathLike)) else folder
        if not path.startswith(folder) or "__pycache__" in path:
            return
        seen += 1
        os.write(log, (stage + "\\n").encode())
        if stage == wanted and seen == int(number):
            os.environ["END"] = "none 0 0 0 stage"
            if float(seconds):
                timer = threading.Timer(float(seconds), end)
                timer.daemon = True
                timer.start()
            else:
                end()

    sys.addaudithook(note)
"""


def make(pipeline: str = "") -> list[str]:
    """What `make repro` runs, in a shell."""
    return ["sh", "-c", MAKE.format(pipeline)]


def started(folder: Path, command: list[str], **extra: str) -> subprocess.Popen:
    """A command in a process group of its own, which heeds Ctrl-C."""
    return subprocess.Popen(
        command, cwd=folder, env=environment(**extra), start_new_session=True, text=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509  (no threads run here)
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def end(process: subprocess.Popen, kind: signal.Signals) -> int:
    """Send a signal to all of a command's processes, and wait until they are gone; the exit code."""
    os.killpg(process.pid, kind)
    process.communicate(timeout=60)
    wait_for_end(process.pid)
    return process.returncode


def wait_for_end(group: int) -> None:
    """Wait until every process of a group is gone: DVC takes one that nobody has reaped for one that still runs."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise TimeoutError(f"processes of group {group} still run")
