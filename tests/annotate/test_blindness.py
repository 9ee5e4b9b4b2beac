"""Nothing that reaches an annotator's browser depends on the truth or on what other people answered."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from django.db import transaction
from django.urls import reverse

from annotate.models import Annotator, Slot, Study
from annotate.results import refresh_result
from imagesets.library import ensure_imageset
from imagesets.pictures import png_bytes
from tests.annotate.rows import NOW, label_everything, person_in, running_study
from tests.annotate.visitor import Visitor, answer_to, message

pytestmark = pytest.mark.django_db

READERS_OF_THE_TRUTH = ("results", "studies", "labelling", "export")
# What differs from visit to visit and says nothing: keys, tokens, ids.
NOISE = {
    r"\d+\.[0-9a-f]{24}": "SLOT",
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(:[\w-]+)?": "ID",
    r'csrfmiddlewaretoken" value="\w+': "CSRF",
    r'"generated_at": "[^"]+"': "NOW",
}


@dataclass(frozen=True)
class World:
    """Which true class each class is given, and what the other people answered."""

    shift: int
    others_choose: int


@contextmanager
def living_in(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Study]:
    """A study half answered by others in this world; nothing of it is left afterwards."""
    prepared = ensure_imageset("digits")
    labels = ((np.asarray(prepared.test_labels) + world.shift) % 10).astype(np.uint8)
    with monkeypatch.context() as patches, transaction.atomic():
        for reader in READERS_OF_THE_TRUTH:
            patches.setattr(
                f"annotate.{reader}.ensure_imageset", lambda _: replace(prepared, test_labels=labels)
            )
        study = running_study(n_images=30, labels_per_image=2, link_key="thestudy")
        choices: dict[int, int | None] = dict.fromkeys(range(30), world.others_choose)
        label_everything(study, person_in(study, order_seed=1), choices)
        label_everything(study, person_in(study, order_seed=2), choices | {0: 0, 1: 1})
        # Free a few places for the visitor: as if those answers had never been given.
        _give_back(study, 20)
        refresh_result(study, NOW)
        yield study
        transaction.set_rollback(True)


def _give_back(study: Study, n: int) -> None:
    second = Annotator.objects.filter(study=study).latest("pk")
    slots = list(Slot.objects.filter(annotator=second).order_by("study_image__position")[:n])
    second.annotations.filter(slot__in=slots).delete()
    Slot.objects.filter(pk__in=[slot.pk for slot in slots]).update(annotator=None, filled_at=None)


Seen = tuple[str, int, dict[str, str], str]


def label_and_look_around(study: Study) -> list[Seen]:
    """Everything a curious annotator can see before, while and after they label."""
    visitor = Visitor(study)
    seen = [("stranger " + page, visitor.get(page)) for page in ("consent", "study", "annotations_csv")]
    seen.append(("agree", visitor.agree()))
    Annotator.objects.filter(study=study).update(order_seed=3)
    seen += [(page, visitor.get(page)) for page in ("classes", "label")]
    page = visitor.settings()
    for number, image in enumerate(page["images"][:8]):
        answer = answer_to(image, number, client_id=f"00000000-0000-0000-0000-{number:012}")
        seen.append((f"answer {number}", visitor.post(message(page["person"], answer, wanted=2))))
    seen += [(page, visitor.get(page)) for page in ("label", "thanks", "study", "annotations_csv")]
    seen.append(("studies", visitor.client.get(reverse("annotate:studies"))))
    return [_seen(name, response) for name, response in seen]


def look_at_the_leaderboard(study: Study) -> list[Seen]:
    client = Visitor(study).client
    urls = [reverse("home"), reverse("benchmarks:leaderboards")]
    for page in ("leaderboard", "leaderboard_csv", "leaderboard_json"):
        urls.append(reverse(f"benchmarks:{page}", args=[study.image_set]))
    return [_seen(url, client.get(url)) for url in urls]


def _seen(name: str, response: Any) -> Seen:
    return name, response.status_code, _headers(response), _text(response)


def _headers(response: Any) -> dict[str, str]:
    return {
        name: value for name, value in response.headers.items() if name not in ("Content-Length", "Expires")
    }


def _text(response: Any) -> str:
    text = b"".join(response) if response.streaming else response.content
    text = text.decode()
    for pattern, word in NOISE.items():
        text = re.sub(pattern, word, text)
    return text


@pytest.mark.parametrize("look", [label_and_look_around, look_at_the_leaderboard])
@pytest.mark.parametrize("other_world", [World(3, others_choose=4), World(0, others_choose=7)])
def test_an_annotator_sees_the_same_in_worlds_with_other_truths_and_other_answers(
    look: Callable[[Study], list[Seen]], other_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with living_in(World(0, others_choose=4), monkeypatch) as study:
        here = look(study)
    with living_in(other_world, monkeypatch) as study:
        there = look(study)
    for seen_here, seen_there in zip(here, there, strict=True):
        assert seen_here == seen_there


def test_the_crawl_would_notice_a_result_that_is_shown_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two worlds do differ, on the page that tells the result once the study is closed."""
    pages = []
    for world in (World(0, 4), World(3, 4)):
        with living_in(world, monkeypatch) as study:
            Study.objects.filter(pk=study.pk).update(state="closed")
            pages.append(_text(Visitor(study).get("study")))
    assert pages[0] != pages[1]


def test_the_page_and_the_endpoint_tell_these_facts_and_no_more() -> None:
    visitor = Visitor(running_study(n_images=30))
    visitor.agree()
    page = visitor.settings()
    about = {"images", "answered", "total", "finished", "paused"}
    assert set(page) == about | {"study", "person", "batch", "imageWidth", "imageHeight"}
    reply = visitor.post(message(page["person"], wanted=3)).json()
    assert set(reply) == about | {"stored", "rejected"}
    for image in [*page["images"], *reply["images"]]:
        assert set(image) == {"slot", "src"}


def test_a_picture_holds_its_pixels_and_nothing_else() -> None:
    visitor = Visitor(running_study(n_images=3))
    visitor.agree()
    images = ensure_imageset("digits").test_images
    for image in visitor.settings()["images"]:
        slot = Slot.objects.get(pk=int(image["slot"].partition(".")[0]))
        png = base64.b64decode(image["src"].partition(",")[2])
        assert png == png_bytes(images[slot.study_image.image_index])
        assert [png[at - 4 : at] for at in _chunk_ends(png)] == [b"IHDR", b"IDAT", b"IEND"]


def _chunk_ends(png: bytes) -> Iterator[int]:
    """Where the four letters of each chunk's type end."""
    at = 8
    while at < len(png):
        yield at + 8
        at += 12 + int.from_bytes(png[at : at + 4])


def test_a_counted_and_an_extra_answer_look_the_same_to_the_person() -> None:
    replies = []
    for is_closed in (False, True):
        study = running_study(n_images=1, labels_per_image=1, link_key=f"study{is_closed}")
        visitor = Visitor(study)
        visitor.agree()
        page = visitor.settings()
        if is_closed:
            Slot.objects.filter(study=study).update(annotator=person_in(study), leased_until=NOW)
        answer = answer_to(page["images"][0], client_id="00000000-0000-0000-0000-000000000001")
        replies.append(visitor.post(message(page["person"], answer)).json())
    assert replies[0] == replies[1]
