"""The records of the people's half: studies, their images and slots, annotators and annotations.

Every rule that must never break is a database constraint here; `annotate.assignment` owns the transactions.
"""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.crypto import get_random_string

from annotate.texts import DEFAULT_CONSENT, DEFAULT_INSTRUCTIONS

MAX_CLASSES = 100
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
        slots = Slot.objects.filter(study=models.OuterRef("pk")).order_by().values("study")
        count = models.Count("pk")
        return self.annotate(
            slots_total=_subquery_count(slots.annotate(n=count).values("n")),
            slots_filled=_subquery_count(slots.filter(filled_at__isnull=False).annotate(n=count).values("n")),
        )


def _subquery_count(counts: models.QuerySet[Any, Any]) -> Coalesce:
    return Coalesce(models.Subquery(counts, output_field=models.IntegerField()), models.Value(0))


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


class Annotator(models.Model):
    """A pseudonymous person in one study. The row is made when the person agrees to the consent text."""

    class State(models.TextChoices):
        ACTIVE = "active", "active"
        EXCLUDED = "excluded", "excluded"
        WITHDRAWN = "withdrawn", "withdrawn"

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="annotators")
    pseudonym = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    guest_key = models.UUIDField(null=True, blank=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    state = models.CharField(max_length=10, choices=State.choices, default=State.ACTIVE)
    state_reason = models.CharField(max_length=200, blank=True)
    is_simulated = models.BooleanField("simulated", default=False, editable=False)
    consented_at = models.DateTimeField(editable=False)
    consent_version = models.CharField(max_length=32, editable=False)
    order_seed = models.BigIntegerField(default=new_seed, editable=False)
    draws = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text="How often images were drawn; with the seed, the places drawn from.",
    )

    class Meta:
        ordering = ["study", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["study", "user"],
                condition=Q(user__isnull=False),
                name="one_annotator_per_user_and_study",
            ),
            models.UniqueConstraint(
                fields=["study", "guest_key"],
                condition=Q(guest_key__isnull=False),
                name="one_annotator_per_guest_and_study",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["active", "excluded", "withdrawn"]), name="annotator_state_known"
            ),
        ]

    def __str__(self) -> str:
        kind = "simulated annotator" if self.is_simulated else "annotator"
        return f"{kind} {str(self.pseudonym)[:8]}"


class SlotQuerySet(models.QuerySet["Slot"]):
    def free(self) -> SlotQuerySet:
        return self.filter(annotator__isnull=True)

    def run_out(self, now: datetime) -> SlotQuerySet:
        """Lent, not filled, and the lease is over."""
        return self.filter(filled_at__isnull=True, leased_until__lt=now)

    def filled(self) -> SlotQuerySet:
        return self.filter(filled_at__isnull=False)


class Slot(models.Model):
    """One of the K places for an answer on a study image; what makes K exact.

    Free: no annotator. Lent: annotator and `leased_until`. Filled: annotator and `filled_at`, no lease.
    `shuffle` is random; a person's draws start at random points of it, so everybody has their own order and
    lending stays one index look-up however large the study is.
    """

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="slots")
    study_image = models.ForeignKey(StudyImage, on_delete=models.CASCADE, related_name="slots")
    number = models.PositiveSmallIntegerField()
    shuffle = models.PositiveIntegerField()
    annotator = models.ForeignKey(
        Annotator, null=True, blank=True, on_delete=models.PROTECT, related_name="slots"
    )
    leased_until = models.DateTimeField(null=True, blank=True)
    filled_at = models.DateTimeField(null=True, blank=True)

    objects = SlotQuerySet.as_manager()

    class Meta:
        ordering = ["study_image", "number"]
        constraints = [
            models.UniqueConstraint(fields=["study_image", "number"], name="slot_number_once_per_image"),
            models.UniqueConstraint(
                fields=["study_image", "annotator"],
                condition=Q(annotator__isnull=False),
                name="nobody_twice_on_an_image",
            ),
            models.CheckConstraint(
                condition=(
                    Q(annotator__isnull=True, leased_until__isnull=True, filled_at__isnull=True)
                    | Q(annotator__isnull=False, leased_until__isnull=False, filled_at__isnull=True)
                    | Q(annotator__isnull=False, leased_until__isnull=True, filled_at__isnull=False)
                ),
                name="slot_is_free_lent_or_filled",
            ),
        ]
        indexes = [
            models.Index(
                fields=["study", "shuffle"], condition=Q(annotator__isnull=True), name="slot_free_by_shuffle"
            ),
            models.Index(
                fields=["study", "leased_until"],
                condition=Q(filled_at__isnull=True),
                name="slot_lent_by_lease",
            ),
            models.Index(fields=["study", "filled_at"], name="slot_by_filling"),
        ]

    def __str__(self) -> str:
        return f"slot {self.number} of {self.study_image_id}"


