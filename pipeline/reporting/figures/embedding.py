"""Embedding of an SVG in an HTML page, as a data URI."""

from urllib.parse import quote

PLAIN = " ,:;=/()'"
"""What needs no escape in a data URI, beside letters, digits and `_.-~`."""


def data_uri(svg: str) -> str:
    """An SVG as the value of an attribute in double quotes: no markup can leave it.

    >>> data_uri('<svg fill="#fff"/>')
    'data:image/svg+xml,%3Csvg fill=%22%23fff%22/%3E'
    """
    return f"data:image/svg+xml,{quote(svg[svg.find('<svg') :], safe=PLAIN)}"
