"""The command line: `python -m pipeline STAGE`, as DVC calls it and as a person may."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path

from pipeline.core.determinism import pin
from pipeline.core.engines import VARIABLE, parse
from pipeline.core.errors import InputError, one_short_line
from pipeline.core.parallel import using
from pipeline.core.paths import PARAMS
from pipeline.core.progress import print_anything
from pipeline.stages.arguments import ANYWHERE, OWN_TABLE, PARALLEL, parser_of

INTERRUPTED = 130  # what a shell says of a program that Ctrl-C has ended
ENDED = {128 + each: each for each in (signal.SIGHUP, signal.SIGTERM)}  # the same of other signals
ACTIVATE = "source .venv/bin/activate"
CLOSED_PIPE = 141  # what a shell says of a program that SIGPIPE has ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one stage and return the exit code: 2 for what the user can put right, or as a shell says what ended it."""
    pin()
    print_anything()
    words = sys.argv[1:] if arguments is None else arguments
    parser = parser_of(words[0] if words else "")
    if not words:
        parser.print_help()
        return 2
    options = vars(parser.parse_args(words))
    command = options.pop("command")
    try:
        line = _run(command, options)
        return _print(line) if line else 0
    except InputError as error:
        return _fail(str(error) if PARAMS.exists() or command in ANYWHERE else f"{error}{_elsewhere()}")
    except BrokenPipeError:
        return _closed_pipe()
    except OSError as error:
        return _fail(f"{error.filename or 'output'}: {error.strerror}; nothing was overwritten")
    except KeyboardInterrupt as interrupt:
        kept = "finished files are kept, and the same command goes on from there"
        print(f"interrupted: {'nothing was written' if command in OWN_TABLE else kept}", file=sys.stderr)
        return next(iter(interrupt.args), INTERRUPTED)


def _heed_endings() -> None:
    """Let signals that end a program do it as Ctrl-C does, so that nothing temporary is left; not if one is ignored."""

    def end(number: int, _: object) -> None:
        for each in ENDED.values():
            signal.signal(each, signal.SIG_IGN)  # `timeout` sends two
        raise KeyboardInterrupt(128 + number)

    for each in ENDED.values():
        if signal.getsignal(each) is signal.SIG_DFL:
            signal.signal(each, end)
    quiet = "ignore:resource_tracker:UserWarning"  # what cleans up after a pool of processes need not say that it does
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (os.environ.get("PYTHONWARNINGS"), quiet)))


def _print(text: str) -> int:
    """Print a text and return the exit code: a reader who has seen enough, like `head`, may close the pipe."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        return _closed_pipe()
    return 0


def _closed_pipe() -> int:
    """Let what is left be flushed into nothing at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return CLOSED_PIPE


def _run(command: str, options: dict[str, object]) -> str:
    if any("\0" in str(value) for value in options.values()):
        raise InputError(f"{command}: arguments must hold no zero byte")
    name, words = command.replace("-", "_"), options.pop("backend", None)
    module = import_module(f"pipeline.stages.{name}")  # now, for numpy must find its environment pinned
    run: Callable[..., str] = getattr(module, name)
    engine = parse(str(words), "--backend") if words else parse(os.environ.get(VARIABLE) or "auto")
    try:
        with using(engine) if command in PARALLEL else nullcontext():
            return run(**options)
    except MemoryError as error:
        raise InputError(f"{command}: there is not enough memory for this {error}".rstrip()) from error


def _elsewhere() -> str:
    """What to add to an error where this is not the project's folder."""
    return f"; this is not the project's folder, run it there: cd {Path(__file__).resolve().parents[1]}"


def _fail(message: str) -> int:
    print(f"error: {one_short_line(message)}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    _heed_endings()
    try:
        code = main()
    except ModuleNotFoundError as error:  # as where DVC is not the environment's
        code = _fail(f"{error.name} is not installed for {sys.executable}; `make setup`, then `{ACTIVATE}`")
    if code in (INTERRUPTED, *ENDED) and "torch" in sys.modules:
        os._exit(code)  # worker threads may still be inside a kernel, and the interpreter must not end around them
    sys.exit(code)
