"""Private PostgreSQL and Redis servers for the suite, from whatever binaries this machine has."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psycopg
import redis
from psycopg import sql

from config import lifeline
from config.redis_server import find_redis_server
from tests.waiting import wait_until

PROCESS_NOT_ROOT = "postgres"


def free_port() -> int:
    """A TCP port that nobody listens on at this moment."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def find_postgres() -> Path | None:
    """The folder with PostgreSQL's server programs: on PATH, or where Debian and Red Hat keep them."""
    on_path = shutil.which("initdb")
    if on_path and shutil.which("postgres"):
        return Path(on_path).resolve().parent
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    complete = [
        folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()
    ]
    return max(
        complete,
        key=lambda folder: [int(n) for n in folder.as_posix().split("/") if n.isdigit()],
        default=None,
    )


def find_chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


def missing_services() -> dict[str, str]:
    """What this machine lacks, each with what is left out because of it."""
    missing = {}
    if find_postgres() is None:
        missing["PostgreSQL"] = (
            "no initdb and postgres on PATH or in /usr/lib/postgresql; tests on it left out"
        )
    if find_redis_server() is None:
        missing["Redis"] = "no redis-server on PATH; tests of the running site left out"
    if find_chromium() is None:
        missing["Chromium"] = "no chromium or google-chrome on PATH; browser tests left out"
    return missing


class PostgresServer:
    """A server in a temporary folder, for one test session: it may lose everything in a power cut."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="humanmark-postgres-"))
        self._password = secrets.token_hex(16)
        self._port = free_port()
        self._as_user = _unprivileged() if os.geteuid() == 0 else []
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        data, password_file = self._folder / "data", self._folder / "password"
        password_file.write_text(self._password)
        if self._as_user:
            for path in (self._folder, password_file):
                shutil.chown(path, PROCESS_NOT_ROOT)
        initdb = [
            *(str(self._programs / "initdb"), "--pgdata", str(data), "--no-sync", "--encoding", "UTF8"),
            *("--locale", "C", "--username", "humanmark", "--auth", "scram-sha-256"),
            *("--pwfile", str(password_file)),
        ]
        subprocess.run(self._as_user + initdb, check=True, capture_output=True, cwd=self._folder)
        options = {
            "port": str(self._port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self._folder),
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "200",
        }
        server = [str(self._programs / "postgres"), "-D", str(data)]
        server += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("wb") as log:
            self._process = _start_tied(server, log.fileno(), self._folder, self._as_user)
        wait_until(self._answers, "the private PostgreSQL answers")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://humanmark:{self._password}@127.0.0.1:{self._port}/{database}"

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"humanmark_{secrets.token_hex(4)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # ends at once; nothing in it is wanted any more
            self._process.wait(30)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise AssertionError(f"PostgreSQL did not start: {(self._folder / 'log').read_text()[-500:]}")
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


class RedisServer:
    """A server in memory, for one test session."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._folder = Path(tempfile.mkdtemp(prefix="humanmark-redis-"))
        self.url = f"redis://127.0.0.1:{free_port()}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        port = self.url.split(":")[2].split("/")[0]
        command = [
            str(self._program),
            "--port",
            port,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(self._folder),
        ]
        with (self._folder / "log").open("wb") as log:
            self._process = _start_tied(command, log.fileno(), self._folder, [])
        wait_until(self._answers, "the private Redis answers")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            return bool(redis.Redis.from_url(self.url).ping())
        except redis.RedisError:
            return False


def _unprivileged() -> list[str]:
    """PostgreSQL refuses to run as root. setpriv also ties the process to this one; runuser is everywhere."""
    pwd.getpwnam(PROCESS_NOT_ROOT)
    if sys.platform == "linux" and shutil.which("setpriv"):
        user = f"--reuid={PROCESS_NOT_ROOT}", f"--regid={PROCESS_NOT_ROOT}", "--clear-groups"
        return ["setpriv", *user, "--pdeathsig", "QUIT"]
    return ["runuser", "-u", PROCESS_NOT_ROOT, "--"]


def _start_tied(
    command: Sequence[str], log: int, folder: Path, as_user: Sequence[str]
) -> subprocess.Popen[bytes]:
    """Start a server that ends with this process, however this one ends."""
    tie = [sys.executable, "-I", lifeline.__file__, str(os.getpid()), str(int(signal.SIGTERM))]
    return subprocess.Popen(
        [*(as_user or tie), *command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,  # so that Ctrl-C in the terminal does not end it under the tests' feet
        env={**os.environ, "LC_ALL": "C"},
    )
