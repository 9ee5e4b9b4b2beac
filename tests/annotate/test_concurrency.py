"""Real threads, each with its own connection, at the same rows at once, on the suite's database."""

from __future__ import annotations

import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection, connections

from annotate import assignment
from annotate.assignment import LEASE, Handout, answer_and_lend
from annotate.joining import join
from annotate.models import Annotation, Annotator, ReplacedAnswer, Slot, Study, StudyResult
from annotate.results import refresh_result
from annotate.studies import StudyStateError, close_study, open_study
from imagesets.library import ensure_imageset
from tests.annotate.rows import NOW, an_answer, draft_study, lend, person_in, running_study, send
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")
THREADS = 6


def at_once(acts: Sequence[Callable[[], T]]) -> list[T]:
    """Run all acts at the same moment, each in a thread with its own database connection."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], T]) -> T:
        start.wait()
        try:
            return act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def labels_to_the_end(person: Annotator, seed: int) -> Callable[[], list[uuid.UUID]]:
    """Label until finished: messages doubled, images forgotten until their lease ends."""
    source = random.Random(seed)

    def act() -> list[uuid.UUID]:
        now, sent = NOW, []
        handout = answer_and_lend(person.pk, [], [], source.randint(1, 4), now)
        while not handout.is_finished:
            chosen = [slot for slot in handout.slots if source.random() < 0.8]
            answers = [an_answer(slot, source.randrange(10)) for slot in chosen]
            for _ in range(source.choice([1, 1, 2])):
                handout = answer_and_lend(person.pk, answers, [], source.randint(1, 4), now)
            sent += [answer.client_id for answer in answers]
            now += LEASE * source.choice([0.1, 1.1])
        return sent

    return act


@pytest.mark.parametrize("seed", [1, 2])
def test_many_people_at_once_fill_every_slot_exactly(seed: int) -> None:
    study = running_study(n_images=20, labels_per_image=3)
    people = [person_in(study) for _ in range(THREADS)]
    sent = at_once([labels_to_the_end(person, seed * 100 + n) for n, person in enumerate(people)])
    counted = Annotation.objects.filter(slot__isnull=False)
    per_image = Counter(counted.values_list("study_image_id", flat=True))
    assert set(per_image.values()) == {3}
    assert len(per_image) == 20
    stored = set(Annotation.objects.values_list("client_id", flat=True))
    assert stored | set(ReplacedAnswer.objects.values_list("client_id", flat=True)) == set().union(*sent)


def test_two_tabs_of_one_person_at_once_lose_nothing_and_count_each_image_once() -> None:
    study = running_study(n_images=8, labels_per_image=2)
    person = person_in(study)
    slots = lend(person, 8).slots
    tabs = [[an_answer(slot, tab) for slot in slots] for tab in range(4)]
    at_once([lambda answers=answers: send(person, *answers) for answers in tabs])  # type: ignore[misc]
    assert Annotation.objects.count() == Slot.objects.filled().count() == 8
    assert ReplacedAnswer.objects.count() == 3 * 8


def test_many_people_at_once_are_never_lent_one_slot() -> None:
    study = running_study(n_images=4, labels_per_image=3)
    people = [person_in(study) for _ in range(THREADS)]
    handouts = at_once([lambda person=person: lend(person, 4) for person in people])  # type: ignore[misc]
    lent = [slot.pk for handout in handouts for slot in handout.slots]
    assert len(lent) == len(set(lent))


def test_a_slot_that_ran_out_is_lent_on_to_one_of_many() -> None:
    study = running_study(n_images=1, labels_per_image=1)
    slow = person_in(study)
    [slot] = lend(slow, 1).slots
    later = NOW + LEASE + timedelta(seconds=1)
    others = [person_in(study) for _ in range(THREADS - 1)]
    acts: list[Callable[[], Handout]] = [
        lambda person=person: lend(person, 1, at=later)  # type: ignore[misc]
        for person in others
    ]
    *handouts, _ = at_once([*acts, lambda: send(slow, an_answer(slot, 1), at=later)])
    slot.refresh_from_db()
    assert sum(len(handout.slots) for handout in handouts) == (0 if slot.annotator_id == slow.pk else 1)
    outcome = Annotation.objects.get(annotator=slow).outcome
    assert outcome == ("counted" if slot.annotator_id == slow.pk else "extra")


def test_quick_clicks_on_agree_make_one_person() -> None:
    study, key = running_study(), uuid.uuid4()
    people = at_once([lambda: join(study, AnonymousUser(), key, "1", "", NOW)] * THREADS)
    assert len({person.pk for person in people}) == 1


def test_quick_clicks_on_open_draw_one_sample_and_tell_the_others() -> None:
    study = draft_study(n_images=6, labels_per_image=2)

    def click() -> bool:
        try:
            open_study(Study.objects.get(pk=study.pk), NOW)
        except StudyStateError:
            return False
        return True

    assert sum(at_once([click] * 4)) == 1
    assert (study.images.count(), study.slots.count()) == (6, 12)


def test_a_result_computed_twice_at_once_is_one_row() -> None:
    study = running_study(n_images=2, labels_per_image=1)
    person = person_in(study)
    send(person, *[an_answer(slot, 1) for slot in lend(person, 2).slots])
    at_once([lambda: refresh_result(study, NOW)] * 4)
    assert StudyResult.objects.filter(study=study).count() == 1


def test_closing_waits_for_answers_on_their_way_so_that_the_result_is_final(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A change of an answer that began before the study was closed is in the result, or it is not counted."""
    study = running_study(n_images=1, labels_per_image=1)
    person = person_in(study)
    [slot] = lend(person, 1).slots
    send(person, an_answer(slot, 1))
    has_stored, may_commit = threading.Event(), threading.Event()
    hand_out = assignment._hand_out

    def slow_hand_out(*arguments: object) -> Handout:
        has_stored.set()
        assert may_commit.wait(30)
        return hand_out(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(assignment, "_hand_out", slow_hand_out)

    def change() -> None:
        send(person, an_answer(slot, 2, revision=1))

    def close() -> None:
        close_study(Study.objects.get(pk=study.pk), NOW)

    with ThreadPoolExecutor(2) as pool:
        changing = pool.submit(_in_own_connection, change)
        assert has_stored.wait(30)
        closing = pool.submit(_in_own_connection, close)
        wait_until(lambda: closing.done() or _somebody_waits(closing), "closing ends or waits")
        may_commit.set()
        changing.result(30)
        closing.result(30)
    truth = ensure_imageset("digits").test_labels[study.images.get().image_index]
    chosen = Annotation.objects.get().choice
    assert chosen is not None
    assert StudyResult.objects.get(study=study).confusion[truth][chosen] == 1


def _in_own_connection(act: Callable[[], None]) -> None:
    try:
        act()
    finally:
        connections.close_all()


def _somebody_waits(closing: Future[None]) -> bool:
    """Whether a transaction waits for a lock. SQLite does not tell, but there the write lock decides it."""
    if connection.vendor != "postgresql":
        return closing.running()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return bool(cursor.fetchone()[0])
