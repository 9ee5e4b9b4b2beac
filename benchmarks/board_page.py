"""What the leaderboard page draws: columns that sort, rows with their bars, the people's band behind them."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import QueryDict

from benchmarks.charts import Axis, Bar, Tick, axis_for
from benchmarks.leaderboard import Filters, Provenance, Row

# key, label, class of the cells
COLUMNS = (
    ("rank", "#", "num"),
    ("title", "Entry", ""),
    ("accuracy", "Accuracy, %", "num"),
    ("n", "Images", "num wide"),
    ("seconds", "Time", "num wide"),
    ("submitter", "By", "wide"),
    ("date", "Date", "wide"),
)


@dataclass(frozen=True)
class Column:
    """A column's head. `url` sorts by it, the other way round if it is sorted by already."""

    key: str
    label: str
    css: str
    url: str
    aria_sort: str


@dataclass(frozen=True)
class DrawnRow:
    row: Row
    bar: Bar


@dataclass(frozen=True)
class Table:
    columns: list[Column]
    rows: list[DrawnRow]
    ticks: list[Tick]
    band: Bar | None


@dataclass(frozen=True)
class BoardPage:
    """`people` stands for people on the charts; `claims` is the folded table, None where there is none."""

    people: Row | None
    results: Table
    claims: Table | None
    query: str


def board_page(rows: list[Row], people: Row | None, filters: Filters, query: QueryDict) -> BoardPage:
    """Lay out the selected rows. Claims are folded away unless they were asked for, all but the one that
    stands for people: what the models are compared with belongs among them."""
    kept = people.key if people else None
    folded = [row for row in rows if row.provenance is Provenance.CLAIMED and row.key != kept]
    claims = [] if filters.provenance else folded
    hidden = {row.key for row in claims}
    shown = [row for row in rows if row.key not in hidden]
    columns = _columns(filters, query)
    return BoardPage(
        people=people,
        results=_table(shown, people, columns),
        claims=_table(claims, people, columns) if claims else None,
        query=query.urlencode(),
    )


def _table(rows: list[Row], people: Row | None, columns: list[Column]) -> Table:
    axis = _axis(rows, people)
    drawn = [DrawnRow(row, axis.bar(row.accuracy, row.interval)) for row in rows]
    band = axis.bar(people.accuracy, people.interval) if people and people.interval else None
    return Table(columns, drawn, axis.ticks(), band)


def _axis(rows: list[Row], people: Row | None) -> Axis:
    shown = [*rows, people] if people else rows
    values = [row.accuracy for row in shown]
    values += [end for row in shown if row.interval for end in row.interval]
    return axis_for(values)


def _columns(filters: Filters, query: QueryDict) -> list[Column]:
    return [_column(*column, filters, query) for column in COLUMNS]


def _column(key: str, label: str, css: str, filters: Filters, query: QueryDict) -> Column:
    is_sorted = filters.sort == key
    first = "desc" if key == "accuracy" else "asc"
    other = "asc" if filters.descending else "desc"
    link = query.copy()
    link["sort"], link["dir"] = key, other if is_sorted else first
    order = ("descending" if filters.descending else "ascending") if is_sorted else "none"
    return Column(key, label, css, f"?{link.urlencode()}", order)
