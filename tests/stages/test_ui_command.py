"""Does `ui` open the right view, once the server answers, unless asked not to?"""

import os
import socket
import sys

import pytest

from pipeline.stages import ui as stage

LINK = "http://127.0.0.1/#/experiments/1/runs?viewStateShareKey=points"


@pytest.fixture
def started(monkeypatch):
    """What is started: the browser's opener, and the server that this process becomes."""
    commands = []
    monkeypatch.setattr("subprocess.Popen", commands.append)
    monkeypatch.setattr("os.execve", lambda _, command, __: commands.append(command))
    found = {"mixture regularization": "#first", "mixture search": "#second"}
    monkeypatch.setattr(
        "pipeline.tracking.publish.view_addresses", lambda names, *_, **__: {n: found[n] for n in names if n in found}
    )
    for name in stage.SCREENS:
        monkeypatch.delenv(name, raising=False)
    return commands


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.parametrize(("screen", "wanted"), [("DISPLAY", True), ("BROWSER", True), ("", True), ("DISPLAY", False)])
def test_the_first_link_is_opened_where_there_is_a_window(monkeypatch, capsys, started, port, screen, wanted):
    monkeypatch.setattr(sys, "platform", "linux")
    if screen:
        monkeypatch.setenv(screen, "some")
    stage.ui(port=port, browser=wanted)
    *opener, server = started
    assert server[1:4] == ["-m", "mlflow", "ui"]
    assert "mlflow.db" not in " ".join(server)  # arguments are seen by everybody, and an address may hold a password
    address = f"http://127.0.0.1:{port}/#first"
    assert f"  mixture regularization: {address}\n" in capsys.readouterr().out
    expected = [[sys.executable, "-c", stage.OPENER, str(port), address]]
    assert opener == (expected if screen and wanted else [])


def test_the_browser_is_opened_once_the_server_answers(tmp_path, port):
    import subprocess  # noqa: PLC0415

    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    environment = {**os.environ, "BROWSER": f"{browser} %s"}
    opener = subprocess.Popen([sys.executable, "-c", stage.OPENER, str(port), LINK], env=environment)
    with pytest.raises(subprocess.TimeoutExpired):
        opener.wait(0.5)
    assert not opened.exists()
    with socket.create_server(("127.0.0.1", port)):
        assert opener.wait(30) == 0
    assert opened.read_text() == f"{LINK}\n"
