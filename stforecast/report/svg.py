"""Figures inside a page: drawings that take its colours, and pictures of maps."""

import base64
import io
import re
import warnings
from typing import Any, Final

import matplotlib.style
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Written in place of the colour of the page's text, which is not known here.
INK: Final = "#0a0b0c"
_INK_IN_SVG: Final = re.compile(re.escape(INK), re.IGNORECASE)
_STYLE: Final[dict[str, Any]] = {
    "svg.hashsalt": "stforecast",
    "svg.fonttype": "path",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "axes.unicode_minus": True,
    # a name may hold a dollar sign
    "text.parse_math": False,
}


def new_figure(width: float, height: float) -> Figure:
    """A figure, in inches, that belongs to nobody and that :func:`svg_text` can write."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure


def styled() -> Any:
    """A context in which figures have the look of the page."""
    return matplotlib.style.context(["default", _STYLE])


def svg_text(figure: Figure, name: str) -> str:
    """The figure as an ``svg`` element whose ink is the page's.

    `name` keeps its identifiers apart from those of other figures. Readers of the screen are told
    by the page, not by the drawing.
    """
    buffer = io.StringIO()
    # no date and no maker: the same scores give the same page
    with warnings.catch_warnings():
        # a letter that the font lacks is drawn as a box; the tables have it
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*|<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\b(id=")', rf"\g<1>{name}-", text)
    text = re.sub(r'((?:xlink:)?href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r"(url\(#)", rf"\g<1>{name}-", text)
    # HTML knows these without their names, and a page for reading offline needs no addresses
    text = re.sub(r'\sxmlns(?::xlink)?="[^"]*"', "", text)
    text = text.replace("xlink:href=", "href=")
    text = _INK_IN_SVG.sub("currentColor", text)
    return text.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


def png_uri(figure: Figure, dpi: int = 110) -> str:
    """The figure as a ``data:`` address of a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
