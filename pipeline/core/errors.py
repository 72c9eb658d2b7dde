"""The one exception a user is meant to see: something they can put right themselves."""

LONGEST = 1000
"""Characters of a message; what was received may have any number."""
_END = 300
_GAP = " ... "


class InputError(ValueError):
    """A parameter, file, column or row that cannot be used.

    The message is one line that states the requirement and names the place (file, key path, column, row)
    and the value received; whatever that is, the line is short and can be printed. The command line prints it and exits
    with code 2.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_short_line(message))


def one_short_line(text: str) -> str:
    r"""A text of at most `LONGEST` printable characters: too long a one lacks its middle, line breaks are spelt.

    >>> one_short_line("a\nb\x1b"), len(one_short_line("x" * 10**6))
    ('a\\nb\\x1b', 1000)
    """
    return _cut("".join(map(_printable, _cut(text))))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - _END - len(_GAP)]}{_GAP}{text[-_END:]}"


def _printable(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
