"""Embedding of an SVG in an HTML page, as a data URI."""

_ESCAPES = {"%": "%25", "#": "%23", "&": "&amp;", '"': "'"}


def data_uri(svg: str) -> str:
    """An SVG as the value of an attribute in double quotes: no markup can leave it.

    >>> data_uri('<svg fill="#ffffff"></svg>')
    "data:image/svg+xml,<svg fill='%23ffffff'></svg>"
    """
    text = svg[svg.find("<svg") :]
    for letter, escape in _ESCAPES.items():
        text = text.replace(letter, escape)
    return f"data:image/svg+xml,{text}"
