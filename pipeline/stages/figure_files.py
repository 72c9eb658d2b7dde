"""Files of figures, and the pictures of them that a page embeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.core.files import write_bytes

if TYPE_CHECKING:
    from pipeline.reporting.figures.canvas import Drawing
    from pipeline.reporting.sections import Picture


class Drawn(NamedTuple):
    """Files to be written, and pictures for the page."""

    files: Mapping[Path, bytes]
    pictures: Mapping[str, Picture]


def forms_at(path: Path, drawing: Drawing | None) -> Drawn:
    """A figure as it stands alone, PNG and SVG, and bare for a page; nothing where none is drawn."""
    from pipeline.reporting.figures import canvas  # noqa: PLC0415
    from pipeline.reporting.sections import Picture  # noqa: PLC0415

    if drawing is None:
        return Drawn({}, {})
    forms = canvas.forms(drawing)
    alone = {
        path.with_name(f"{path.name}.{kind}"): content for kind, content in (("png", forms.png), ("svg", forms.svg))
    }
    return Drawn(alone, {path.name: Picture(svg=forms.bare.decode(), caption=drawing.caption)})


def written(drawn: Iterable[Drawn]) -> tuple[list[Path], dict[str, Picture]]:
    """Write the files; give back where they are, and the pictures by name."""
    files = {path: content for figure in drawn for path, content in figure.files.items()}
    for path, content in files.items():
        write_bytes(path, content)
    return [*files], {name: picture for figure in drawn for name, picture in figure.pictures.items()}
