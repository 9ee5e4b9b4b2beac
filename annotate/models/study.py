"""Studies, their sampled images, and their results."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.crypto import get_random_string

from annotate.texts import DEFAULT_CONSENT, DEFAULT_INSTRUCTIONS

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

MAX_LABELS_PER_IMAGE = 100
SEED_LIMIT = 2**31 - 1
STUDY_STATES = ["draft", "open", "paused", "closed"]


def new_link_key() -> str:
    """The unguessable part of a study's link."""
    return get_random_string(12)


def new_seed() -> int:
    return secrets.randbelow(SEED_LIMIT)


class StudyQuerySet(models.QuerySet["Study"]):
    def joinable(self) -> StudyQuerySet:
        """Studies that a person can label in now, newest first."""
        return self.filter(state=Study.State.OPEN, is_simulated=False).order_by("-opened_at", "-pk")

    def with_slot_counts(self) -> StudyQuerySet:
        """Adds `slots_total` and `slots_filled`, each counted from the slots themselves."""
        return self.annotate(
            slots_total=models.Count("slots"),
            slots_filled=models.Count("slots", filter=Q(slots__filled_at__isnull=False)),
        )


class Study(models.Model):
    """A measurement of people: n sampled test images, K labels for each."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        OPEN = "open", "open"
        PAUSED = "paused", "paused"
        CLOSED = "closed", "closed"

    class Sampling(models.TextChoices):
        SIMPLE = "simple", "simple random"
        STRATIFIED = "stratified", "stratified by class"

    class GuestPolicy(models.TextChoices):
        GUESTS = "guests", "anyone with the link"
        MEMBERS = "members", "signed-in people only"

    link_key = models.CharField(max_length=24, unique=True, default=new_link_key, editable=False)
    title = models.CharField(max_length=120)
    image_set = models.CharField(max_length=64, help_text="Slug of the image set, e.g. fashion-mnist.")
    image_set_digest = models.CharField(max_length=64, blank=True, editable=False)
    sampling = models.CharField(max_length=12, choices=Sampling.choices, default=Sampling.SIMPLE)
    seed = models.BigIntegerField(
        default=new_seed,
        validators=[MinValueValidator(0), MaxValueValidator(SEED_LIMIT)],
        help_text="The sample is a function of image set, sampling, n and this number.",
    )
    n_images = models.PositiveIntegerField("images", default=1000, validators=[MinValueValidator(1)])
    labels_per_image = models.PositiveSmallIntegerField(
        "labels per image",
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_LABELS_PER_IMAGE)],
    )
    state = models.CharField(max_length=8, choices=State.choices, default=State.DRAFT, editable=False)
    instructions = models.TextField(default=DEFAULT_INSTRUCTIONS)
    consent_text = models.TextField(default=DEFAULT_CONSENT)
    consent_version = models.CharField(max_length=32, default="1")
    offers_cannot_tell = models.BooleanField(
        "offers “cannot tell”",
        default=False,
        help_text="Such an answer is stored, casts no vote, and its place goes to somebody else.",
    )
    images_per_annotator = models.PositiveIntegerField(
        "images per person",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="How many images one person labels at most; empty for no limit.",
    )
    guest_policy = models.CharField(max_length=8, choices=GuestPolicy.choices, default=GuestPolicy.GUESTS)
    is_simulated = models.BooleanField(
        "simulated",
        default=False,
        help_text="A rehearsal, answered by a program. Shown as simulated everywhere; people cannot join.",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)
    opened_at = models.DateTimeField(null=True, blank=True, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = StudyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "studies"
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=STUDY_STATES), name="study_state_known"),
            models.CheckConstraint(
                condition=Q(
                    labels_per_image__gte=1, labels_per_image__lte=MAX_LABELS_PER_IMAGE, n_images__gte=1
                ),
                name="study_size_in_range",
            ),
            models.CheckConstraint(
                condition=Q(state="draft") | Q(opened_at__isnull=False), name="study_opened_when_not_draft"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("annotate:study", args=[self.link_key])

    @property
    def total_per_annotator(self) -> int:
        """How many images one person can label at most."""
        return min(self.n_images, self.images_per_annotator or self.n_images)


class StudyImage(models.Model):
    """One sampled test image of a study. `position` is the order of the sample, which is random."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="images")
    image_index = models.PositiveIntegerField(help_text="Index in the test split.")
    position = models.PositiveIntegerField()

    class Meta:
        ordering = ["study", "position"]
        constraints = [
            models.UniqueConstraint(fields=["study", "image_index"], name="image_once_per_study"),
            models.UniqueConstraint(fields=["study", "position"], name="position_once_per_study"),
        ]

    def __str__(self) -> str:
        return f"image {self.image_index} of study {self.study_id}"


class StudyResultQuerySet(models.QuerySet["StudyResult"]):
    def visible_to(self, user: User | AnonymousUser) -> StudyResultQuerySet:
        """Of closed studies for everybody. Running numbers are for staff: whoever labels could change an
        answer, watch the accuracy, and learn the truth."""
        return self if user.is_staff else self.filter(study__state=Study.State.CLOSED)


class StudyResult(models.Model):
    """The human result of a study, computed from its counted annotations on images with all K labels.

    Written by `annotate.results`; pages and the leaderboard only read it.
    """

    study = models.OneToOneField(Study, on_delete=models.CASCADE, related_name="result")
    computed_at = models.DateTimeField()
    n_annotations = models.PositiveIntegerField()
    n_annotators = models.PositiveIntegerField()
    n_images = models.PositiveIntegerField(help_text="Images with all their labels.")
    is_complete = models.BooleanField(help_text="Every image of the study has all its labels.")
    accuracy = models.FloatField(null=True, help_text="Majority vote, expectation under random tie-break.")
    accuracy_worst = models.FloatField(null=True)
    accuracy_best = models.FloatField(null=True)
    interval_low = models.FloatField(null=True)
    interval_high = models.FloatField(null=True)
    tie_share = models.FloatField(null=True)
    single_accuracy = models.FloatField(
        null=True, help_text="Share of single counted answers that are right."
    )
    median_milliseconds = models.FloatField(null=True)
    per_class = models.JSONField(default=list)
    confusion = models.JSONField(default=list)

    objects = StudyResultQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(accuracy__isnull=True, n_images=0)
                | Q(
                    n_images__gt=0,
                    # Said aloud, because a comparison with NULL refuses nothing.
                    accuracy__isnull=False,
                    accuracy_worst__isnull=False,
                    accuracy_best__isnull=False,
                    accuracy_worst__gte=0,
                    accuracy__gte=F("accuracy_worst"),
                    accuracy_best__gte=F("accuracy"),
                    accuracy_best__lte=1,
                ),
                name="result_accuracy_in_range",
            )
        ]

    def __str__(self) -> str:
        return f"result of {self.study_id}"
