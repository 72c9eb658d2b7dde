"""Readable names of points and arms, the star of what is recommended, the dagger of what fails Holm's correction."""

DAGGER = "†"
STAR = "★"
_READABLE = {
    "/": ": ",
    ",replicate=1": " (A/A check)",
    "=nll_calibrated": " by calibrated NLL",
    "=nll": " by NLL",
    "=true": "",
    "=": " ",
    ",": " + ",
    "_": " ",
}


def readable(key: str) -> str:
    """A point's key as people would write it.

    >>> readable("dropout=0.5,input_dropout=0.2")
    'dropout 0.5 + input dropout 0.2'
    """
    for written, text in _READABLE.items():
        key = key.replace(written, text)
    return key


def starred(name: str, is_recommended: bool) -> str:
    """A name with a star behind it if that is what is recommended.

    >>> starred("dropout", True), starred("none", False)
    ('dropout ★', 'none')
    """
    return f"{name} {STAR}" if is_recommended else name


def readable_arms(contender: str) -> str:
    """An arm of the search, or arms that are stacked, as people would write them.

    >>> readable_arms("dropout+weight_decay")
    'dropout + weight decay'
    """
    return " + ".join(readable(arm) for arm in contender.split("+"))
