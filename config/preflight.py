"""What must hold before a site starts on this machine; each failure is one sentence that says what to do."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import DatabaseError

from config.supervisor import StartError
from imagesets.specs import ImageSetError

LEAST_FREE_MB = 300
PORTS_TO_SUGGEST = 50


def check_var(var: Path) -> None:
    """The folder for everything the site keeps can be written and has room."""
    try:
        var.mkdir(parents=True, exist_ok=True)
        (var / "logs").mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=var) as trial:
            trial.write(b"x" * 65536)
    except OSError as error:
        raise StartError(explain(error, var)) from None
    free = shutil.disk_usage(var).free >> 20
    if free < LEAST_FREE_MB:
        raise StartError(
            f"only {free} MB free for {var}, and the site needs {LEAST_FREE_MB}; "
            "free some space or set HUMANMARK_VAR_DIR to a folder on another disk"
        )


def explain(error: OSError, var: Path) -> str:
    """An operating system's refusal in plain words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk of {var} is full; free some space or set HUMANMARK_VAR_DIR to a folder elsewhere"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        return (
            f"{error.filename or var} cannot be written ({error.strerror}); "
            "make it writable or set HUMANMARK_VAR_DIR to a folder that is"
        )
    return str(error)


def check_database() -> None:
    """PostgreSQL can be reached, asked directly: a pool would try again and again before it said no."""
    database = settings.DATABASES["default"]
    if not database["ENGINE"].endswith("postgresql"):
        return
    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
    options = {key: value for key, value in database["OPTIONS"].items() if key != "pool"}
    options |= {key: database[name] for key, name in names.items() if database[name]}
    try:
        psycopg.connect(**options, connect_timeout=5).close()
    except psycopg.OperationalError as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise StartError(f"HUMANMARK_DATABASE_URL does not lead to a database: {reason}") from None


@contextmanager
def errors_in_one_line(var: Path) -> Iterator[None]:
    """Whatever a person can mend ends the command with one sentence instead of a traceback."""
    try:
        yield
    except (StartError, ImageSetError, ImproperlyConfigured) as error:
        raise CommandError(str(error)) from None
    except DatabaseError as error:
        message = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CommandError(f"the database refuses: {message}") from None
    except OSError as error:
        raise CommandError(explain(error, var)) from None


def check_port(host: str, port: int) -> None:
    """Nobody listens where the web server is about to."""
    try:
        listen_once(host, port)
    except socket.gaierror:
        raise StartError(f"HOST={host} is no name or address; leave it out or use HOST=0.0.0.0") from None
    except OSError as error:
        raise StartError(_why_not(error, host, port)) from None


def listen_once(host: str, port: int) -> None:
    """Bind the address and give it back. Raises OSError where that is not possible."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with closing(socket.socket(family, kind, protocol)) as trial:
        # As the server does it: connections of a server that just ended do not keep the port.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind(address)
        trial.listen(1)


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken; use another: make run PORT={_free_port(host, port)}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} is reserved for the system; use one above 1023: make run PORT=8000"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"HOST={host} is not an address of this machine; leave it out or use HOST=0.0.0.0"
    return f"cannot listen on {host}, port {port}: {error.strerror}"


def _free_port(host: str, taken: int) -> int:
    for port in range(taken + 1, min(taken + PORTS_TO_SUGGEST, 65536)):
        try:
            listen_once(host, port)
        except OSError:
            continue
        return port
    return 8000


@contextmanager
def only_site_in(var: Path) -> Iterator[None]:
    """Hold the folder's lock: two sites in one folder would write the same files. Leaves no file behind."""
    path = var / "site.lock"
    with _locked(path) as file:
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _locked(path: Path) -> IO[str]:
    while True:
        file = path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            process = file.read().strip()
            file.close()
            raise StartError(
                f"a site already runs from {path.parent} (process {process}); stop it first, "
                "or set HUMANMARK_VAR_DIR to another folder for a second one"
            ) from None
        # The one before may have removed this very file between our opening and locking it.
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            file.truncate(0)
            return file
        file.close()
