"""What notebooks show: figures that display themselves, and results as a folded text above a small picture."""

import base64
import html
import io
from collections.abc import Callable
from typing import final

from matplotlib.figure import Figure

# Dots per inch on a page, and in the preview of a result.
_PAGE_DPI, _PREVIEW_DPI = 100, 60


@final
class Picture(Figure):
    """A figure that a notebook shows as the value of a cell, whether or not pyplot was imported."""

    def _repr_png_(self) -> bytes:
        return png_of(self, _PAGE_DPI)


def png_of(figure: Figure, dpi: int) -> bytes:
    """The figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def as_html(value: object, draw: Callable[[], Figure] | None = None) -> str:
    """What a value prints, of which the first line alone is seen until it is opened, and a preview of its picture.

    Args:
        value: whatever is displayed.
        draw: makes its picture; None for a value without one.

    Returns:
        HTML without scripts.
    """
    first, _, rest = str(value).partition("\n")
    shown = f"<summary>{html.escape(first)}</summary>"
    if rest:
        shown += f"<pre>{html.escape(rest)}</pre>"
    picture = ""
    if draw is not None:
        data = base64.b64encode(png_of(draw(), _PREVIEW_DPI)).decode()
        picture = f'<img alt="{html.escape(first)}" src="data:image/png;base64,{data}">'
    return f"<details>{shown}</details>{picture}"
