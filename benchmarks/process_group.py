"""The processes of one training child, seen from outside through /proc: their memory, their end."""

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Usage:
    """What a session of processes uses now: resident bytes, and processes and threads together."""

    rss_bytes: int
    tasks: int


@dataclass(frozen=True)
class Memory:
    """Resident bytes of one process now and at its highest."""

    rss_bytes: int
    peak_bytes: int


def session_usage(session: int) -> Usage:
    """Sum over all processes of a session; zeros where there is no /proc."""
    members = _members(session)
    rss = sum(int(fields[21]) for fields in members.values())
    return Usage(rss * _PAGE_BYTES, sum(int(fields[17]) for fields in members.values()))


def process_memory(pid: int) -> Memory:
    """Memory of one process; zeros when it has ended or there is no /proc."""
    found = {"VmRSS": 0, "VmHWM": 0}
    with contextlib.suppress(OSError, ValueError):
        for line in (_PROC / str(pid) / "status").read_text().splitlines():
            key, _, value = line.partition(":")
            if key in found:
                found[key] = int(value.split()[0]) * 1024
    return Memory(found["VmRSS"], found["VmHWM"])


def kill_session(session: int) -> None:
    """SIGKILL to the process group of the session's leader and to what left that group.

    Safe only while the leader has not been reaped, because until then nobody else can get its number.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(session, signal.SIGKILL)
    for pid in _members(session):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _members(session: int) -> dict[int, list[str]]:
    """For every process of the session the fields of /proc/PID/stat after the name (state is the first)."""
    found = {}
    with contextlib.suppress(OSError):
        for name in os.listdir(_PROC):  # noqa: PTH208 - a plain list of names, five times a second
            if name.isdigit():
                fields = _stat(name)
                if len(fields) > 21 and fields[3] == str(session):
                    found[int(name)] = fields
    return found


def _stat(name: str) -> list[str]:
    try:
        text = (_PROC / name / "stat").read_text(errors="replace")
    except OSError:  # it ended meanwhile
        return []
    # The program's name stands in brackets and may itself hold brackets and spaces.
    return text.rpartition(")")[2].split()
