"""How a worker that was told to stop tells its pool processes, which the signal does not reach.

One byte of memory, mapped before the pool is forked and shared with it: it can be set inside a signal
handler, needs no lock and no service.
"""

from __future__ import annotations

import mmap
from typing import Any

from celery.signals import worker_shutting_down

_flag = mmap.mmap(-1, 1)


def requested() -> bool:
    """Whether this worker stops: the run in hand goes back to the queue."""
    return _flag[0] != 0


def request(*, stop: bool = True) -> None:
    _flag[0] = int(stop)


@worker_shutting_down.connect
def _on_shutdown(**kwargs: Any) -> None:
    request()
