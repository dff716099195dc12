"""Draws a dashboard as SVG in Grafana's grid and colors; its text is text.

The ids in the picture say what is what: `panel-2` is the panel with this id in the dashboard, `title-2` its title,
`line-2-0` its first line.
"""

import io
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch
from matplotlib.textpath import TextPath
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator
from matplotlib.transforms import Affine2D

from pages.dashboards.panels import Board, Panel
from pages.dashboards.units import UNITS
from tests.prometheus import Line

# left, top, width and height
Place = tuple[float, float, float, float]

# Lengths are in points, which are the units of the picture. So many are an inch.
POINTS = 72
WIDTH = 800.0
COLUMNS = 24
ROW_HEIGHT = 21.0
MARGIN, GAP = 8.0, 4.0
HEAD, FOOT = 44.0, 26.0
PADDING = 10.0
TITLE_HEIGHT = 28.0
LEFT = 62.0
TIMES_HEIGHT = 18.0
LEGEND_SIZE, LEGEND_HEIGHT, LEGEND_MARK, LEGEND_GAP = 8.5, 13.0, 15.0, 12.0
# the seconds between two labels of times, of which the first that leaves few labels is taken
TIMES_APART = (5, 10, 15, 20, 30, 60, 120, 300, 600)
MOST_TIMES = 6

CANVAS, PAPER, EDGE, GRID = "#111217", "#181b1f", "#2a2d33", "#2a2e35"
BRIGHT, TEXT, DIM = "#ffffff", "#ccccdc", "#9fa7b3"
# Grafana's colors for the lines of a panel, in its order
COLORS = (
    *("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#a18bd3", "#3f9c35", "#fade2a"),
    *("#447ebc", "#c15c17", "#e0626b", "#3274d9", "#ca95e5"),
)

# comes with the library
LAID_OUT_WITH = "DejaVu Sans"
# Fonts that readers have: none is wider than the first, for which there is room.
FONTS = "'DejaVu Sans', Verdana, 'Helvetica Neue', Arial, sans-serif"
SETTINGS: Any = {
    "font.family": LAID_OUT_WITH,
    "svg.fonttype": "none",
    # ids are the same in each picture of the same numbers
    "svg.hashsalt": "dashboard",
    "path.simplify_threshold": 0.2,
}
# says when, and with what, a picture was made
METADATA = ("Creator", "Date", "Format", "Type")


def draw(board: Board, caption: str) -> str:
    """Return the picture of a dashboard, with a caption below it."""
    bottom = max(y + height for _, y, _, height in (panel.place for panel in board.panels))
    with rc_context(SETTINGS):
        canvas = Canvas(HEAD + bottom * ROW_HEIGHT + FOOT)
        canvas.head(board)
        for panel in board.panels:
            if panel.unit:
                canvas.panel(panel, board)
            else:
                canvas.row(panel)
        canvas.text(MARGIN + 2, canvas.height - 11, caption, size=8.5, color=DIM)
        return canvas.svg()


class Canvas:
    """A figure with places in points from its upper left corner."""

    def __init__(self, height: float) -> None:
        self.height = height
        self._figure = Figure(figsize=(WIDTH / POINTS, height / POINTS), dpi=POINTS)
        self._points = Affine2D().scale(1 / WIDTH, -1 / height).translate(0, 1) + self._figure.transFigure

    def text(self, x: float, y: float, text: str, *, axes: Axes | None = None, **look: Any) -> None:
        """Write a text on a line whose middle is at a height."""
        settings = {"va": "center_baseline", "color": TEXT, "parse_math": False, **look}
        (axes or self._figure).text(x, y, text, transform=self._points, **settings)

    def head(self, board: Board) -> None:
        """Write the title, the values of the variables and the length of time."""
        middle = HEAD / 2
        self.text(MARGIN + 2, middle, board.title, size=15, color=BRIGHT, weight="bold")
        told = [f"{label}: {value}" for label, value in board.variables.items()]
        told.append(f"Last {board.until - board.since:.0f} seconds")
        right = WIDTH - MARGIN
        for text in reversed(told):
            width = _width(text, 9.5) + 2 * PADDING
            self._box(right - width, middle - 12, width, 24)
            self.text(right - PADDING, middle, text, size=9.5, ha="right")
            right -= width + 2 * GAP

    def row(self, panel: Panel) -> None:
        """Write the heading of a row."""
        x, y, _, height = _inside(panel)
        axes = self._axes((x, y, 1, height), f"panel-{panel.number}")
        axes.set_axis_off()
        middle = y + height / 2 + 1
        self.text(x + 2, middle, "▾", size=11, axes=axes)
        self.text(x + 16, middle, panel.title, size=11.5, weight="bold", axes=axes, gid=f"title-{panel.number}")

    def panel(self, panel: Panel, board: Board) -> None:
        """Draw a panel: title, lines and legend."""
        x, y, width, height = _inside(panel)
        self._box(x, y, width, height)
        legend = list(_flow([name for name, _ in panel.lines], width - 2 * PADDING))
        rows = 1 + max((row for _, row in legend), default=0)
        bottom = y + height - PADDING / 2 - rows * LEGEND_HEIGHT
        top = y + TITLE_HEIGHT
        place = (x + LEFT, top, width - LEFT - PADDING - 4, bottom - TIMES_HEIGHT - top)
        axes = self._axes(place, f"panel-{panel.number}")
        size = min(10.5, 10.5 * (width - 2 * PADDING) / _width(panel.title, 10.5))
        title = {"size": size, "color": BRIGHT, "gid": f"title-{panel.number}"}
        self.text(x + PADDING, y + TITLE_HEIGHT / 2, panel.title, axes=axes, **title)
        _scales(axes, panel, board)
        if not panel.lines:
            axes.set_axis_off()
            self.text(x + width / 2, y + height / 2, "No data", axes=axes, size=10.5, color=DIM, ha="center")
        for number, ((name, line), (left, row)) in enumerate(zip(panel.lines, legend, strict=True)):
            color = COLORS[number % len(COLORS)]
            _line(axes, line, board, color, f"line-{panel.number}-{number}")
            middle = bottom + (row + 0.5) * LEGEND_HEIGHT
            self._mark(axes, x + PADDING + left, middle, color)
            self.text(x + PADDING + left + LEGEND_MARK, middle, name, axes=axes, size=LEGEND_SIZE)

    def svg(self) -> str:
        """Return the picture, the same for the same numbers."""
        stream = io.StringIO()
        self._figure.savefig(stream, format="svg", facecolor=CANVAS, metadata=dict.fromkeys(METADATA))
        return _slim(stream.getvalue())

    def _axes(self, place: Place, number: str) -> Axes:
        x, y, width, height = place
        part = (x / WIDTH, 1 - (y + height) / self.height, width / WIDTH, height / self.height)
        return self._figure.add_axes(part, facecolor="none", gid=number)

    def _box(self, x: float, y: float, width: float, height: float) -> None:
        box = FancyBboxPatch((x, y), width, height, "round,pad=0,rounding_size=2.5", transform=self._points)
        box.set(facecolor=PAPER, edgecolor=EDGE, linewidth=0.8, zorder=-1)
        self._figure.add_artist(box)

    def _mark(self, axes: Axes, x: float, y: float, color: str) -> None:
        """Draw the short line beside a name in a legend."""
        axes.add_artist(Line2D([x, x + 10], [y, y], transform=self._points, color=color, linewidth=2.5, clip_on=False))


