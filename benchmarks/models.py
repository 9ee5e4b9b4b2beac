"""The records of the models' half: submissions, their runs, and results claimed elsewhere.

A run's state changes only through the guarded updates of `benchmarks.runs`.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from annotate.intervals import wilson_interval
from benchmarks.precision import decimals_for, published_decimals

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

SEED_LIMIT = 2**31 - 1


class SubmissionQuerySet(models.QuerySet["Submission"]):
    def visible_to(self, user: User | AnonymousUser) -> SubmissionQuerySet:
        """Published ones, one's own, and for staff all."""
        if user.is_staff:
            return self
        published = Q(state=Submission.State.PUBLISHED)
        return self.filter(published | Q(owner=user.pk) if user.is_authenticated else published)

    def editable_by(self, user: User | AnonymousUser) -> SubmissionQuerySet:
        if user.is_staff:
            return self
        return self.filter(owner=user.pk) if user.is_authenticated else self.none()

    def with_runs(self) -> SubmissionQuerySet:
        """With all runs, newest first, as far as lists show them (one more query)."""
        runs = Run.objects.order_by("-queued_at", "-pk")
        return self.prefetch_related(
            models.Prefetch("runs", runs.defer("log_tail", "per_class", "confusion", "versions"))
        )


class Submission(models.Model):
    """A model that somebody wants evaluated, or a result claimed elsewhere."""

    class Kind(models.TextChoices):
        SKLEARN = "sklearn", "scikit-learn estimator"
        CLAIMED = "claimed", "claimed elsewhere"

    class State(models.TextChoices):
        PRIVATE = "private", "only its owner sees it"
        PUBLISHED = "published", "on the leaderboard"
        WITHDRAWN = "withdrawn", "withdrawn by its owner"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="submissions"
    )
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    image_set = models.CharField(max_length=64, db_index=True)
    spec = models.JSONField(default=dict, blank=True)
    spec_digest = models.CharField(max_length=64, blank=True, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PUBLISHED)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SubmissionQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["sklearn", "claimed"]), name="submission_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["private", "published", "withdrawn"]), name="submission_state_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("benchmarks:submission", args=[self.public_id])


class RunQuerySet(models.QuerySet["Run"]):
    def visible_to(self, user: User | AnonymousUser) -> RunQuerySet:
        return self.filter(submission__in=Submission.objects.visible_to(user))

    def editable_by(self, user: User | AnonymousUser) -> RunQuerySet:
        return self.filter(submission__in=Submission.objects.editable_by(user))

    def for_page(self) -> RunQuerySet:
        """With everything that a run's page and record show."""
        return self.select_related("submission__owner")

    def waiting(self) -> RunQuerySet:
        """In the order in which workers take them up."""
        return self.filter(state=Run.State.QUEUED).order_by("queued_at", "pk")

    def best_of_published(self, image_set: str) -> RunQuerySet:
        """The best scored run of every published submission."""
        scored = Run.objects.filter(state=Run.State.SCORED, submission=models.OuterRef("submission"))
        best = scored.order_by("-accuracy", "finished_at", "pk").values("pk")[:1]
        return (
            self.filter(
                state=Run.State.SCORED,
                submission__state=Submission.State.PUBLISHED,
                submission__image_set=image_set,
                pk=models.Subquery(best),
            )
            .select_related("submission__owner")
            .defer("log_tail", "per_class", "confusion", "versions")
        )

    def scored_per_submission(self, image_set: str) -> dict[int, int]:
        """How many scored runs each submission of an image set has."""
        scored = self.filter(state=Run.State.SCORED, submission__image_set=image_set).order_by()
        return dict(scored.values_list("submission").annotate(n=models.Count("pk")))


