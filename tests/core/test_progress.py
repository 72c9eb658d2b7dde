"""Does output reach a terminal of any encoding?"""

import io
import itertools
import sys

import pytest

from pipeline.core import progress


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("ascii", "-1 +-2+ e -> e o ?"), ("cp1252", "-1 ±2† e -> é ö ?"), ("utf-8", "−1 ±2† ε → é ö 数")],
)
def test_what_an_encoding_lacks_is_spelled(encoding: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
    for name, stream in zip(("stdout", "stderr"), streams, strict=True):
        monkeypatch.setattr(sys, name, stream)
    progress.print_anything()
    for stream in streams:
        stream.write("−1 ±2† ε → é ö 数")
        stream.flush()
        assert stream.buffer.getvalue().decode(encoding) == shown


def test_streams_that_never_fail_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="xmlcharrefreplace")
    monkeypatch.setattr(sys, "stdout", chosen)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    progress.print_anything()
    assert chosen.errors == "xmlcharrefreplace"


class TestWithoutATerminal:
    """One line says how long it takes, if it is long, and no line if it is not."""

    @pytest.fixture(autouse=True)
    def _clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        times = itertools.count(0.0, 10.0)
        monkeypatch.setattr(progress, "monotonic", lambda: next(times))

    def test_long_work_says_once_how_long_it_takes(self, capsys: pytest.CaptureFixture[str]) -> None:
        with progress.progress("digits", 4_000, "epochs") as tick:
            for _ in range(5):
                tick(800)
        assert capsys.readouterr().err == "digits, 4,000 epochs: about 30 seconds to go\n"

    def test_short_work_says_nothing(self, capsys: pytest.CaptureFixture[str]) -> None:
        with progress.progress("digits", 4_000, "epochs") as tick:
            for done in (0, 1_000, 1_000, 2_000):
                tick(done)
        assert capsys.readouterr().err == ""
