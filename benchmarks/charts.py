"""Where things go on the leaderboard's shared axis. Pure: numbers in, SVG percentages out."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

MARGIN = 0.01
STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
MOST_TICKS = 5


@dataclass(frozen=True)
class Tick:
    x: str
    label: str


@dataclass(frozen=True)
class Bar:
    """An interval and its middle, as SVG percentages; without an interval only the middle is drawn."""

    x: str
    start: str = ""
    end: str = ""
    width: str = ""


@dataclass(frozen=True)
class Axis:
    """A stretch of accuracies that all bars of a table share."""

    low: float
    high: float

    def bar(self, accuracy: float, interval: tuple[float, float] | None) -> Bar:
        if interval is None:
            return Bar(self._x(accuracy))
        start, end = (self._place(value) for value in interval)
        return Bar(self._x(accuracy), f"{start:.2f}%", f"{end:.2f}%", f"{end - start:.2f}%")

    def ticks(self) -> list[Tick]:
        span = self.high - self.low
        step = next((step for step in STEPS if span / step <= MOST_TICKS), STEPS[-1])
        decimals = 1 if step < 0.01 else 0
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        values = [number * step for number in range(first, last + 1)]
        return [Tick(self._x(value), f"{100 * value:.{decimals}f}") for value in values]

    def _x(self, value: float) -> str:
        return f"{self._place(value):.2f}%"

    def _place(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return 100 * min(max(share, 0.0), 1.0)


def axis_for(values: Iterable[float]) -> Axis:
    """An axis that holds all values with a little room on both sides, within [0, 1]."""
    known = list(values)
    if not known:
        return Axis(0.0, 1.0)
    low, high = min(known) - MARGIN, max(known) + MARGIN
    return Axis(max(0.0, low), min(1.0, high))
