"""Addresses and messages without what may be secret in them: passwords, tokens, queries."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_plus

DATABASES = ("postgresql", "postgres", "mysql", "mariadb", "mssql", "oracle", "sqlite")  # a user alone is a name there
FILES = ("sqlite", "file")  # schemes of paths: no user stands before the `@` of a folder
HARMLESS = ("host", "port", "sslmode", "connect_timeout", "charset", "dbname", "user", "application_name", "driver")
SCHEME = re.compile(r"[A-Za-z][\w+.-]*")
ADDRESS = re.compile(rf"{SCHEME.pattern}://\S+")
HIDDEN = "***"
LONGEST = 400  # characters of a reason


def redacted(text: str, *addresses: str) -> str:
    """A message without secrets: those of addresses that it may quote whole, in parts or encoded, and of any other.

    Words of a secret are hidden wherever they stand as such, since a password with an unescaped `@` or `/` in it
    comes back from libraries as a part of the host, the port or the path.

    >>> redacted("no host 'ss@db'", "postgresql://me:pa@ss@db/name")
    "no host '***@db'"
    >>> redacted("GET https://token@db/name?key=a failed")
    'GET https://***@db/name failed'
    """
    for address in filter(None, addresses):
        public, secret = _divided(address)
        text = public.join(_without(part, secret) for part in text.split(address))
    return ADDRESS.sub(lambda found: _divided(found[0])[0], text)


def reason(error: Exception, *addresses: str) -> str:
    """What an error says, in one line without secrets, and without the address of its documentation."""
    return redacted(" ".join(str(error).split("\n(Background")[0].split()), *addresses)[:LONGEST]


def _divided(address: str) -> tuple[str, str]:
    """What of an address may be shown, and what may not; the last `@` ends what is said of the user."""
    scheme, has_scheme, rest = address.partition("://")
    if not has_scheme or not SCHEME.fullmatch(scheme):
        return (HIDDEN, address) if re.search("[@?]", address) else (address, "")
    kind = re.split(r"\W", scheme.lower())[0]
    if kind in FILES and rest.startswith("/"):
        path, _, query = rest.partition("?")
        return f"{scheme}://{path}", _values(query)
    who, has_user, place = rest.rpartition("@")
    if re.search("[?#]", who):  # a query with an `@` in it, or a password with a `?`: nobody knows
        return f"{scheme}://{HIDDEN}", rest
    place, *queries = re.split("[?#;]", place, maxsplit=1)
    user, password = _user(who, named=kind in DATABASES)
    return f"{scheme}://{user}{has_user}{place}", f"{password} {_values(*queries)}"


def _user(who: str, *, named: bool) -> tuple[str, str]:
    """What of `user:password` may be shown, and what may not: a user without a password may be a token."""
    user, has_password, password = who.partition(":")
    if named:
        return f"{user}{has_password}{HIDDEN if has_password else ''}", password
    return HIDDEN if who else "", who


def _values(query: str = "") -> str:
    """The values of a query that may be secret."""
    pairs = [pair.partition("=") for pair in re.split("[?&#;]", query)]
    return " ".join(value or name for name, _, value in pairs if name.lower() not in HARMLESS)


def _without(text: str, secret: str) -> str:
    """A text without the words of a secret, as it stands, decoded and encoded."""
    decoded = unquote_plus(secret)
    encoded = [quote(part, safe="") for part in decoded.split()]  # a space before one would be a part of its first word
    words = {word for form in (secret, decoded, *encoded) for word in re.findall(r"\w+", form)}
    choice = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    alone = rf"(?:(?<!\w)|(?<=%[0-9a-f]{{2}}))(?:{choice})(?!\w)"
    return re.sub(alone, HIDDEN, text, flags=re.IGNORECASE) if words else text
