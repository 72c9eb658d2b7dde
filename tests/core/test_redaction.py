"""No secret of an address is ever shown, however odd the address, and whoever quotes it."""

from urllib.parse import quote, urlsplit

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from pipeline.core.redaction import reason, redacted

MARK = "sesam"  # stands in every piece of a secret
DELIMITERS = ["", *"@/:?#%&=+ \\[],;'\"ä_-.", "%40", "%2F", "://", "@@"]
SECRETS = st.lists(st.sampled_from(DELIMITERS), min_size=1, max_size=4).map(lambda made: MARK + MARK.join(made) + MARK)
FORMS = [
    "postgresql://me:{}@127.0.0.1:9/name",
    "postgresql+psycopg://me:{}@127.0.0.1:9/name",
    "postgresql://me@127.0.0.1:9/name?password={}",
    "postgresql://127.0.0.1:9/name?user=me&password={}&sslmode=require",
    "mysql+pymysql://me@corp:{}@127.0.0.1/name",
    "http://me:{}@127.0.0.1:9",
    "http://{}@127.0.0.1:9/path",
    "https://{}:x-oauth-basic@127.0.0.1:9",
    "http://127.0.0.1:9/?token={}",
    "http://127.0.0.1:9/api#token={}",
    "http://me:{0}@127.0.0.1:9/?token={0}",
    "nosuch://{}@host/name",
    "sqlite:////folder/x.db?key={}",
    "me:{}@host",
]
ADDRESSES = st.builds(lambda form, secret: form.format(secret), st.sampled_from(FORMS), SECRETS)


def hides(text: str) -> bool:
    return MARK not in text.lower()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://me:secret@host:1/name?sslmode=require", "postgresql://me:***@host:1/name"),
        ("postgresql://me@host/name", "postgresql://me@host/name"),
        ("postgresql://me:p@ss/w:rd@host/name", "postgresql://me:***@host/name"),
        ("postgresql:///name?host=/tmp/here", "postgresql:///name"),
        ("mysql+pymysql://me@corp:secret@host", "mysql+pymysql://me@corp:***@host"),
        ("http://me:secret@host:5000/mlflow", "http://***@host:5000/mlflow"),
        ("https://token@host", "https://***@host"),
        ("https://host/?token=secret", "https://host/"),
        ("https://host/?mail=a@b", "https://***"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db"),
        ("sqlite:///mlflow.db?key=x", "sqlite:///mlflow.db"),
        ("me:secret@host", "***"),
        ("databricks", "databricks"),
    ],
)
def test_what_is_shown_of_an_address(address: str, shown: str) -> None:
    assert redacted(address, address) == shown
    assert redacted(f"from {address} on", address) == f"from {shown} on"
    if "://" in address:
        assert redacted(f"from {address} on") == f"from {shown} on"  # also where nobody said that it is one


def test_other_words_stay() -> None:
    line = "port 1 of host failed: pass the password"
    assert redacted(line, "postgresql://me:pass@host:1/name") == "port 1 of host failed: *** the password"
    assert redacted("what? a@b, and c", "http://host") == "what? a@b, and c"


@given(ADDRESSES)
@example("me:sesam://sesam@host")
def test_an_address_is_shown_without_its_secret(address: str) -> None:
    shown = redacted(address, address)
    assert hides(shown)
    assert redacted(shown, shown) == shown
    assert redacted(shown) == shown


@given(ADDRESSES, st.sampled_from([str, repr, quote, str.lower, lambda text: f"'{text}/api/2.0': {text!r}"]))
@example("postgresql://me@127.0.0.1:9/name?password=sesamäsesam", quote)
def test_a_message_that_quotes_it_in_any_way(address: str, quoted) -> None:
    assert hides(redacted(f"no way to {quoted(address)}, alas", address))


@given(ADDRESSES)
def test_a_message_that_quotes_parts_of_it(address: str) -> None:
    for delimiters in ("@", "/", ":", "@/:?#"):
        pieces = [address]
        for delimiter in delimiters:
            pieces = [part for piece in pieces for part in piece.split(delimiter)]
        for piece in pieces:
            assert hides(redacted(f"host={piece!r} is none", address))


def failures(address: str) -> list[Exception]:
    """What libraries say of an address that they cannot use; nothing listens where it leads."""

    def port() -> object:
        return urlsplit(address).port

    def prepare() -> object:
        return requests.Request("GET", f"{address}/api").prepare()

    def connect() -> object:
        return create_engine(address).connect() if address.startswith("postgresql") else None

    found: list[Exception] = []
    for attempt in (port, prepare, connect):
        try:
            attempt()
        except (ValueError, OSError, ImportError, SQLAlchemyError) as error:
            found.append(error)
    return found


@given(ADDRESSES.filter(lambda address: not address.startswith("sqlite")))
@example("postgresql://me:sesam@sesam@127.0.0.1:9/name")
@example("http://me:sesam/sesam@127.0.0.1:9")
@example("http://me:sesam[sesam@127.0.0.1:9")
def test_what_libraries_say_of_it(address: str) -> None:
    for error in failures(address):
        assert hides(reason(error, address)), repr(error)
        assert "\n" not in reason(error, address)


def test_libraries_do_quote_parts_of_secrets() -> None:
    """Else the test above would show nothing."""
    said = str(failures("postgresql://me:sesam@sesam2@127.0.0.1:9/name") + failures("http://me:sesam/x@127.0.0.1:9"))
    assert "sesam" in said
