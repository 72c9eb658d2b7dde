"""Does a database or HTTP server that cannot be reached end in one line, and soon, and is a slow one waited for?"""

import socket
import threading
import time
from types import SimpleNamespace

import pytest
from servers import absent, full, silent

from pipeline.core import reachable
from pipeline.core.errors import InputError
from pipeline.core.reachable import _hear, reach, reach_http


@pytest.mark.parametrize("server", [silent, full])
def test_silence_is_one_line_within_seconds(server, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setattr(reachable, "PATIENCE", 1)
    begun = time.monotonic()
    with server() as (host, port), pytest.raises(InputError) as caught:
        reach(f"postgresql://me:secret@{host}:{port}/name", setting="SETTING")
    assert str(caught.value) == (
        f"SETTING: postgresql://me:***@{host}:{port}/name cannot be opened: no answer within 1 seconds"
    )
    assert 0.9 < time.monotonic() - begun < 5


@pytest.mark.parametrize("server", [silent, full])
def test_silence_of_an_http_server_is_one_line_within_seconds(server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachable, "PATIENCE", 1)
    begun = time.monotonic()
    with server() as (host, port), pytest.raises(InputError) as caught:
        reach_http(f"http://me:secret@{host}:{port}", setting="SETTING")
    assert str(caught.value) == f"SETTING: http://***@{host}:{port} cannot be opened: no answer within 1 seconds"
    assert 0.9 < time.monotonic() - begun < 5


def test_a_proxy_is_asked_by_its_user_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with absent() as (host, port):
        with pytest.raises(InputError, match="refused"):
            reach_http(f"http://{host}:{port}", setting="SETTING")
        with pytest.raises(InputError, match="refused"):
            reach_http(f"https://{host}:{port}", setting="SETTING")
        monkeypatch.setenv("http_proxy", "http://proxy:3128")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        reach_http(f"http://{host}:{port}", setting="SETTING")


@pytest.mark.parametrize(
    "url", ["sqlite:///x.db", "http://", "http://me:secret/x@host:1", "http://[", "nonsense://h:1"]
)
def test_what_names_no_http_server_is_left_to_its_user(url: str) -> None:
    reach_http(url, setting="SETTING")


def test_a_refusal_is_one_line_at_once() -> None:
    pytest.importorskip("psycopg")
    begun = time.monotonic()
    with (
        absent() as (host, port),
        pytest.raises(InputError, match=f":{port}/name cannot be opened: .*refused"),
    ):
        reach(f"postgresql://me:secret@{host}:{port}/name", setting="SETTING")
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize(("kind", "speaks_first"), [("postgresql", False), ("mysql", True), ("mariadb", True)])
def test_a_server_is_greeted_as_its_kind_wants_it(kind: str, speaks_first: bool) -> None:
    heard = []

    def serve() -> None:
        client, _ = server.accept()
        with client:
            if not speaks_first:
                heard.append(client.recv(100))
            client.sendall(b"N")
            heard.append(client.recv(100))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = SimpleNamespace(get_backend_name=lambda: kind, host="127.0.0.1", port=server.getsockname()[1])
        _hear(url)
        thread.join(10)
    assert heard == [*([] if speaks_first else [bytes([0, 0, 0, 8, 4, 210, 22, 47])]), b""]


@pytest.mark.parametrize("patience", [pytest.param(5.0, marks=pytest.mark.slow), 0.5])
def test_a_slow_server_is_heard_to_the_end(patience: float) -> None:
    """It says that it speaks no TLS, late, and then that nobody may log in."""
    pytest.importorskip("psycopg")

    def serve() -> None:
        for answer in (b"N", b"N"):
            client, _ = server.accept()
            with client:
                client.recv(8)
                time.sleep(patience)
                client.sendall(answer)
                if client.recv(1000):
                    refusal = b"SFATAL\0VFATAL\0C28000\0Mno entry for me\0\0"
                    client.sendall(b"E" + (len(refusal) + 4).to_bytes(4, "big") + refusal)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        port = server.getsockname()[1]
        with pytest.raises(InputError, match="no entry for me"):
            reach(f"postgresql://me:secret@127.0.0.1:{port}/name", setting="SETTING")


def test_other_kinds_are_not_asked() -> None:
    for url in (
        "sqlite:///x.db",
        "mssql+pyodbc://host",
        "nosuch://me@host",
        "http://127.0.0.1:9",
        "http://[x:y",
        "databricks",
        "",
    ):
        reach(url, setting="SETTING")


@pytest.mark.parametrize("url", ["postgresql://host:port/name", "postgresql://[::1/name", "mysql://me:x@y@z:1:2/"])
def test_what_is_no_url_is_one_line(url: str) -> None:
    with pytest.raises(InputError, match=r"^SETTING: .* cannot be opened: "):
        reach(url, setting="SETTING")
