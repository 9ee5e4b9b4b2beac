"""How many decimals of a percentage mean something."""

from __future__ import annotations

LARGE_SAMPLE = 5_000


def decimals_for(n: int | None) -> int:
    """Decimals of a percentage that a sample of n images supports."""
    return 2 if n and n >= LARGE_SAMPLE else 1


def published_decimals(accuracy: float) -> int:
    """A claim shows the digits of its source: 0.8833 is 88.33 %, 0.835 is 83.5 %."""
    return max(1, len(repr(accuracy).partition(".")[2]) - 2)