class Annotation(models.Model):
    """A person's answer on a study image. It counts exactly when it sits in a slot.

    `choice` is a class index, or null for "cannot tell". An answer without a slot is kept and says why it is
    not counted: the slot had been lent on (extra), or it casts no vote (cannot tell).
    """

    class Outcome(models.TextChoices):
        COUNTED = "counted", "counted"
        EXTRA = "extra", "kept as extra"
        CANNOT_TELL = "cannot_tell", "cannot tell"

    study_image = models.ForeignKey(StudyImage, on_delete=models.PROTECT, related_name="annotations")
    annotator = models.ForeignKey(Annotator, on_delete=models.PROTECT, related_name="annotations")
    slot = models.OneToOneField(
        Slot, null=True, blank=True, on_delete=models.PROTECT, related_name="annotation"
    )
    outcome = models.CharField(max_length=12, choices=Outcome.choices)
    choice = models.PositiveSmallIntegerField(null=True, blank=True)
    revision = models.PositiveIntegerField(default=0, help_text="How often the person changed this answer.")
    client_id = models.UUIDField(help_text="Made by the browser; sending it again changes nothing.")
    milliseconds = models.PositiveIntegerField(help_text="Image visible to key, hidden-tab time taken out.")
    answered_at = models.DateTimeField()
    screen_width = models.PositiveIntegerField(default=0)
    image_scale = models.PositiveSmallIntegerField(default=0, help_text="Screen pixels per image pixel.")
    is_touch = models.BooleanField(default=False)

    class Meta:
        ordering = ["study_image", "annotator"]
        constraints = [
            models.UniqueConstraint(
                fields=["study_image", "annotator"], name="one_answer_per_person_and_image"
            ),
            models.UniqueConstraint(fields=["annotator", "client_id"], name="one_answer_per_client_id"),
            models.CheckConstraint(
                condition=Q(choice__isnull=True) | Q(choice__lt=MAX_CLASSES), name="choice_is_a_class"
            ),
            models.CheckConstraint(
                condition=(
                    Q(outcome="counted", slot__isnull=False, choice__isnull=False)
                    | Q(outcome="extra", slot__isnull=True)
                    | Q(outcome="cannot_tell", slot__isnull=True, choice__isnull=True)
                ),
                name="counted_exactly_when_in_a_slot",
            ),
        ]
        indexes = [models.Index(fields=["annotator", "answered_at"], name="annotation_by_person")]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()} answer {self.pk}"


class ReplacedAnswer(models.Model):
    """What an annotation said before the person changed it."""

    annotation = models.ForeignKey(Annotation, on_delete=models.CASCADE, related_name="replaced")
    revision = models.PositiveIntegerField()
    choice = models.PositiveSmallIntegerField(null=True, blank=True)
    client_id = models.UUIDField()
    milliseconds = models.PositiveIntegerField()
    answered_at = models.DateTimeField()

    class Meta:
        ordering = ["annotation", "revision", "pk"]
        constraints = [
            # Each of two tabs counts its own revisions, so only the client id tells answers apart.
            models.UniqueConstraint(
                fields=["annotation", "client_id"], name="replaced_answer_once_per_client_id"
            )
        ]

    def __str__(self) -> str:
        return f"revision {self.revision} of {self.annotation_id}"


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
