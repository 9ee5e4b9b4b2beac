"""The parts of a running site (Redis, web server, workers) and one part's life as a process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from config import lifeline
from config.redis_server import redis_command

LARGEST_LOG = 5 << 20
STEADY_SECONDS = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
WEB_THREADS = 6


@dataclass
class Part:
    """One supervised process, with everything it starts in a session of its own."""

    name: str
    title: str
    command: list[str]
    log: Path
    # What the part gets when the supervisor itself is killed: the gentlest signal that ends it at once.
    lifeline_signal: int = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    quick_deaths: int = 0
    restart_at: float = 0.0
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        keep_small(self.log)
        wrapper = [sys.executable, "-I", lifeline.__file__, str(os.getpid()), str(int(self.lifeline_signal))]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                wrapper + self.command,
                cwd=settings.BASE_DIR,
                env={**os.environ, **self.environment, "HUMANMARK_PART": self.name},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started_at = time.monotonic()

    def has_ended(self) -> bool:
        """Whether it ended on its own. Its whole group is killed before its process number is given back."""
        if self.process is None:
            return False
        # WNOWAIT leaves the process number taken, so that the group killed next cannot be somebody else's.
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        if os.waitid(os.P_PID, self.process.pid, flags) is None:
            return False
        self.kill()
        return True

    def ask_to_end(self) -> None:
        """To the process alone: a worker's pool must live on until the worker itself puts it down."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End the process and everything in its group, now."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def schedule_restart(self) -> float:
        """Set the time of the next start, later after each quick death; the pause in seconds."""
        now = time.monotonic()
        self.quick_deaths = 0 if now - self.started_at > STEADY_SECONDS else self.quick_deaths + 1
        pause: float = min(FIRST_PAUSE * 2**self.quick_deaths, LONGEST_PAUSE)
        self.process, self.restart_at = None, now + pause
        return pause

    def is_due(self) -> bool:
        return self.process is None and time.monotonic() >= self.restart_at


def keep_small(log: Path) -> None:
    """Keep one older piece of a long log. The file stays the same one, because the part has it open."""
    # A full disk must not end a site that runs.
    with suppress(OSError):
        if log.stat().st_size > LARGEST_LOG:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)


def fresh_runs_folder(var: Path) -> Path:
    """An empty folder for the private files of runs."""
    wipe_runs_folder(var)
    folder = var / "runs"
    folder.mkdir(mode=0o700)
    return folder


def wipe_runs_folder(var: Path) -> None:
    shutil.rmtree(var / "runs", ignore_errors=True)


def redis_part(program: Path, var: Path) -> Part:
    folder = var / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    command = redis_command(program, settings.HUMANMARK_REDIS_SOCKET, folder)
    # An unknown locale of the person's terminal would stop Redis.
    return Part("redis", "Redis", command, var / "logs" / "redis.log", environment={"LC_ALL": "C"})


def site_parts(var: Path) -> list[Part]:
    """The web server, the worker that trains models, and the one for small periodic tasks with its clock."""
    logs = var / "logs"
    (var / "beat").mkdir(parents=True, exist_ok=True)
    # Runs' private folders lie here, so that what a killed run left of its own is wiped with the site.
    runs_folder = {"TMPDIR": str(fresh_runs_folder(var))}
    celery = [sys.executable, "-m", "celery", "-A", "config", "worker", "--loglevel", "INFO"]
    runs = ["-Q", "runs", "-c", str(settings.CELERY_WORKER_CONCURRENCY), "-n", "runs@%h"]
    schedule = str(var / "beat" / "schedule")
    small = ["-Q", "housekeeping", "-P", "solo", "-B", "-s", schedule, "-n", "housekeeping@%h"]
    # SIGTERM would make a worker finish its run first, with nobody left to see it.
    hard = int(signal.SIGKILL)
    return [
        Part("web", "the web server", web_command(), logs / "web.log"),
        Part("worker", "the worker", celery + runs, logs / "worker.log", hard, environment=runs_folder),
        Part("housekeeping", "the housekeeping worker", celery + small, logs / "housekeeping.log", hard),
    ]


def web_command() -> list[str]:
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws"),
        *("--host", settings.HUMANMARK_HOST.strip("[]"), "--port", str(settings.HUMANMARK_PORT)),
        *("--workers", "1", "--blocking-threads", str(WEB_THREADS), "--workers-kill-timeout", "3"),
        "config.wsgi:application",
    ]