class Run(models.Model):
    """One try to evaluate a submission with one seed on one image set.

    `claim` names the worker's hold on the run: every write of a worker is guarded by it, so a worker that was
    given up on can no longer change anything.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "waiting for a worker"
        RUNNING = "running", "a worker holds it and its heartbeat is fresh"
        SCORED = "scored", "finished with a score"
        FAILED = "failed", "finished without a score; the reason says why"
        CANCELLED = "cancelled", "stopped by its owner"
        TIMED_OUT = "timed_out", "stopped at the time limit"

    ENDED = (State.SCORED, State.FAILED, State.CANCELLED, State.TIMED_OUT)

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, related_name="runs")
    seed = models.BigIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    reason = models.TextField(blank=True, help_text="Why it ended, in plain words.")
    attempt = models.PositiveSmallIntegerField(default=0, help_text="How many workers have taken it up.")
    claim = models.UUIDField(null=True, blank=True)
    worker = models.CharField(max_length=120, blank=True)
    queued_at = models.DateTimeField()
    sent_at = models.DateTimeField(
        null=True, blank=True, help_text="When its message was last put in the queue; empty if it never was."
    )
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    stage = models.CharField(max_length=40, blank=True)
    progress = models.FloatField(null=True, blank=True)
    message = models.CharField(max_length=200, blank=True)
    log_tail = models.TextField(blank=True)
    wall_seconds = models.FloatField(null=True, blank=True)
    cpu_seconds = models.FloatField(null=True, blank=True)
    peak_memory_bytes = models.BigIntegerField(null=True, blank=True)
    isolation = models.CharField(max_length=120, blank=True)
    versions = models.JSONField(default=dict, blank=True)
    image_set_digest = models.CharField(max_length=64, blank=True)
    scorer_version = models.CharField(max_length=16, blank=True)
    n_images = models.PositiveIntegerField(null=True, blank=True)
    n_correct = models.PositiveIntegerField(null=True, blank=True)
    accuracy = models.FloatField(null=True, blank=True)
    interval_low = models.FloatField(null=True, blank=True)
    interval_high = models.FloatField(null=True, blank=True)
    per_class = models.JSONField(default=list, blank=True)
    confusion = models.JSONField(default=list, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-queued_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running", "scored", "failed", "cancelled", "timed_out"]),
                name="run_state_known",
            ),
            models.CheckConstraint(condition=Q(seed__gte=0, seed__lte=SEED_LIMIT), name="run_seed_in_range"),
            models.CheckConstraint(
                condition=Q(
                    state="scored",
                    accuracy__gte=0,
                    accuracy__lte=1,
                    n_correct__isnull=False,
                    n_images__gt=0,
                    n_correct__lte=models.F("n_images"),
                )
                | (~Q(state="scored") & Q(accuracy__isnull=True)),
                name="run_has_a_score_exactly_when_scored",
            ),
            models.CheckConstraint(
                condition=~Q(state="running") | Q(claim__isnull=False, heartbeat_at__isnull=False),
                name="running_run_has_claim_and_heartbeat",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running"], finished_at__isnull=True)
                | Q(state__in=["scored", "failed", "cancelled", "timed_out"], finished_at__isnull=False),
                name="run_is_finished_exactly_when_ended",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "queued_at"], name="run_by_state"),
            models.Index(fields=["submission", "-accuracy"], name="run_best_of_submission"),
        ]

    def __str__(self) -> str:
        return f"run {str(self.public_id)[:8]}"

    def get_absolute_url(self) -> str:
        return reverse("benchmarks:run", args=[self.public_id])

    @property
    def has_ended(self) -> bool:
        return self.state in self.ENDED

    @property
    def state_word(self) -> str:
        """The state in one or two words (its label is a whole explanation)."""
        return self.state.replace("_", " ")

    @property
    def decimals(self) -> int:
        """Decimals of its percentages."""
        return decimals_for(self.n_images)

    def run_record(self) -> dict[str, Any]:
        """What somebody needs to repeat this run and compare."""
        return {
            "spec": self.submission.spec,
            "spec_digest": self.submission.spec_digest,
            "seed": self.seed,
            "image_set": self.submission.image_set,
            "image_set_digest": self.image_set_digest,
            "versions": self.versions,
            "scorer_version": self.scorer_version,
            "isolation": self.isolation,
            "attempt": self.attempt,
            "wall_seconds": self.wall_seconds,
            "cpu_seconds": self.cpu_seconds,
            "peak_memory_bytes": self.peak_memory_bytes,
        }


class RunPredictions(models.Model):
    """The answers of a scored run: one byte per test image (class index)."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="predictions")
    labels = models.BinaryField()

    def __str__(self) -> str:
        return f"predictions of {self.run_id}"


class ClaimQuerySet(models.QuerySet["Claim"]):
    def published_on(self, image_set: str) -> ClaimQuerySet:
        return self.filter(
            submission__image_set=image_set, submission__state=Submission.State.PUBLISHED
        ).select_related("submission")


class Claim(models.Model):
    """A published number that nobody checked here, with its source."""

    submission = models.OneToOneField(Submission, on_delete=models.CASCADE, related_name="claim")
    accuracy = models.FloatField()
    n_images = models.PositiveIntegerField(null=True, blank=True, help_text="Test images behind the number.")
    is_human = models.BooleanField(default=False)
    submitter = models.CharField(max_length=120, blank=True)
    source = models.CharField(max_length=200)
    source_url = models.URLField(max_length=400, blank=True)
    details = models.TextField(blank=True)
    key = models.CharField(
        max_length=64, unique=True, help_text="Loading the same source again adds nothing."
    )

    objects = ClaimQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(accuracy__gte=0, accuracy__lte=1), name="claim_accuracy_in_range"
            ),
            models.CheckConstraint(
                condition=Q(n_images__isnull=True) | Q(n_images__gte=1),
                name="claim_has_images_or_does_not_say",
            ),
        ]

    def __str__(self) -> str:
        return f"claim {self.accuracy}"

    @property
    def decimals(self) -> int:
        """Decimals of its percentages."""
        return published_decimals(self.accuracy)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Computed here: the 95 % Wilson interval of the published number."""
        if not self.n_images:
            return None
        return wilson_interval(min(self.accuracy * self.n_images, self.n_images), self.n_images)
