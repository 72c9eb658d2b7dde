"""How does a figure go into a page in few bytes? The same drawing, without what only an editor of SVG would want."""

import re
from collections import Counter
from collections.abc import Iterator

_UNSEEN = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>", re.DOTALL)
_GLYPH = re.compile(r'd="([^"]*)" transform="scale\(0\.015625\)"')
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_PLACE = re.compile(r'(?<= [xy]=")-?\d+\.\d+(?=")|(?<=translate\()[^)]*')
_EMPTY = re.compile(r"<g\b[^>]*/>")
_FINE = re.compile(r"-?\d+\.\d+")
_COARSE = 16  # letters are drawn in 64ths of a thousandth: in so many of these no screen tells the difference
_ESCAPES = {'"': "'", "%": "%25", "#": "%23", "&": "&amp;"}


def data_uri(svg: str) -> str:
    """An SVG as the value of an attribute in double quotes: no markup can leave it.

    >>> data_uri('<svg fill="#ffffff"> <g id="a"> <path d="M 0 0.5  L 1 1 "/> </g> </svg>')
    "data:image/svg+xml,<svg fill='%23fff'><path d='M0 .5L1 1'/></svg>"
    """
    text = compact(svg)
    for letter, escape in _ESCAPES.items():
        text = text.replace(letter, escape)
    return f"data:image/svg+xml,{text}"


def compact(svg: str) -> str:
    """The same drawing in fewer letters: no comments, groups or names that nothing refers to, letters less fine."""
    text = re.sub(r"\s+", " ", _EMPTY.sub("", _UNSEEN.sub("", svg))).replace("> <", "><").strip()
    text = _GLYPH.sub(_coarser, text)
    text = re.sub(r'transform="translate\((-?\d+(?:\.\d+)?) 0\)"/>', _placed, text)
    text = _named(text.replace("xlink:href", "href").replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', ""))
    text = "".join(_without_bare_groups(_without_repeated_styles(text)))
    text = re.sub(r' d="([^"]*)"', _packed, text)
    text = _PLACE.sub(lambda found: _FINE.sub(_tenths, found[0]), text)
    text = re.sub(r"(?<=[:;]) ", "", text).replace("<defs></defs>", "")
    text = re.sub(r"#([0-9a-f])\1([0-9a-f])\2([0-9a-f])\3(?![0-9a-f])", r"#\1\2\3", text)
    return _classed(re.sub(r"(?<![\d.])0(?=\.\d)", "", text))


def _classed(text: str) -> str:
    """Styles that are repeated have a name each."""
    counts = Counter(re.findall(r' style="([^"]*)"', text))
    names = {style: f"s{place:x}" for place, style in enumerate(style for style, n in counts.items() if n > 1)}
    rules = "".join(f".{name}{{{style}}}" for style, name in names.items())

    def short(found: re.Match[str]) -> str:
        return f' class="{names[found[1]]}"' if found[1] in names else found[0]

    return re.sub(r' style="([^"]*)"', short, text).replace("</style>", f"{rules}</style>", 1)


def _packed(found: re.Match[str]) -> str:
    """A path without the blanks around its commands, in tenths of a point."""
    packed = re.sub(" ?([A-Za-z]) ?", r"\1", found[1].strip())
    return f' d="{_FINE.sub(_tenths, packed)}"'


def _tenths(found: re.Match[str]) -> str:
    return f"{float(found[0]):.1f}".removesuffix(".0")


def _coarser(found: re.Match[str]) -> str:
    path = _NUMBER.sub(lambda number: f"{float(number[0]) / _COARSE:.0f}", found[1])
    return f'd="{path}" transform="scale({_COARSE / 64:g})"'


def _placed(found: re.Match[str]) -> str:
    """Where a letter stands, in hundredths of its size."""
    return f'x="{float(found[1]):.0f}"/>'


def _named(text: str) -> str:
    """Short names for what is referred to, and none for anything else."""
    used = dict.fromkeys(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text))
    short = {name: f"{place:x}" for place, name in enumerate(dict.fromkeys(a or b for a, b in used))}
    text = re.sub(r' id="([^"]*)"', lambda found: f' id="i{short[found[1]]}"' if found[1] in short else "", text)
    text = re.sub(r'href="#([^"]+)"', lambda found: f'href="#i{short[found[1]]}"', text)
    return re.sub(r"url\(#([^)]+)\)", lambda found: f"url(#i{short[found[1]]})", text)


def _without_repeated_styles(text: str) -> str:
    """Marks without the style that what they refer to has already."""
    styles = dict(re.findall(r'<path id="(\w+)" d="[^"]*" style="([^"]*)"/>', text))

    def bare(found: re.Match[str]) -> str:
        return found[0].replace(f' style="{found[2]}"', "") if styles.get(found[1]) == found[2] else found[0]

    return re.sub(r'<use href="#(\w+)"[^>]* style="([^"]*)"/>', bare, text)


def _without_bare_groups(text: str) -> Iterator[str]:
    """All tags except those of groups that have no attributes."""
    kept: list[bool] = []
    for token in re.findall(r"<[^>]+>|[^<]+", text):
        if token == "</g>":
            if kept.pop():
                yield token
        elif token.startswith("<g") and token[2] in " >":
            kept.append(token != "<g>")
            if kept[-1]:
                yield token
        else:
            yield token
