"""Plots as SVG, which browsers show inside of a page."""

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 12, 44, 40
COLORS = ("#2563eb", "#d97706", "#b91c1c", "#15803d")
GRID_LINES = 4


def plot(title: str, unit: str, labels: Sequence[str], series: Mapping[str, Sequence[float | None]]) -> str:
    """Return lines over evenly spaced labels, from 0 up; `None` leaves a point out.

    Args:
        title: of the plot.
        unit: of the values.
        labels: below the points.
        series: values for each label, by name.
    """
    most = _round_up(max((value for values in series.values() for value in values if value is not None), default=1.0))
    parts = [f'<text x="{LEFT}" y="16" class="title">{escape(title)}</text>', *_grid(most, unit, labels)]
    for index, (name, values) in enumerate(series.items()):
        color = COLORS[index % len(COLORS)]
        parts.append(f'<text x="{LEFT + index * 125}" y="34" fill="{color}">{escape(name)}</text>')
        parts += _line(color, name, unit, most, labels, values)
    role = f'role="img" aria-label="{escape(title)}"'
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" {role}>{"".join(parts)}</svg>'


def _grid(most: float, unit: str, labels: Sequence[str]) -> list[str]:
    parts = []
    for step in range(GRID_LINES + 1):
        value = most * step / GRID_LINES
        y = _y(value, most)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:g}</text>')
    for index, label in enumerate(labels):
        x = _x(index, len(labels))
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{escape(label)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">clients</text>')
    return [*parts, f'<text x="{LEFT - 6}" y="{TOP - 10}" text-anchor="end">{escape(unit)}</text>']


def _line(
    color: str, name: str, unit: str, most: float, labels: Sequence[str], values: Sequence[float | None]
) -> list[str]:
    known = [(_x(i, len(values)), _y(each, most), labels[i], each) for i, each in enumerate(values) if each is not None]
    points = " ".join(f"{x},{y}" for x, y, *_ in known)
    parts = [f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>']
    for x, y, label, value in known:
        text = escape(f"{name}, {label} clients: {value:.1f} {unit}")
        parts.append(f'<circle cx="{x}" cy="{y}" r="3.5" fill="{color}"><title>{text}</title></circle>')
    return parts


def _x(index: int, count: int) -> float:
    room = WIDTH - RIGHT - LEFT
    return round(LEFT + room * (index + 0.5) / count, 1)


def _y(value: float, most: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / most, 1)


def _round_up(value: float) -> float:
    """Return the next number that divides well: 1, 2, 4, 6, 8 or 10 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if value <= step * power * (1 + 1e-9))
