"""One browser and one running site for all browser tests, and a new person in a new study for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from config.redis_server import find_redis_server
from tests.annotate.labelling_browser import N_IMAGES, Begin, Labelling, make_studies
from tests.conftest import need
from tests.site import Site

CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    need(find_redis_server(), "Redis")
    site = Site(tmp_path_factory.mktemp("site"))
    try:
        yield site.start()
    finally:
        site.stop()


@pytest.fixture(scope="session")
def studies(site: Site) -> Iterator[str]:
    """Link keys of studies nobody has touched."""
    return iter(make_studies(site, count=30, n_images=N_IMAGES))


@pytest.fixture
def begin(browser: Browser, site: Site, studies: Iterator[str]) -> Iterator[Begin]:
    """`begin(**context options)`: a new person in a new study, at the first image."""
    people: list[Labelling] = []

    def start(**options: Any) -> Labelling:
        people.append(Labelling(site, next(studies), browser.new_context(**options)))
        return people[-1].begin()

    yield start
    for person in people:
        person.context.close()
        assert person.faults == []
