"""A real site for tests: `manage.py run_site` and everything it starts, in a folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from config.probe import is_healthy
from tests.environment import ROOT, clean_environment
from tests.services import free_port
from tests.waiting import wait_until

READY = "Ctrl-C stops the site."
PARTS = ("redis", "web", "worker", "housekeeping")


class Site:
    """Usually made with the fixture `make_site`, which also stops it.

    `database_url` empty: SQLite in the site's folder. `redis_url` empty: the site's own embedded Redis.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str = "",
        redis_url: str = "",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **clean_environment(folder / "var"),
            "PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
        }
        if database_url:
            self.environment["HUMANMARK_DATABASE_URL"] = database_url
        if redis_url:
            self.environment["HUMANMARK_REDIS_URL"] = redis_url
        self.environment |= settings or {}
        self.process: subprocess.Popen[bytes] | None = None
        self._extra: list[subprocess.Popen[bytes]] = []
        self._output = folder / "output.txt"
        self.make_folder = True

    @property
    def var(self) -> Path:
        return Path(self.environment["HUMANMARK_VAR_DIR"])

    @property
    def output(self) -> str:
        """What the terminal shows."""
        return self._output.read_text(errors="replace") if self._output.exists() else ""

    def start(self, seconds: float = 120) -> Site:
        """Start everything and wait until the site says that it is ready."""
        self.begin()
        wait_until(lambda: READY in self.output or self._has_ended(), "the site starts", seconds)
        if self._has_ended():
            raise AssertionError(f"the site did not start: {self.output}")
        return self

    def begin(self) -> None:
        """Start without waiting."""
        with self._output.open("wb") as output:
            self.process = self._popen(
                [sys.executable, "manage.py", "run_site"], self.environment, output.fileno()
            )

    def add_web(self) -> str:
        """Start one more web server process on the same database and Redis; its base URL."""
        port = free_port()
        socket = self.var / "redis" / "redis.sock"
        environment = {**self.environment, "PORT": str(port), "HUMANMARK_PART": "another web"}
        command = [
            sys.executable,
            "-m",
            "granian",
            "--interface",
            "wsgi",
            "--no-ws",
            "--blocking-threads",
            "6",
        ]
        command += ["--port", str(port), "config.wsgi:application"]
        with (self.folder / f"web-{port}.log").open("wb") as log:
            self._extra.append(self._popen(command, environment, log.fileno()))
        what = f"the second web server answers (socket {socket})"
        wait_until(lambda: is_healthy("127.0.0.1", port, "localhost"), what, 60)
        return f"http://127.0.0.1:{port}"

    def manage(self, *arguments: str, seconds: float = 300) -> str:
        """Run a management command in the site's environment; what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        if done.returncode != 0:
            raise AssertionError(f"manage.py {' '.join(arguments)}: {done.stderr[-2000:]}")
        return done.stdout

    def is_healthy(self) -> bool:
        return is_healthy("127.0.0.1", self.port, "localhost")

    def pids(self) -> dict[str, int]:
        """The main process of each part that runs now: redis, web, worker, housekeeping."""
        found = {}
        for pid in self._process_ids():
            if _parent(pid) == (self.process.pid if self.process else None):
                # Redis writes its title over its environment.
                part = "redis" if "redis-server" in _command_line(pid) else ""
                found[part or _environment(pid).get("HUMANMARK_PART", "")] = pid
        return {part: pid for part, pid in found.items() if part in PARTS}

    def family(self) -> dict[int, str]:
        """Every process that has this site's folder in its environment, with its command line.

        Training children have an empty environment and are found by their working parents instead.
        """
        mark = str(self.var)
        return {
            pid: _command_line(pid)
            for pid in self._process_ids()
            if _environment(pid).get("HUMANMARK_VAR_DIR") == mark or mark in _command_line(pid)
        }

    def parent(self, pid: int) -> int | None:
        return _parent(pid)

    def log(self, part: str) -> str:
        file = self.var / "logs" / f"{part}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def stop(self, signum: int = signal.SIGINT, seconds: float = 30) -> int:
        """Ask the site to stop, as Ctrl-C does; its exit status."""
        for process in self._extra:
            # With its serving process, which is in the same session.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._extra.clear()
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signum)
        try:
            return self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()

    def _popen(self, command: list[str], environment: Mapping[str, str], log: int) -> subprocess.Popen[bytes]:
        if self.make_folder:
            self.var.mkdir(parents=True, exist_ok=True)
        # A session of its own: Ctrl-C in the terminal of the tests must reach it only through `stop`.
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def _process_ids(self) -> list[int]:
        return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if int(entry.name) != os.getpid()]


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def _environment(pid: int) -> dict[str, str]:
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ").strip()
    except OSError:
        return ""
