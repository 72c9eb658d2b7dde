"""Arithmetic is pinned before numpy or torch is imported, as it is in the pipeline; and a browser for pages."""

import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

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


if not _TOO_LATE:
    arithmetic.heed_cbwr()


@pytest.fixture(autouse=True)
def _torch_as_it_was():
    """A test that chooses a number of threads leaves torch's own behind."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Playwright driving the system's Chromium; skipped where there is none."""
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if executable is None:
        pytest.skip("no Chromium is installed (on Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=executable, args=quiet)
        yield found
        found.close()
