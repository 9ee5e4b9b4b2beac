"""The Celery application: `celery -A config worker`."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any

from celery import Celery
from celery.signals import beat_embedded_init, beat_init, worker_init, worker_process_init, worker_ready
from celery.worker import state

from config.lifeline import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

CLOCK_WATCH_SECONDS = 2

app = Celery("humanmark")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
@beat_init.connect
def _refuse_unsafe_production(**kwargs: Any) -> None:
    from django.core.exceptions import ImproperlyConfigured

    from config.checks import refuse_unsafe_production

    try:
        refuse_unsafe_production()
    except ImproperlyConfigured as error:
        # Celery logs other exceptions of a signal's receivers and goes on.
        raise SystemExit(f"Error: {error}") from None


@worker_process_init.connect
@beat_embedded_init.connect
def _end_with_the_worker(**kwargs: Any) -> None:
    """A worker killed with -9 cannot end its pool and its clock; the kernel does it."""
    die_with_parent()


@worker_ready.connect
def _end_without_the_clock(sender: Any, **kwargs: Any) -> None:
    """A worker started with -B ends when its clock process dies, so that its supervisor starts both again."""
    clock = sender.controller.beat
    if clock is not None:
        threading.Thread(target=_watch, args=(clock,), name="clock-watch", daemon=True).start()


def _watch(clock: Any) -> None:
    while clock.is_alive():
        time.sleep(CLOCK_WATCH_SECONDS)
    if not state.should_stop and not state.should_terminate:
        logging.getLogger(__name__).error("The clock process is gone; ending this worker.")
        os._exit(os.EX_SOFTWARE)
