"""Lending and filling slots: the transactions that make K exact and lose no answer.

Two rules hold everywhere here. A slot changes hands only by an update that names the state it leaves, and a
person's own requests are one after another, because each first locks the person's row.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from annotate.models import Annotation, Annotator, ReplacedAnswer, Slot, SlotQuerySet, Study

LEASE = timedelta(minutes=10)
SHUFFLE_RANGE = 2**31 - 1
# Free slots of one image may lie side by side; looking at a few more than wanted finds distinct images.
SPARE_CANDIDATES = 8

ACCEPTS_ANSWERS = (Study.State.OPEN, Study.State.PAUSED)


@dataclass(frozen=True)
class Answer:
    """One key press as the browser sent it, already checked for type and range.

    choice: class index, or None for "cannot tell". revision: 0, then 1, 2, ... for changes of the same image.
    """

    slot_id: int
    client_id: uuid.UUID
    choice: int | None
    revision: int
    milliseconds: int
    screen_width: int = 0
    image_scale: int = 0
    is_touch: bool = False


@dataclass(frozen=True)
class Handout:
    """What a person holds after a request.

    slots: lent and unanswered, with their study image; answered: images this person has answered;
    is_finished: nothing is left that could be lent to this person, now or by waiting for a lease to end.
    """

    slots: list[Slot]
    answered: int
    is_finished: bool


def answer_and_lend(
    annotator_id: int, answers: Sequence[Answer], holding: Sequence[int], wanted: int, now: datetime
) -> Handout:
    """Store the answers and lend up to `wanted` slots that are not in `holding`, in one transaction.

    Sending the same answers again changes nothing. Answers for slots that are no longer this person's are
    kept as extra. Slots the person already holds are handed out (again) before new ones are drawn.
    """
    with transaction.atomic():
        # The update is the lock: a second tab of the same person waits here.
        Annotator.objects.filter(pk=annotator_id).update(draws=F("draws") + 1)
        annotator = Annotator.objects.select_related("study").get(pk=annotator_id)
        slots = _lock_slots(annotator, {answer.slot_id for answer in answers})
        _store(annotator, slots, answers, now)
        return _hand_out(annotator, set(holding), wanted, now)


def can_go_on(annotator: Annotator) -> bool:
    """Whether there is an image that this person could label, now or after waiting for a lease to end."""
    study = annotator.study
    if study.state != Study.State.OPEN or annotator.state != Annotator.State.ACTIVE:
        return False
    if Slot.objects.filter(annotator=annotator, filled_at__isnull=True).exists():
        return True
    answered = Annotation.objects.filter(annotator=annotator).count()
    unfilled = _slots_for(annotator).filter(filled_at__isnull=True)
    return answered < study.total_per_annotator and unfilled.exists()


def release_lent_slots(study: Study) -> int:
    """Take back every slot that is lent and not filled; how many.

    Waits for the requests of the study's people that are under way, so that whatever they found the study's
    state to be, they are done with it.
    """
    with transaction.atomic():
        list(Annotator.objects.filter(study=study).order_by("pk").select_for_update().values_list("pk"))
        lent = Slot.objects.filter(study=study, annotator__isnull=False, filled_at__isnull=True)
        ids = list(_locked(lent.order_by("pk")).values_list("pk", flat=True))
        return Slot.objects.filter(pk__in=ids, filled_at__isnull=True).update(
            annotator=None, leased_until=None
        )


# --- storing ------------------------------------------------------------------------------------------------


def _lock_slots(annotator: Annotator, asked_ids: set[int]) -> dict[int, Slot]:
    """The slots that a message names, after locking every slot that this request may write before it draws.

    One statement in the order of the keys: two people whose messages name each other's slots (lent on since)
    wait for one another instead of deadlocking. Drawing never waits.
    """
    asked = Slot.objects.filter(pk__in=asked_ids, study=annotator.study_id)
    if not connection.features.has_select_for_update_skip_locked:
        return {slot.pk: slot for slot in asked} if asked_ids else {}
    still_mine = Q(filled_at__isnull=True) | Q(study_image__in=asked.values("study_image"))
    touched = Slot.objects.filter(Q(pk__in=asked_ids) | (Q(annotator=annotator) & still_mine))
    locked = _locked(touched.filter(study=annotator.study_id)).order_by("pk")
    return {slot.pk: slot for slot in locked if slot.pk in asked_ids}


def _store(annotator: Annotator, slots: dict[int, Slot], answers: Sequence[Answer], now: datetime) -> None:
    if not answers:
        return
    images = Q(study_image__in={slot.study_image_id for slot in slots.values()})
    client_ids = Q(client_id__in={answer.client_id for answer in answers})
    earlier, used_for = {}, {}
    for annotation in Annotation.objects.filter(images | client_ids, annotator=annotator):
        earlier[annotation.study_image_id] = annotation
        used_for[annotation.client_id] = annotation.study_image_id
    for answer in answers:
        slot = slots.get(answer.slot_id)
        # One client id names one answer; a page that uses it for a second image is out of order.
        if slot is None or used_for.setdefault(answer.client_id, slot.study_image_id) != slot.study_image_id:
            continue
        before = earlier.get(slot.study_image_id)
        if before is None:
            earlier[slot.study_image_id] = _first_answer(annotator, slot, answer, now)
        else:
            _another_answer(annotator, slot, before, answer, now)


def _first_answer(annotator: Annotator, slot: Slot, answer: Answer, now: datetime) -> Annotation:
    annotation = Annotation(study_image_id=slot.study_image_id, annotator=annotator)
    _write_answer(annotation, answer, now)
    _place(annotation, annotator, slot, answer, now)
    annotation.save(force_insert=True)
    return annotation


def _another_answer(
    annotator: Annotator, slot: Slot, before: Annotation, answer: Answer, now: datetime
) -> None:
    """A repeated message changes nothing; a changed answer takes the place of the old one, which is kept."""
    if answer.client_id == before.client_id or before.replaced.filter(client_id=answer.client_id).exists():
        return
    if answer.revision < before.revision or annotator.study.state not in ACCEPTS_ANSWERS:
        _keep_replaced(before, answer.revision, answer.choice, answer.client_id, answer.milliseconds, now)
        return
    _keep_replaced(
        before, before.revision, before.choice, before.client_id, before.milliseconds, before.answered_at
    )
    leaves_slot = before.outcome == Annotation.Outcome.COUNTED and answer.choice is None
    _write_answer(before, answer, now)
    if leaves_slot:
        before.slot, before.outcome = None, Annotation.Outcome.CANNOT_TELL
    elif before.outcome == Annotation.Outcome.CANNOT_TELL and answer.choice is not None:
        _place(before, annotator, slot, answer, now)
    before.save()
    if leaves_slot:
        _free(annotator, slot.study_image_id)


def _keep_replaced(
    annotation: Annotation,
    revision: int,
    choice: int | None,
    client_id: uuid.UUID,
    milliseconds: int,
    answered_at: datetime,
) -> None:
    ReplacedAnswer.objects.create(
        annotation=annotation,
        revision=revision,
        choice=choice,
        client_id=client_id,
        milliseconds=milliseconds,
        answered_at=answered_at,
    )


def _write_answer(annotation: Annotation, answer: Answer, now: datetime) -> None:
    annotation.choice = answer.choice
    annotation.revision = answer.revision
    annotation.client_id = answer.client_id
    annotation.milliseconds = answer.milliseconds
    annotation.answered_at = now
    annotation.screen_width = answer.screen_width
    annotation.image_scale = answer.image_scale
    annotation.is_touch = answer.is_touch


def _place(annotation: Annotation, annotator: Annotator, slot: Slot, answer: Answer, now: datetime) -> None:
    """Give the answer its slot if it may have it; otherwise say why it is not counted."""
    annotation.slot = None
    if answer.choice is None:
        annotation.outcome = Annotation.Outcome.CANNOT_TELL
        _free(annotator, slot.study_image_id)
        return
    annotation.slot = _fill(annotator, slot, now)
    annotation.outcome = Annotation.Outcome.COUNTED if annotation.slot else Annotation.Outcome.EXTRA


def _fill(annotator: Annotator, slot: Slot, now: datetime) -> Slot | None:
    """The slot that now holds the answer: the lent one, another of the image lent since, or a freed one."""
    if annotator.state != Annotator.State.ACTIVE:
        return None
    if slot.annotator_id != annotator.pk:
        slot = Slot.objects.filter(study_image=slot.study_image_id, annotator=annotator).first() or slot
    holders = Q(annotator=annotator) | Q(annotator__isnull=True)
    fillable = Slot.objects.filter(
        holders, pk=slot.pk, filled_at__isnull=True, study__state__in=ACCEPTS_ANSWERS
    )
    return slot if fillable.update(annotator=annotator, leased_until=None, filled_at=now) else None


def _free(annotator: Annotator, study_image_id: int) -> None:
    """Give back the person's place on the image, whichever of its slots it is by now."""
    Slot.objects.filter(study_image=study_image_id, annotator=annotator).update(
        annotator=None, leased_until=None, filled_at=None
    )


