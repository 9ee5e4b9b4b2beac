"""People in a study, the slots they are lent, and their answers."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q

from annotate.models.study import Study, StudyImage, new_seed

MAX_CLASSES = 100


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
    """What an annotation said before the person changed it; each of two tabs counts its own revisions."""

    annotation = models.ForeignKey(Annotation, on_delete=models.CASCADE, related_name="replaced")
    revision = models.PositiveIntegerField()
    choice = models.PositiveSmallIntegerField(null=True, blank=True)
    client_id = models.UUIDField()
    milliseconds = models.PositiveIntegerField()
    answered_at = models.DateTimeField()

    class Meta:
        ordering = ["annotation", "revision", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["annotation", "client_id"], name="replaced_answer_once_per_client_id"
            )
        ]

    def __str__(self) -> str:
        return f"revision {self.revision} of {self.annotation_id}"
