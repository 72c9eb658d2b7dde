"""Encodings of text files: from bytes to text."""

from __future__ import annotations

import codecs

from pipeline.core.errors import InputError

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WESTERN = "cp1252"
_CODE_PAGES = [_WESTERN, "cp1250", "cp1251", "cp1253", "cp1254"]


def decode(content: bytes, name: str, encoding: str | None) -> tuple[str, str]:
    """The text of a file and its encoding: by its byte order mark, else UTF-8, else the likeliest code page.

    Raises:
        InputError: it is not text in that encoding.
    """
    chosen = encoding or _detected(content)
    try:
        text = content.decode(chosen).removeprefix("\ufeff")
    except LookupError:
        raise InputError(f"{name}: encoding must be one that Python knows; got {chosen!r}") from None
    except UnicodeError as error:
        raise InputError(f"{name}: must be {chosen} text; {_place(content, error)}; set encoding") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"{name}: must be text; line {line} holds a zero byte")
    return text, chosen


def _detected(content: bytes) -> str:
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return encoding
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return _code_page(content)
    return "utf-8"


def _code_page(content: bytes) -> str:
    """The likeliest code page, Western European unless another is likelier."""
    from charset_normalizer import from_bytes  # noqa: PLC0415  (slow to import)

    best = from_bytes(content, cp_isolation=_CODE_PAGES).best()
    western = from_bytes(content, cp_isolation=[_WESTERN]).best()
    if best is None or (western and (western.chaos, -western.coherence) <= (best.chaos, -best.coherence)):
        return _WESTERN
    return best.encoding


def _place(content: bytes, error: UnicodeError) -> str:
    if not isinstance(error, UnicodeDecodeError):
        return str(error)
    line = content.count(b"\n", 0, error.start) + 1
    return f"byte {error.start} (line {line}) is {content[error.start]:#04x}"
