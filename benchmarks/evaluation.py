"""Evaluating one run inside a worker: claim, train in a child, score, store.

The test labels are read here and nowhere near the child. Whatever goes wrong ends the run with a plain
reason, gives it back to the queue, or leaves it to the reaper.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Callable

from django.conf import settings
from django.db import connection
from django.utils import timezone

from benchmarks import runs
from benchmarks.child_process import Limits, Outcome, TrainingJob, run_training
from benchmarks.heartbeats import DATABASE_AWAY, Heartbeats
from benchmarks.models import Run
from benchmarks.runs import Ending, Result
from benchmarks.scoring import SCORER_VERSION, PredictionsError, score
from imagesets.library import ensure_imageset, open_imageset
from imagesets.specs import ImageSetError
from imagesets.store import NotPreparedError, PreparedSet

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
FILE_BYTES = 256 << 20
STORE_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)


class WrongImagesError(Exception):
    """This worker's copy of an image set is not the version that the run was queued for."""


def evaluate(public_id: uuid.UUID, worker: str) -> None:
    """Take up a queued run and bring it to an end; nothing happens if it is not queued."""
    run = runs.claim(public_id, worker, timezone.now())
    if run is None:
        logger.info("run %s is not queued: nothing to do", public_id)
        return
    logger.info("%s: attempt %d", run, run.attempt)
    try:
        _evaluate(run)
    except DATABASE_AWAY:
        logger.exception("%s: the database is away; the reaper takes the run up again", run)
    except (ImageSetError, WrongImagesError) as error:
        _fail(run, f"The images are not usable on this worker: {error}")
    except OSError as error:
        _fail(run, f"The worker could not do its part (nothing is wrong with the submission): {error}")
    except Exception as error:  # the run must not be left without a reason, whatever went wrong
        logger.exception("%s: error inside the platform", run)
        _fail(run, f"An error inside the platform, not in the submission: {type(error).__name__}: {error}")


def _evaluate(run: Run) -> None:
    heartbeats = Heartbeats(run)
    images = _images(run, heartbeats)
    outcome = run_training(_job(run, images), limits(), heartbeats.tick, tick_seconds=TICK_SECONDS)
    ending = _ending(outcome)
    if outcome.status == "done":
        _score(run, images, outcome, ending)
    elif outcome.status == "timed_out":
        _store(run, lambda: runs.time_out(run, _sentence(outcome.reason), ending, timezone.now()))
    elif outcome.status == "failed":
        _store(run, lambda: runs.finish_failed(run, _sentence(outcome.reason), ending, timezone.now()))
    elif heartbeats.is_shutdown:
        # Not sent from here: this worker might still take the message and die with it. The reaper sends it.
        message = "Its worker was stopped. Waiting for another one."
        _store(run, lambda: runs.hand_back(run, message))
    else:
        logger.info("%s was cancelled or given to another worker; its training was stopped", run)


def _images(run: Run, heartbeats: Heartbeats) -> PreparedSet:
    slug = run.submission.image_set
    try:
        images = open_imageset(slug)
    except NotPreparedError:
        with heartbeats.in_background("preparing the images"):
            images = ensure_imageset(slug)
    if run.image_set_digest and images.digest != run.image_set_digest:
        raise WrongImagesError(f"{slug} has digest {images.digest}, the run needs {run.image_set_digest}")
    return images


def _job(run: Run, images: PreparedSet) -> TrainingJob:
    return TrainingJob(
        spec=run.submission.spec,
        seed=run.seed,
        train_images=images.part_path("train-images"),
        train_labels=images.part_path("train-labels"),
        test_images=images.part_path("test-images"),
        n_classes=images.spec.n_classes,
        threads=threads(),
    )


def threads() -> int:
    """A run's share of the cores: all runs of this worker together keep each core busy once."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // settings.CELERY_WORKER_CONCURRENCY)


def limits() -> Limits:
    seconds, cores = settings.HUMANMARK_RUN_SECONDS, threads()
    return Limits(
        wall_seconds=seconds,
        cpu_seconds=seconds * cores,
        memory_bytes=settings.HUMANMARK_RUN_MEMORY_MB << 20,
        file_bytes=FILE_BYTES,
        processes=64 + 8 * cores,
    )


def _score(run: Run, images: PreparedSet, outcome: Outcome, ending: Ending) -> None:
    if outcome.predictions is None:
        _fail(run, "The training program ended well but left no predictions.", ending)
        return
    try:
        found = score(outcome.predictions, images.test_labels, images.spec.n_classes)
    except PredictionsError as error:
        _fail(run, f"The predictions cannot be scored: {error}", ending)
        return
    result = Result(
        n_images=found.n,
        n_correct=found.correct,
        accuracy=found.accuracy,
        interval=found.interval,
        per_class=list(found.per_class_recall),
        confusion=found.confusion.tolist(),
        labels=outcome.predictions.astype("uint8").tobytes(),
        scorer_version=SCORER_VERSION,
    )
    if _store(run, lambda: runs.finish_scored(run, result, ending, timezone.now())):
        logger.info("%s scored: %d of %d", run, found.correct, found.n)


def _fail(run: Run, reason: str, ending: Ending | None = None) -> None:
    _store(run, lambda: runs.finish_failed(run, reason, ending or Ending(), timezone.now()))


def _store(run: Run, write: Callable[[], bool]) -> bool:
    """Write an ending, trying again while the database is away for a moment."""
    for pause in (*STORE_PAUSES, None):
        try:
            if write():
                return True
        except DATABASE_AWAY as error:
            if pause is None:
                logger.exception("%s: its end could not be stored; the reaper takes the run up again", run)
                return False
            logger.warning("%s: its end is not stored yet: %s", run, error)
            connection.close_if_unusable_or_obsolete()
            time.sleep(pause)
        else:
            break
    logger.info("%s is not held by this worker any more; its result was dropped", run)
    return False


def _ending(outcome: Outcome) -> Ending:
    return Ending(
        log_tail=f"{outcome.log_tail}{outcome.traceback}",
        wall_seconds=outcome.wall_seconds,
        cpu_seconds=outcome.cpu_seconds,
        peak_memory_bytes=outcome.peak_memory_bytes or None,
        versions=outcome.versions,
        isolation=outcome.isolation,
    )


def _sentence(reason: str) -> str:
    """A reason as a sentence of its own."""
    text = reason.strip() or "no reason was given"
    return f"{text[0].upper()}{text[1:]}" + ("" if text.endswith(".") else ".")
