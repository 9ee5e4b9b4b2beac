"""Waiting for something to become true, with a deadline: tests never sleep for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, seconds: float = 30, pause: float = 0.05) -> T:
    """Return the condition's first true value. Raises AssertionError saying what did not happen."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"within {seconds:.0f} s it did not happen that {what}")
        time.sleep(pause)