# --- lending ------------------------------------------------------------------------------------------------


def _hand_out(annotator: Annotator, holding: set[int], wanted: int, now: datetime) -> Handout:
    answered = Annotation.objects.filter(annotator=annotator).count()
    study = annotator.study
    if study.state != Study.State.OPEN or annotator.state != Annotator.State.ACTIVE:
        return Handout([], answered, is_finished=study.state != Study.State.PAUSED)
    lent = Slot.objects.filter(annotator=annotator, filled_at__isnull=True)
    # Renewed only in the second half of its time, so that most requests write no lease at all.
    lent.filter(leased_until__lt=now + LEASE / 2).update(leased_until=now + LEASE)
    held = list(lent.select_related("study_image").order_by("pk"))
    handed = [slot for slot in held if slot.pk not in holding][:wanted]
    room = study.total_per_annotator - answered - len(held)
    missing = min(wanted - len(handed), room)
    new = _draw(annotator, missing, now) if missing > 0 else []
    nothing_held = not held and not new
    is_finished = nothing_held and (
        room <= 0 or not _slots_for(annotator).filter(filled_at__isnull=True).exists()
    )
    return Handout(handed + new, answered, is_finished)


def _draw(annotator: Annotator, wanted: int, now: datetime) -> list[Slot]:
    """Lend slots of distinct images: free ones from a random point on, then those whose lease is over."""
    start = random.Random(f"{annotator.order_seed}:{annotator.draws}").randrange(SHUFFLE_RANGE)  # noqa: S311
    slots_for = _slots_for(annotator).select_related("study_image")
    free = slots_for.filter(annotator__isnull=True).order_by("shuffle", "pk")
    taken: dict[int, Slot] = {}
    _take_distinct(free.filter(shuffle__gte=start), taken, wanted)
    if len(taken) < wanted:
        _take_distinct(free.filter(shuffle__lt=start), taken, wanted)
    if len(taken) < wanted:
        _take_distinct(slots_for.run_out(now).order_by("leased_until", "pk"), taken, wanted)
    slots = list(taken.values())
    Slot.objects.filter(pk__in=[slot.pk for slot in slots]).update(
        annotator=annotator, leased_until=now + LEASE
    )
    return slots