def _slim(picture: str) -> str:
    """Return a picture with fonts named once, tenths of points, no rotations by nothing, and each path on one line."""
    fonts = f"text{{font-family: {FONTS}}}"
    once = picture.replace(f"font-family: '{LAID_OUT_WITH}'; ", "").replace("</style>", f"{fonts}</style>", 1)
    upright = re.sub(r' transform="rotate\(-0 [^"]*"', "", once)
    rounded = re.sub(r' (?:d|x|y)="[^"]*"', lambda found: re.sub(r"\d+\.\d+", _rounded, found[0]), upright)
    return re.sub(r" *\n(?=[A-Za-z\"])", " ", rounded)


def _rounded(found: re.Match[str]) -> str:
    return f"{float(found[0]):.1f}".removesuffix(".0")


def _inside(panel: Panel) -> Place:
    """Return the place of a panel on the canvas, without the gaps between panels."""
    x, y, width, height = panel.place
    column = (WIDTH - 2 * MARGIN + GAP) / COLUMNS
    return MARGIN + x * column, HEAD + y * ROW_HEIGHT, width * column - GAP, height * ROW_HEIGHT - GAP


def _scales(axes: Axes, panel: Panel, board: Board) -> None:
    values = [value for _, line in panel.lines for _, value in line.points]
    most = panel.most or 1.05 * max(values, default=0) or 1.0
    seconds = board.until - board.since
    axes.set_xlim(0, seconds)
    axes.set_ylim(0, most)
    apart = next((each for each in TIMES_APART if seconds / each <= MOST_TIMES), seconds)
    axes.xaxis.set_major_locator(MultipleLocator(apart))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{int(value) // 60}:{int(value) % 60:02}"))
    # a line that is always 0 needs no fractions beside it
    axes.yaxis.set_major_locator(MaxNLocator(4 if any(values) else 1, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: UNITS[panel.unit](value)))
    axes.tick_params(length=0, pad=6, labelsize=LEGEND_SIZE, labelcolor=DIM)
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


def _line(axes: Axes, line: Line, board: Board, color: str, name: str) -> None:
    """Draw a line with gaps where it has no number, and points that have no neighbours as dots."""
    values = [math.nan] * (round(board.until - board.since) + 1)
    for moment, value in line.points:
        values[round(moment - board.since)] = value
    framed = [math.nan, *values, math.nan]
    alone = [i for i in range(len(values)) if math.isnan(framed[i]) and math.isnan(framed[i + 2])]
    (drawn,) = axes.plot(range(len(values)), values, color=color, linewidth=1.2, solid_joinstyle="round", gid=name)
    drawn.set(marker="o", markersize=2.5, markevery=alone, clip_on=False)


def _flow(names: Sequence[str], room: float) -> Iterator[tuple[float, int]]:
    """Yield for each name of a legend how far from the left it begins, and in which row."""
    left, row = 0.0, 0
    for name in names:
        width = LEGEND_MARK + _width(name, LEGEND_SIZE)
        if left and left + width > room:
            left, row = 0.0, row + 1
        yield left, row
        left += width + LEGEND_GAP


def _width(text: str, size: float) -> float:
    outline = TextPath((0, 0), text, size=size, prop=FontProperties(family=LAID_OUT_WITH))
    return float(outline.get_extents().width) if text else 0.0
