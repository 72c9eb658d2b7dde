"""Does output reach a terminal of any encoding?"""

import io
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
