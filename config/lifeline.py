"""Ends a process when its parent ends, however that happened. Linux only; elsewhere these do nothing.

As a program, `python lifeline.py PARENT SIGNAL COMMAND...` ties itself to process PARENT and becomes COMMAND.
(Setting this up between fork and exec instead would run Python code in the copy of a process with threads.)
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def die_with_parent(signum: int = signal.SIGKILL) -> None:
    """Have the kernel send `signum` to this process when the one that started it ends."""
    _prctl(PR_SET_PDEATHSIG, signum)


def adopt_orphans() -> None:
    """Become the parent of every process below whose own parent ends, so that none can be lost."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def descendants() -> set[int]:
    """Every process below this one, at any depth."""
    below: set[int] = set()
    fresh = {os.getpid()}
    parents = _parents()
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh and pid not in below}
        below |= fresh
    return below


def children() -> set[int]:
    """The processes of which this one is the parent, adopted ones included."""
    here = os.getpid()
    return {pid for pid, parent in _parents().items() if parent == here}


def _parents() -> dict[int, int]:
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # "pid (name) state parent ...": the name may itself hold spaces and brackets.
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended while we looked
        parents[int(entry.parent.name)] = int(fields[1])
    return parents


def _prctl(option: int, argument: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, argument, 0, 0, 0)


def main(arguments: list[str]) -> None:
    parent, signum, *command = arguments
    die_with_parent(int(signum))
    if os.getppid() != int(parent):
        sys.exit("the parent ended before this process could be tied to it")
    os.execvp(command[0], command)  # noqa: S606  becoming the command is the point


if __name__ == "__main__":
    main(sys.argv[1:])
