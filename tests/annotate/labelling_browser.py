"""A person with a browser on a running site, and what the site's database says about them afterwards."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.site import Site
from tests.waiting import wait_until

N_IMAGES = 14
MAKE_STUDIES = """
import json
from annotate.studies import create_study, open_study
make = lambda **fields: open_study(create_study(image_set="digits", labels_per_image=1, **fields)).link_key
print(json.dumps([make(title=f"Study {{number}}", n_images={n_images}, offers_cannot_tell=True)
    for number in range({count})]))
"""
CLOSE_STUDY = """
from annotate.models import Study
from annotate.studies import close_study
close_study(Study.objects.get(link_key="{link_key}"))
"""
STORED = """
SELECT annotation.id, choice, outcome, revision, milliseconds, is_touch, screen_width
FROM annotate_annotation AS annotation
JOIN annotate_studyimage AS image ON image.id = annotation.study_image_id
JOIN annotate_study AS study ON study.id = image.study_id
WHERE study.link_key = ? ORDER BY annotation.id
"""
REPLACED = "SELECT choice FROM annotate_replacedanswer WHERE annotation_id = ? ORDER BY revision, id"


class Stored(NamedTuple):
    id: int
    choice: int | None
    outcome: str
    revision: int
    milliseconds: int
    is_touch: int
    screen_width: int


def make_studies(site: Site, count: int, n_images: int) -> list[str]:
    """The link keys of new open studies of `digits`."""
    code = MAKE_STUDIES.format(count=count, n_images=n_images)
    keys: list[str] = json.loads(site.manage("shell", "--verbosity", "0", "-c", code).splitlines()[-1])
    return keys


def close_study(site: Site, link_key: str) -> None:
    site.manage("shell", "--verbosity", "0", "-c", CLOSE_STUDY.format(link_key=link_key))


@dataclass
class Labelling:
    """One person on one study. The page's clock is the test's: it jumps ahead where a person would look."""

    site: Site
    link_key: str
    context: BrowserContext
    page: Page = field(init=False)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.clock.install()
        self.page = self.new_page()

    def new_page(self) -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda said: self.faults.append(said.text) if "Refused" in said.text else None)
        return page

    def url(self, page: str = "") -> str:
        return f"{self.site.base_url}/label/{self.link_key}/{page}"

    def begin(self) -> Labelling:
        """From the link over consent and classes to the first image, by the buttons."""
        self.page.goto(self.url())
        self.page.get_by_role("button", name="I agree").click()
        self.page.get_by_role("link", name="Start labelling").first.click()
        expect(self.picture()).to_be_visible()
        return self

    def walk_to(self, name: str) -> None:
        """Press Tab until the button or link of this name has the focus."""
        for _ in range(30):
            self.page.keyboard.press("Tab")
            if name in self.page.evaluate("document.activeElement.textContent"):
                return
        raise AssertionError(f"the keyboard never reaches {name!r}")

    def picture(self) -> Locator:
        return self.page.locator("#stage img")

    def source(self) -> str:
        """The picture that is shown now, as its address."""
        return self.picture().get_attribute("src") or ""

    def look(self, milliseconds: int = 400) -> None:
        self.context.clock.fast_forward(milliseconds)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.look()
            self.page.keyboard.press(key)

    def choice(self, name: str) -> Locator:
        return self.page.locator(f'.choice[data-choice="{name}"]')

    def has_answered(self, count: int) -> None:
        expect(self.page.locator("#count")).to_contain_text(f"{count} of ")

    def is_saved(self) -> None:
        expect(self.page.locator("#saved")).to_have_text("saved ✓")

    def waits_to_save(self, count: int) -> None:
        expect(self.page.locator("#saved")).to_contain_text(f"{count} waiting")

    def waiting_in_browser(self) -> int:
        """Answers that the browser keeps until the server has confirmed them."""
        kept: int = self.page.evaluate(
            "Object.keys(localStorage).filter(k => k.startsWith('humanmark:')).length"
        )
        return kept

    def retry(self) -> None:
        """Let the page's own timer for another try run out, until everything is saved."""

        def is_saved() -> bool:
            self.look(20_000)
            return self.page.locator("#saved").inner_text() == "saved ✓"

        wait_until(is_saved, "the page saves what waits", 60, pause=0.2)

    def stored(self) -> list[Stored]:
        return [Stored(*row) for row in self._query(STORED, self.link_key)]

    def is_stored(self, *choices: int | None) -> None:
        """Wait until the server holds exactly these answers, in this order."""
        wait_until(lambda: len(self.stored()) >= len(choices), f"{len(choices)} answers are stored")
        assert [answer.choice for answer in self.stored()] == list(choices)

    def history_of(self, answer: Stored) -> list[int | None]:
        return [choice for (choice,) in self._query(REPLACED, answer.id)]

    def _query(self, query: str, value: object) -> list[Any]:
        with closing(sqlite3.connect(self.site.var / "humanmark.sqlite3", timeout=30)) as database:
            return database.execute(query, [value]).fetchall()


# A fixture's function: a new person in a new study at the first image, with a browser of these options.
Begin = Callable[..., Labelling]
