"""Tables: of columns and rows, printed as plain text or written as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median, quantiles
from typing import Any


@dataclass(frozen=True)
class Spread:
    """A median and the middle half of the values around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """Return the spread of some values; None if there are none."""
        if not values:
            return None
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, _, high = quantiles(values, n=4)
        return cls(median(values), low, high)

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} - {self.high:.2f})"


Cell = Spread | float | str | None
Row = Mapping[str, Cell]


@dataclass(frozen=True)
class Column:
    """A column: the key of its cells in JSON, the heading, and the number of decimals."""

    key: str
    heading: str
    decimals: int = 0

    def text(self, cell: Cell) -> str:
        """Return a cell as text; `-` if there is no number."""
        if cell is None:
            return "-"
        return f"{cell:.{self.decimals}f}" if isinstance(cell, int | float) else str(cell)


@dataclass(frozen=True)
class Table:
    """Measured numbers: one row for each app, whose name is the cell `app`."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]

    def __str__(self) -> str:
        columns = [Column("app", ""), *self.columns]
        texts = [[column.text(row.get(column.key)) for column in columns] for row in self.rows]
        headings = [column.heading for column in columns]
        widths = [max(map(len, cells)) for cells in zip(headings, *texts, strict=True)]
        lines = [
            "  ".join([cells[0].ljust(widths[0]), *map(str.rjust, cells[1:], widths[1:])])
            for cells in (headings, *texts)
        ]
        return "\n  ".join([self.title, *lines]) + "\n"


@dataclass(frozen=True)
class Section:
    """The tables of one kind of measurement, a word on how to read them, and the number of failed requests."""

    name: str
    note: str
    tables: Sequence[Table] = field(default_factory=list)
    failed: int = 0

    def __str__(self) -> str:
        return "\n".join([self.note + "\n", *map(str, self.tables)])

    def json(self) -> dict[str, Any]:
        """Return the content for a JSON document."""
        tables = [{"title": table.title, "rows": [_plain(row) for row in table.rows]} for table in self.tables]
        return {"name": self.name, "note": self.note, "failed": self.failed, "tables": tables}


def middle(values: Iterable[float | None]) -> float | None:
    """Return the median of the numbers; None if there are none."""
    numbers = [value for value in values if value is not None]
    return median(numbers) if numbers else None


def percentile(seconds: Sequence[float], percent: int) -> float | None:
    """Return a percentile of some durations in milliseconds; None if there are fewer than two."""
    return quantiles(seconds, n=100)[percent - 1] * 1000 if len(seconds) > 1 else None


def _plain(row: Row) -> dict[str, Any]:
    return {key: asdict(cell) if isinstance(cell, Spread) else cell for key, cell in row.items()}
