"""What comes out of the training child, read with bounded memory: its log and its protocol lines."""

import json
import re
from collections.abc import Mapping
from typing import Any

LOG_TAIL_BYTES = 16 * 1024
LONGEST_LINE_BYTES = 64 * 1024
LONGEST_TEXT = 300
MOST_LINES = 100_000

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


class LogTail:
    """The last 16 KB of the child's log; `total_bytes` counts everything it wrote."""

    def __init__(self) -> None:
        self._tail = bytearray()
        self.total_bytes = 0

    def feed(self, data: bytes) -> None:
        self.total_bytes += len(data)
        self._tail += data
        del self._tail[:-LOG_TAIL_BYTES]

    @property
    def text(self) -> str:
        """The tail as text that any database and page can hold; a cut first character is replaced."""
        decoded = bytes(self._tail).decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
        return _CONTROL.sub("�", decoded)


class EventReader:
    """Protocol lines from bytes in any portions; whatever is no JSON object is dropped.

    `lines` counts them; after `MOST_LINES` nothing is parsed any more.
    """

    def __init__(self) -> None:
        self._pending = bytearray()
        self._skipping = False
        self.total_bytes = 0
        self.lines = 0

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The objects of the lines that these bytes complete."""
        self.total_bytes += len(data)
        self.lines += data.count(b"\n")
        if self.lines > MOST_LINES:
            return []
        events = []
        *complete, rest = data.split(b"\n")
        for part in complete:
            line = bytes(self._pending) + part
            skip, self._skipping = self._skipping, False
            self._pending.clear()
            event = None if skip or len(line) > LONGEST_LINE_BYTES else _parse(line)
            if event is not None:
                events.append(event)
        self._pending += rest
        if len(self._pending) > LONGEST_LINE_BYTES:
            self._pending.clear()
            self._skipping = True
        return events


def short_text(value: object, longest: int = LONGEST_TEXT) -> str:
    """A text of the child made fit to store and show: one line, no control characters, cut."""
    return " ".join(_CONTROL.sub(" ", value).split())[:longest] if isinstance(value, str) else ""


def long_text(value: object, longest: int) -> str:
    """Like `short_text`, with its lines kept."""
    return _CONTROL.sub(" ", value)[-longest:] if isinstance(value, str) else ""


def fraction_of(event: Mapping[str, Any]) -> float | None:
    """The event's progress from 0 to 1, or None where it says none or nonsense."""
    value = event.get("fraction")
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    return None


def seconds_of(event: Mapping[str, Any], key: str) -> float | None:
    """A number of seconds in an event, or None where there is none."""
    value = event.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 10**9:
        return float(value)
    return None


def versions_of(event: Mapping[str, Any]) -> dict[str, str]:
    """The library versions in an event, short texts only."""
    versions = event.get("versions")
    if not isinstance(versions, dict):
        return {}
    return {short_text(key, 40): short_text(value, 40) for key, value in list(versions.items())[:20]}


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None
