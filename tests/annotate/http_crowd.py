"""A simulated crowd that labels over HTTP, each person in a thread, each request to any of the servers."""

from __future__ import annotations

import json
import random
import re
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from annotate.joining import SIMULATION_HEADER

SETTINGS = re.compile(r'<script id="settings" type="application/json">(.*?)</script>', re.DOTALL)
POLL_SECONDS = 0.5
LONGEST_SECONDS = 240


@dataclass
class Person:
    """Answers one image at a time, as the page does; sometimes sends a message twice or changes an answer."""

    servers: Sequence[str]
    link_key: str
    source: random.Random
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60))
    page: dict[str, Any] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)
    sent: dict[str, str] = field(default_factory=dict)  # client id -> slot token
    is_finished: bool = False

    def label_everything(self, consent_version: str, simulation_pass: str) -> None:
        self.join(consent_version, simulation_pass)
        deadline = time.monotonic() + LONGEST_SECONDS
        while not self.is_finished:
            assert time.monotonic() < deadline, "the study was not finished in time"
            if self.held:
                self.answer(self.held.pop(0))
            else:
                time.sleep(POLL_SECONDS)  # every image left is with somebody else, as the page would wait
                self.exchange([])

    def join(self, consent_version: str, simulation_pass: str) -> None:
        server = self.source.choice(self.servers)
        url = f"{server}/label/{self.link_key}/"
        self.client.get(url).raise_for_status()
        headers = {"X-CSRFToken": self.client.cookies["csrftoken"], SIMULATION_HEADER: simulation_pass}
        joined = self.client.post(url, data={"consent_version": consent_version}, headers=headers)
        assert joined.status_code == 302, joined.text
        page = self.client.get(f"{server}/label/{self.link_key}/images/").raise_for_status()
        found = SETTINGS.search(page.text)
        assert found is not None, page.text
        self.page = json.loads(found[1])
        self.held = [image["slot"] for image in self.page["images"]]

    def answer(self, slot: str) -> None:
        answers = [self.new_answer(slot, revision=0)]
        if self.source.random() < 0.05:
            answers.append(self.new_answer(slot, revision=1))
        for _ in range(2 if self.source.random() < 0.05 else 1):
            self.exchange(answers)

    def new_answer(self, slot: str, revision: int) -> dict[str, Any]:
        client_id = str(uuid.UUID(int=self.source.getrandbits(128), version=4))
        self.sent[client_id] = slot
        choice, milliseconds = self.source.randrange(10), self.source.randrange(300, 3000)
        return {
            "client_id": client_id,
            "slot": slot,
            "choice": choice,
            "revision": revision,
            "milliseconds": milliseconds,
        }

    def exchange(self, answers: list[dict[str, Any]]) -> None:
        message = {
            "person": self.page["person"],
            "answers": answers,
            "holding": self.held,
            "wanted": max(0, self.page["batch"] - len(self.held)),
        }
        url = f"{self.source.choice(self.servers)}/label/{self.link_key}/answers/"
        reply = self.client.post(url, json=message).raise_for_status().json()
        assert reply["rejected"] == {}
        assert set(reply["stored"]) == {answer["client_id"] for answer in answers}
        self.held += [image["slot"] for image in reply["images"]]
        self.is_finished = reply["finished"] and not self.held


def let_a_crowd_label(
    servers: Sequence[str], study: dict[str, str], n_people: int, seed: int
) -> tuple[set[str], float]:
    """The client ids of all answers sent, and the seconds it took. Raises what any of the people met."""
    people = [
        Person(servers, study["link_key"], random.Random(f"{seed}:{number}")) for number in range(n_people)
    ]
    began = time.monotonic()
    with ThreadPoolExecutor(n_people) as threads:
        labelling = [
            threads.submit(person.label_everything, study["consent_version"], study["pass"])
            for person in people
        ]
        for done in labelling:
            done.result()
    return {client_id for person in people for client_id in person.sent}, time.monotonic() - began
