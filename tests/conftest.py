"""Arithmetic is pinned before numpy or torch is imported, as it is in the pipeline."""

import os
import sys

import pytest

from pipeline import arithmetic

_INHERITED = {name: os.environ.get(name) for name in arithmetic.PINNED}
arithmetic.pin()
_TOO_LATE = bool({"numpy", "torch"} & sys.modules.keys()) and _INHERITED != arithmetic.PINNED


def pytest_configure(config: pytest.Config) -> None:
    """Start again where a plugin imported numpy first: the environment, now set, is inherited."""
    if _TOO_LATE:
        config.pluginmanager.getplugin("capturemanager").stop_global_capturing()
        sys.stdout.flush()
        os.execv(sys.executable, sys.orig_argv)


@pytest.fixture(autouse=True)
def _torch_as_it_was():
    """A test that chooses a number of threads leaves torch's own behind."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
