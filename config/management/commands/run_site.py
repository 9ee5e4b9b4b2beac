"""Run the whole site on this machine: `make run`."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper as PostgresConnection

from config import redis_server
from config.addresses import EVERYWHERE, bracketed, reachable_names
from config.checks import refuse_unsafe_production
from config.first_start import Prepared, prepare_site
from config.parts import Part, redis_part, site_parts, wipe_runs_folder
from config.preflight import check_database, check_port, check_var, errors_in_one_line, only_site_in
from config.probe import is_healthy
from config.supervisor import Stage, StartError, Supervisor


class Command(BaseCommand):
    help = "Prepare and run the whole site on this machine: Redis, web server and workers. Ctrl-C stops it."
    # The few checks that matter here are made below, each with a one-line answer.
    requires_system_checks = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        var: Path = settings.HUMANMARK_VAR_DIR
        try:
            with errors_in_one_line(var):
                self._run(var)
        except KeyboardInterrupt:
            self._say("Stopped; the next start goes on from here.")

    def _run(self, var: Path) -> None:
        # Also SIGTERM ends the preparation in an orderly way, and also where a shell had SIGINT ignored.
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, signal.default_int_handler)
        refuse_unsafe_production()
        check_var(var)
        check_database()
        with only_site_in(var):
            check_port(settings.HUMANMARK_HOST, settings.HUMANMARK_PORT)
            redis = self._redis(var)
            prepared = self._prepare()
            try:
                Supervisor(_stages(redis, var), self._say).run(lambda: self._welcome(var, prepared))
            finally:
                settings.HUMANMARK_REDIS_SOCKET.unlink(missing_ok=True)
                wipe_runs_folder(var)

    def _redis(self, var: Path) -> Part | None:
        if not settings.HUMANMARK_EMBEDDED_REDIS:
            return None
        program = redis_server.find_redis_server()
        if program is None:
            raise StartError(redis_server.MISSING)
        if redis_server.end_leftover(settings.HUMANMARK_REDIS_SOCKET):
            self._say("Ended the Redis of an earlier start that had been killed.")
        return redis_part(program, var)

    def _prepare(self) -> Prepared:
        show = self._progress_line()
        prepared = prepare_site(show)
        show("", 0)
        # The parts open their own connections; an open one here would only be in their way.
        database = connections["default"]
        database.close()
        if isinstance(database, PostgresConnection):
            database.close_pool()
        return prepared

    def _welcome(self, var: Path, prepared: Prepared) -> None:
        lines = [
            *prepared.lines(),
            f"  Logs     {var / 'logs'}",
            *(f"  Address  {url}" for url in site_urls()),
            "Ctrl-C stops the site.",
        ]
        for line in lines:
            self._say(line)

    def _say(self, line: str) -> None:
        # The terminal may be gone; what has to be stopped must still be stopped.
        with suppress(OSError):
            self.stdout.write(line)
            self.stdout.flush()

    def _progress_line(self) -> Callable[[str, float], None]:
        """Shows a step and its share in a line that is overwritten; nothing where nobody watches."""

        def show(step: str, share: float) -> None:
            if self.stdout.isatty():
                text = f"  {share:4.0%} {step}"[:79] if step else ""
                self.stdout.write(f"\r\033[K{text}", ending="")
                self.stdout.flush()

        return show


def _stages(redis: Part | None, var: Path) -> list[Stage]:
    """Redis, then the web server alone, because on few cores each worker would delay the first page."""
    web, *workers = site_parts(var)
    stages = [Stage([web], _site_answers), Stage(workers, lambda: True)]
    if redis is not None:
        stages.insert(0, Stage([redis], lambda: redis_server.answers(settings.HUMANMARK_REDIS_SOCKET)))
    return stages


def site_urls() -> list[str]:
    """Where people find the site."""
    scheme = "https" if settings.HTTPS else "http"
    names = reachable_names(settings.HUMANMARK_HOST)
    if settings.HUMANMARK_HOST in EVERYWHERE:
        names = ["localhost", *names]
    return [f"{scheme}://{name}:{settings.HUMANMARK_PORT}/" for name in names]


def _site_answers() -> bool:
    host = settings.HUMANMARK_HOST
    address = "127.0.0.1" if host in EVERYWHERE else host.strip("[]")
    allowed = [name for name in settings.ALLOWED_HOSTS if name != "*"]
    own_name = bracketed(address)
    name = own_name if not allowed or own_name in allowed else allowed[0].lstrip(".")
    return is_healthy(address, settings.HUMANMARK_PORT, name)
