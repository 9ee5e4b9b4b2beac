"""What a worker does with a run, with a stand-in for the training child; one test trains for real."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from pytest_django import Settings
from sklearn.neighbors import NearestCentroid

from benchmarks import evaluation, runs, shutdown
from benchmarks.evaluation import evaluate
from benchmarks.models import Run, RunPredictions
from benchmarks.tasks import evaluate_run
from benchmarks.training_job import Limits, Outcome, Tick, TrainingJob
from imagesets.library import ensure_imageset
from imagesets.specs import ImageSetError
from tests.benchmarks.records import DIGITS_TEST_IMAGES, NOW, make_run, take_up

pytestmark = pytest.mark.django_db

TICK = Tick("fitting", 0.5, "half way", "a line\n", 1000, 1.5)
Training = Callable[[TrainingJob, Limits, Callable[[Tick], bool]], Outcome]


def outcome(status: str = "done", reason: str = "", **fields: Any) -> Outcome:
    facts: dict[str, Any] = {
        "log_tail": "the log", "wall_seconds": 2.0, "cpu_seconds": 1.5, "peak_memory_bytes": 4096,
        "versions": {"numpy": "2"}, "isolation": "limits only",
    }  # fmt: skip
    return Outcome(status=status, reason=reason, **{**facts, **fields})  # type: ignore[arg-type]


def truth() -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.asarray(ensure_imageset("digits").test_labels).astype(np.int64)


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> Callable[[Training], None]:
    """Put a function in the place of the training child."""

    def use(training: Training) -> None:
        def run_training(
            job: TrainingJob, limits: Limits, on_tick: Callable[[Tick], bool], *, tick_seconds: float
        ) -> Outcome:
            return training(job, limits, on_tick)

        monkeypatch.setattr(evaluation, "run_training", run_training)
        monkeypatch.setattr(evaluation, "STORE_PAUSES", (0.0, 0.0))

    return use


Use = Callable[[Training], None]


def test_predictions_are_scored_against_the_test_labels(train: Use, owner: User) -> None:
    predictions = truth()
    predictions[:60] = (predictions[:60] + 1) % 10
    train(lambda job, limits, on_tick: outcome(predictions=predictions))
    evaluate(make_run(owner).public_id, "worker-1")
    run = Run.objects.get()
    assert (run.state, run.n_correct, run.n_images) == ("scored", 540, DIGITS_TEST_IMAGES)
    assert run.accuracy == 540 / DIGITS_TEST_IMAGES
    assert np.trace(np.array(run.confusion)) == 540
    assert bytes(RunPredictions.objects.get().labels) == predictions.astype(np.uint8).tobytes()
    assert (run.worker, run.isolation, run.versions) == ("worker-1", "limits only", {"numpy": "2"})


def test_the_child_is_given_no_test_labels(train: Use, owner: User) -> None:
    jobs: list[TrainingJob] = []

    def training(job: TrainingJob, limits: Limits, on_tick: Callable[[Tick], bool]) -> Outcome:
        jobs.append(job)
        return outcome(predictions=truth())

    train(training)
    evaluate(make_run(owner, seed=5).public_id, "worker-1")
    assert "test-labels" not in repr(jobs[0])
    assert (jobs[0].seed, jobs[0].n_classes, jobs[0].test_images.name) == (5, 10, "test-images.npy")


def test_a_second_delivery_while_the_run_goes_on_does_nothing(train: Use, owner: User) -> None:
    trained: list[int] = []

    def training(job: TrainingJob, limits: Limits, on_tick: Callable[[Tick], bool]) -> Outcome:
        trained.append(1)
        evaluate(run.public_id, "worker-2")
        return outcome(predictions=truth())

    train(training)
    run = make_run(owner)
    evaluate(run.public_id, "worker-1")
    evaluate(run.public_id, "worker-3")
    assert trained == [1]
    assert Run.objects.get().worker == "worker-1"


@pytest.mark.parametrize(("status", "state"), [("failed", "failed"), ("timed_out", "timed_out")])
def test_an_unhappy_end_is_stored_with_its_reason(status: str, state: str, train: Use, owner: User) -> None:
    train(lambda job, limits, on_tick: outcome(status, "it used more than the 64 MB of memory allowed"))
    evaluate(make_run(owner).public_id, "worker-1")
    run = Run.objects.get()
    assert (run.state, run.reason) == (state, "It used more than the 64 MB of memory allowed.")
    assert (run.log_tail, run.peak_memory_bytes) == ("the log", 4096)


def test_a_tick_reaches_the_page_and_keeps_the_highest_memory(train: Use, owner: User) -> None:
    def training(job: TrainingJob, limits: Limits, on_tick: Callable[[Tick], bool]) -> Outcome:
        assert on_tick(Tick("fitting", 0.1, "", "", 5000, 1.0))
        assert on_tick(TICK)
        run = Run.objects.get()
        assert (run.progress, run.message, run.log_tail) == (0.5, "half way", "a line\n")
        assert run.peak_memory_bytes == 5000
        return outcome("failed", "enough")

    train(training)
    evaluate(make_run(owner).public_id, "worker-1")
    assert Run.objects.get().state == "failed"


def test_a_cancelled_run_stops_its_child_at_the_next_tick(train: Use, owner: User) -> None:
    def training(job: TrainingJob, limits: Limits, on_tick: Callable[[Tick], bool]) -> Outcome:
        assert on_tick(TICK)
        runs.cancel(Run.objects.get(), "Cancelled by owner.", NOW)
        assert not on_tick(TICK)
        return outcome("stopped", "stopped on request")

    train(training)
    evaluate(make_run(owner).public_id, "worker-1")
    assert (Run.objects.get().state, Run.objects.get().reason) == ("cancelled", "Cancelled by owner.")


def test_a_run_given_to_another_worker_takes_no_result_from_the_first(train: Use, owner: User) -> None:
    def training(job: TrainingJob, limits: Limits, on_tick: Callable[[Tick], bool]) -> Outcome:
        runs.requeue_dead(Run.objects.get(), "The worker is silent.")
        take_up(Run.objects.get(), worker="worker-2")
        return outcome(predictions=truth())

    train(training)
    evaluate(make_run(owner).public_id, "worker-1")
    run = Run.objects.get()
    assert (run.state, run.worker, run.accuracy) == ("running", "worker-2", None)


def test_a_worker_that_is_told_to_stop_gives_the_run_back(train: Use, owner: User) -> None:
    def training(job: TrainingJob, limits: Limits, on_tick: Callable[[Tick], bool]) -> Outcome:
        shutdown.request()
        assert not on_tick(TICK)
        return outcome("stopped", "stopped on request")

    train(training)
    evaluate(make_run(owner).public_id, "worker-1")
    run = Run.objects.get()
    assert (run.state, run.attempt, run.sent_at) == ("queued", 0, None)


def failing(times: int, action: Callable[..., Any]) -> Callable[..., Any]:
    """The action, whose first calls find the database away."""
    left = [times]

    def act(*args: Any, **kwargs: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise OperationalError("the database is away")
        return action(*args, **kwargs)

    return act


@pytest.mark.django_db(transaction=True)
def test_heartbeats_bear_a_database_that_is_away_for_a_moment(
    train: Use, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def training(job: TrainingJob, limits: Limits, on_tick: Callable[[Tick], bool]) -> Outcome:
        assert all(on_tick(TICK) for _ in range(4))
        return outcome(predictions=truth())

    train(training)
    monkeypatch.setattr(runs, "heartbeat", failing(3, runs.heartbeat))
    evaluate(make_run(owner).public_id, "worker-1")
    assert Run.objects.get().state == "scored"


@pytest.mark.django_db(transaction=True)
def test_a_database_that_stays_away_ends_the_training(
    train: Use, owner: User, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    def training(job: TrainingJob, limits: Limits, on_tick: Callable[[Tick], bool]) -> Outcome:
        assert not on_tick(TICK)
        return outcome("stopped", "stopped on request")

    train(training)
    settings.HUMANMARK_STALE_SECONDS = 0
    monkeypatch.setattr(runs, "heartbeat", failing(9, runs.heartbeat))
    evaluate(make_run(owner).public_id, "worker-1")
    assert Run.objects.get().state == "running"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("failures", "state"), [(2, "scored"), (3, "running")])
def test_the_end_is_written_again_while_the_database_is_away_and_else_left_to_the_reaper(
    failures: int, state: str, train: Use, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(lambda job, limits, on_tick: outcome(predictions=truth()))
    monkeypatch.setattr(runs, "finish_scored", failing(failures, runs.finish_scored))
    evaluate(make_run(owner).public_id, "worker-1")
    assert Run.objects.get().state == state


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ImageSetError("no source has digits"),
            "The images are not usable on this worker: no source has digits",
        ),
        (OSError(28, "No space left on device"), "The worker could not do its part"),
        (ZeroDivisionError("division by zero"), "An error inside the platform, not in the submission"),
    ],
)
def test_whatever_goes_wrong_the_run_says_so(error: Exception, words: str, train: Use, owner: User) -> None:
    def training(job: TrainingJob, limits: Limits, on_tick: Callable[[Tick], bool]) -> Outcome:
        raise error

    train(training)
    evaluate(make_run(owner).public_id, "worker-1")
    run = Run.objects.get()
    assert run.state == "failed"
    assert run.reason.startswith(words)


def test_predictions_of_the_wrong_length_fail_the_run(train: Use, owner: User) -> None:
    train(lambda job, limits, on_tick: outcome(predictions=np.zeros(3, dtype=np.int64)))
    evaluate(make_run(owner).public_id, "worker-1")
    assert Run.objects.get().reason.startswith("The predictions cannot be scored: 600 predictions are needed")


def test_another_version_of_the_images_is_refused(train: Use, owner: User) -> None:
    train(lambda job, limits, on_tick: outcome(predictions=truth()))
    evaluate(make_run(owner, image_set_digest="f" * 64).public_id, "worker-1")
    run = Run.objects.get()
    assert run.state == "failed"
    assert "the run needs ffff" in run.reason


def test_each_run_gets_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)))
    settings.CELERY_WORKER_CONCURRENCY = 3
    assert evaluation.threads() == 2
    settings.CELERY_WORKER_CONCURRENCY = 16
    assert evaluation.threads() == 1


def test_the_limits_are_those_of_the_settings(settings: Settings) -> None:
    settings.HUMANMARK_RUN_SECONDS, settings.HUMANMARK_RUN_MEMORY_MB = 60, 512
    limits = evaluation.limits()
    assert (limits.wall_seconds, limits.memory_bytes) == (60, 512 << 20)
    assert limits.cpu_seconds == 60 * evaluation.threads()


@pytest.mark.parametrize("message", [None, 7, "nonsense", "", str(uuid.UUID(int=1)), ["a"], {"x": 1}])
def test_a_nonsense_message_is_ignored(message: object) -> None:
    evaluate_run.run(message)
    assert not Run.objects.exists()


def test_a_real_child_gives_the_accuracy_of_bare_scikit_learn(owner: User) -> None:
    images = ensure_imageset("digits")
    flat = images.train_images.reshape(len(images.train_images), -1).astype(float)
    bare = NearestCentroid().fit(flat, images.train_labels)
    expected = bare.score(
        images.test_images.reshape(DIGITS_TEST_IMAGES, -1).astype(float), images.test_labels
    )
    evaluate(make_run(owner).public_id, "worker-1")
    run = Run.objects.get()
    assert (run.state, run.reason) == ("scored", "")
    assert run.accuracy == expected
    assert run.versions["sklearn"]
