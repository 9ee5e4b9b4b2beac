"""A worker's side of a run's heartbeat: report, notice that the run is lost, bear a database that is away."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from benchmarks import runs, shutdown
from benchmarks.models import Run
from benchmarks.training_job import Tick

logger = logging.getLogger(__name__)

DATABASE_AWAY = (OperationalError, InterfaceError)
BACKGROUND_SECONDS = 5.0


class Heartbeats:
    """Reports the ticks of one run. After a tick that answered False, `is_lost` and `is_shutdown` say why."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.is_lost = False
        self.is_shutdown = False
        self._peak_bytes = 0
        self._failing_since: float | None = None

    def tick(self, tick: Tick) -> bool:
        """Store a tick. False: stop the training; the run is not ours any more, or the worker stops."""
        self._peak_bytes = max(self._peak_bytes, tick.rss_bytes)
        self.is_shutdown = shutdown.requested()
        if self.is_shutdown:
            return False
        beat = runs.Beat(
            stage=tick.stage,
            progress=tick.fraction,
            message=tick.message,
            log_tail=tick.log_tail,
            wall_seconds=tick.elapsed_seconds,
            peak_memory_bytes=self._peak_bytes or None,
        )
        self.is_lost = not self._store(beat)
        return not self.is_lost

    def _store(self, beat: runs.Beat) -> bool:
        try:
            is_ours = runs.heartbeat(self.run, beat, timezone.now())
        except DATABASE_AWAY as error:
            return self._bear(error)
        self._failing_since = None
        return is_ours

    def _bear(self, error: Exception) -> bool:
        """Go on without the database for as long as the reaper would leave the run to us."""
        connection.close_if_unusable_or_obsolete()
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
            logger.warning("heartbeat of %s not stored: %s", self.run, error)
        return now - self._failing_since < settings.HUMANMARK_STALE_SECONDS

    @contextmanager
    def in_background(self, stage: str) -> Iterator[None]:
        """Heartbeats from a thread, for a phase that cannot report by itself."""
        done = threading.Event()
        runs.touch(self.run, stage, timezone.now())
        thread = threading.Thread(target=self._touch_until, args=(done, stage), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _touch_until(self, done: threading.Event, stage: str) -> None:
        while not done.wait(BACKGROUND_SECONDS):
            try:
                runs.touch(self.run, stage, timezone.now())
            except DATABASE_AWAY as error:
                logger.warning("heartbeat of %s not stored: %s", self.run, error)
            finally:
                connection.close()