def _take_distinct(candidates: QuerySet[Slot], taken: dict[int, Slot], wanted: int) -> None:
    """Add candidates to `taken`, one per image, until it holds `wanted` or there are no more."""
    is_exhausted = False
    while len(taken) < wanted and not is_exhausted:
        others = _locked(candidates.exclude(study_image__in=list(taken)), pass_over_locked=True)
        batch = list(others[: wanted + SPARE_CANDIDATES])
        is_exhausted = len(batch) < wanted + SPARE_CANDIDATES
        for slot in batch:
            if len(taken) < wanted:
                taken.setdefault(slot.study_image_id, slot)


def _slots_for(annotator: Annotator) -> SlotQuerySet:
    """Slots of the study on images that this person neither holds nor has answered."""
    this_image = {"annotator": annotator, "study_image": OuterRef("study_image")}
    return (
        Slot.objects.filter(study=annotator.study_id)
        .exclude(Exists(Slot.objects.filter(**this_image)))
        .exclude(Exists(Annotation.objects.filter(**this_image)))
    )


def _locked(slots: QuerySet[Slot], *, pass_over_locked: bool = False) -> QuerySet[Slot]:
    """Lock the rows where the database can (PostgreSQL); on SQLite the transaction already holds the lock.

    When drawing, rows that another request has locked are passed over, so that nobody waits for anybody.
    """
    if not connection.features.has_select_for_update_skip_locked:
        return slots
    return slots.select_for_update(skip_locked=pass_over_locked, of=("self",))
