"""Lets a simulated crowd answer a simulated study through the pages and endpoints that people use."""

from __future__ import annotations

import base64
import hashlib
import io
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from PIL import Image

from annotate.crowd import FloatArray, SimulatedPerson
from annotate.joining import SIMULATION_HEADER
from config.site_client import SiteClient
from imagesets.store import PreparedSet

WAIT_SECONDS = 0.2


def answer_study(
    base_url: str,
    link_key: str,
    consent_version: str,
    simulation_pass: str,
    prepared: PreparedSet,
    confusion: FloatArray,
    n_annotators: int,
    seed: int,
) -> int:
    """Every simulated annotator labels until nothing is left for them; how many answers were sent.

    They see the same pictures as people would and nothing else; which class a picture truly has they look up
    by its pixels, because a confusion matrix needs the truth to confuse it.
    """
    true_classes = {
        _digest(image): int(label)
        for image, label in zip(prepared.test_images, prepared.test_labels, strict=True)
    }

    def one_person(number: int) -> int:
        client = SiteClient(base_url)
        client.post_form(
            f"/label/{link_key}/", {"consent_version": consent_version}, {SIMULATION_HEADER: simulation_pass}
        )
        return _label_all(client, link_key, true_classes, SimulatedPerson(confusion, seed, number))

    with ThreadPoolExecutor(n_annotators) as people:
        return sum(people.map(one_person, range(n_annotators)))


def _label_all(
    client: SiteClient, link_key: str, true_classes: dict[str, int], person: SimulatedPerson
) -> int:
    page = client.page_data(f"/label/{link_key}/images/")
    sent = 0
    held: list[dict[str, str]] = page["images"] if page else []
    while page and not (page["finished"] and not held):
        answers = []
        if held:
            image = held.pop(0)
            choice = person.answer(true_classes[_digest_of_uri(image["src"])])
            answers = [_answer(image["slot"], choice, person.milliseconds())]
        else:
            time.sleep(WAIT_SECONDS)  # every image left is lent to another annotator at the moment
        reply = _post(client, link_key, page["person"], answers, held, page["batch"])
        sent += len(answers)
        held += reply["images"]
        page |= {"finished": reply["finished"]}
    return sent


def _answer(slot: str, choice: int, milliseconds: int) -> dict[str, Any]:
    return {
        "client_id": str(uuid.uuid4()),
        "slot": slot,
        "choice": choice,
        "revision": 0,
        "milliseconds": milliseconds,
    }


def _post(
    client: SiteClient,
    link_key: str,
    person_key: str,
    answers: list[dict[str, Any]],
    held: list[dict[str, str]],
    batch: int,
) -> Any:
    reply = client.post_json(
        f"/label/{link_key}/answers/",
        {
            "person": person_key,
            "answers": answers,
            "holding": [image["slot"] for image in held],
            "wanted": max(0, batch - len(held)),
        },
    )
    if reply["rejected"]:
        raise RuntimeError(f"the site refused an answer: {reply['rejected']}")
    return reply


def _digest(image: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()


def _digest_of_uri(uri: str) -> str:
    png = base64.b64decode(uri.partition(",")[2])
    return _digest(np.asarray(Image.open(io.BytesIO(png))))
