"""A crowd that does everything a crowd can do, in random order, and the books it keeps about what it sent.

Messages may be delayed, doubled and swapped; leases run out; people change their minds, cannot tell, use two
tabs, leave. After each step `check` compares the database with what must hold.
"""

from __future__ import annotations

import random
import uuid
from collections import Counter
from datetime import datetime, timedelta
from typing import NamedTuple

from annotate.assignment import LEASE, Answer, Handout, answer_and_lend
from annotate.models import Annotation, Annotator, ReplacedAnswer, Slot, Study
from annotate.studies import open_study, pause_study
from tests.annotate.rows import NOW, an_answer, person_in


class Place(NamedTuple):
    """A slot as the database has it."""

    study_image_id: int
    annotator_id: int | None
    leased_until: datetime | None
    filled_at: datetime | None


class RandomCrowd:
    def __init__(self, study: Study, n_people: int, seed: int) -> None:
        self.study = study
        self.random = random.Random(seed)
        self.people = [person_in(study) for _ in range(n_people)]
        self.now = NOW
        self.seen: dict[int, dict[int, int]] = {person.pk: {} for person in self.people}  # slot -> revision
        self.on_the_way: list[tuple[Annotator, Answer]] = []
        self.delivered: dict[int, list[Answer]] = {person.pk: [] for person in self.people}
        self.image_of = dict(Slot.objects.filter(study=study).values_list("pk", "study_image_id"))

    def step(self) -> None:
        acts = [self.ask, self.press, self.press, self.deliver, self.deliver, self.wait, self.pause_or_resume]
        self.random.choices(acts, weights=[5, 8, 4, 8, 4, 2, 1])[0]()

    def ask(self) -> None:
        """Somebody loads the page or asks for more, telling the server of some of what they hold."""
        person = self.random.choice(self.people)
        holding = [slot for slot in self.seen[person.pk] if self.random.random() < 0.5]
        self.request(person, [], holding, self.random.randrange(6))

    def press(self) -> None:
        """A key press: the answer for any image ever seen, new or changed, goes on its way."""
        person = self.random.choice(self.people)
        if not self.seen[person.pk]:
            return
        slot = self.random.choice(list(self.seen[person.pk]))
        revision = self.seen[person.pk][slot]
        self.seen[person.pk][slot] = max(0, revision + self.random.choice([1, 1, 1, 0, -1]))
        choice = None if self.random.random() < 0.2 else self.random.randrange(10)
        self.on_the_way.append((person, an_answer(slot, choice, revision)))

    def deliver(self) -> None:
        """Some messages of one person arrive, in any order, perhaps twice."""
        if not self.on_the_way:
            return
        person = self.random.choice(self.on_the_way)[0]
        letters = [letter for letter in self.on_the_way if letter[0] == person]
        batch = self.random.sample(letters, self.random.randint(1, len(letters)))
        for letter in batch:
            if self.random.random() < 0.8:
                self.on_the_way.remove(letter)
        self.request(person, [answer for _, answer in batch], [], self.random.randrange(4))

    def wait(self) -> None:
        self.now += LEASE * self.random.choice([0.1, 0.4, 1.1])

    def pause_or_resume(self) -> None:
        self.study.state = self.state()
        (pause_study if self.study.state == Study.State.OPEN else open_study)(self.study)

    def request(self, person: Annotator, answers: list[Answer], holding: list[int], wanted: int) -> Handout:
        before = self._places()
        handout = answer_and_lend(person.pk, answers, holding, wanted, self.now)
        self.delivered[person.pk] += answers
        self._check_handout(person, handout, before, set(holding))
        for slot in handout.slots:
            self.seen[person.pk].setdefault(slot.pk, 0)
        return handout

    def _places(self) -> dict[int, Place]:
        rows = Slot.objects.filter(study=self.study).values_list("pk", *Place._fields)
        return {pk: Place(*values) for pk, *values in rows}

    # --- what must hold ---------------------------------------------------------------------------

    def _check_handout(
        self, person: Annotator, handout: Handout, before: dict[int, Place], holding: set[int]
    ) -> None:
        answered = set(Annotation.objects.filter(annotator=person).values_list("study_image_id", flat=True))
        handed = [slot.pk for slot in handout.slots]
        images = {self.image_of[pk] for pk in handed}
        assert len(images) == len(handed), "a batch holds an image twice"
        assert not answered & images, "an answered image was handed out again"
        kept = {pk for pk in holding if before[pk].annotator_id == person.pk}
        assert not kept & set(handed), "a held image was handed out again"
        assert handout.answered == len(answered)
        after = self._places()
        mine = {place.study_image_id for place in after.values() if place.annotator_id == person.pk}
        possible = [place for place in after.values() if place.study_image_id not in mine | answered]
        lent_on = [before[pk] for pk in handed if before[pk].annotator_id not in (None, person.pk)]
        for place in lent_on:
            assert place.leased_until is not None, "a filled slot was lent"
            assert place.leased_until < self.now, "a running lease was lent on"
            free = [other for other in possible if other.annotator_id is None]
            assert not free, "a lease was lent on although a free slot was left"
        holds = any(place.annotator_id == person.pk and not place.filled_at for place in after.values())
        self._check_finished(handout, is_left=any(not place.filled_at for place in possible), holds=holds)

    def _check_finished(self, handout: Handout, *, is_left: bool, holds: bool) -> None:
        limit = self.study.images_per_annotator
        assert limit is None or len(handout.slots) <= limit
        if self.state() == Study.State.OPEN:
            has_room = limit is None or handout.answered < limit
            assert handout.is_finished == (not holds and not (is_left and has_room))

    def state(self) -> str:
        return Study.objects.values_list("state", flat=True).get(pk=self.study.pk)

    def check(self) -> None:
        """The books of the whole study."""
        standing = list(Annotation.objects.filter(study_image__study=self.study))
        places = self._places()
        counted = {one.slot_id: one for one in standing if one.slot_id is not None}
        assert set(counted) == {pk for pk, place in places.items() if place.filled_at}
        for pk, one in counted.items():
            assert one.annotator_id == places[pk].annotator_id, "an answer sits in somebody else's slot"
            assert one.study_image_id == places[pk].study_image_id, "an answer sits in another image's slot"
        per_image = Counter(one.study_image_id for one in counted.values())
        assert max(per_image.values(), default=0) <= self.study.labels_per_image
        self._check_nothing_lost(standing)

    def _check_nothing_lost(self, standing: list[Annotation]) -> None:
        replaced = ReplacedAnswer.objects.filter(annotation__study_image__study=self.study)
        kept = Counter(one.client_id for one in standing)
        kept.update(replaced.values_list("client_id", flat=True))
        sent = {answer.client_id for answers in self.delivered.values() for answer in answers}
        assert kept == Counter(sent), "an answer was lost or stored twice"
        stands = {(one.annotator_id, one.study_image_id): one for one in standing}
        for place, answer in self._last_words().items():
            assert stands[place].client_id == answer.client_id, "not the last answer stands"
            assert stands[place].choice == answer.choice

    def _last_words(self) -> dict[tuple[int, int], Answer]:
        """By person and image: the answer with the highest revision; of equal ones the latest new one."""
        last: dict[tuple[int, int], Answer] = {}
        seen: set[uuid.UUID] = set()
        for person, answers in self.delivered.items():
            for answer in answers:
                place = (person, self.image_of[answer.slot_id])
                is_new = answer.client_id not in seen
                seen.add(answer.client_id)
                if is_new and (place not in last or answer.revision >= last[place].revision):
                    last[place] = answer
        return last

    # --- to the end -------------------------------------------------------------------------------

    def finish(self) -> None:
        """Everything on its way arrives, all leases end, and new people answer what is left."""
        self.study.refresh_from_db()
        if self.study.state == Study.State.PAUSED:
            open_study(self.study)
        for person, answer in self.on_the_way:
            self.request(person, [answer], [], 0)
        self.now += LEASE + timedelta(seconds=1)
        while Slot.objects.filter(study=self.study, filled_at__isnull=True).exists():
            newcomer = person_in(self.study)
            self.people.append(newcomer)
            self.seen[newcomer.pk], self.delivered[newcomer.pk] = {}, []
            while slots := self.request(newcomer, [], [], 4).slots:
                self.request(newcomer, [an_answer(slot, 1) for slot in slots], [], 0)
