"""The newcomer's first visit: ten images by keyboard, one model, and both on the leaderboard."""

from __future__ import annotations

import json
import secrets

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PASSWORD = secrets.token_urlsafe(16)
SPEC = {"steps": [{"name": "StandardScaler"}, {"name": "LogisticRegression"}], "train_size": 1000}


def is_fault(message: ConsoleMessage) -> bool:
    """Submitting while the live check is under way ends its request, which htmx reports as an error."""
    return message.type == "error" and not message.text.startswith("htmx:")


def label_ten_images(page: Page) -> None:
    page.get_by_role("link", name="Studies", exact=True).click()
    demonstration = page.locator("article", has_text="images x 3 labels")
    demonstration.get_by_role("link", name="Label images").click()
    page.get_by_role("button", name="I agree").click()
    page.get_by_role("link", name="Start labelling").first.click()
    for n in range(10):
        expect(page.locator("#stage img")).to_be_visible()
        shown = page.locator("#stage img").get_attribute("src")
        # A key sooner than an eye could have seen the image is no answer, so it may take a second one.
        while page.locator("#count").inner_text() == f"{n} of 100":
            page.keyboard.press(str(n))
        assert page.locator("#stage img").get_attribute("src") != shown
    expect(page.locator("#saved")).to_have_text("saved ✓")


def sign_up(page: Page, base_url: str) -> None:
    page.goto(f"{base_url}/accounts/signup/")
    page.get_by_label("Username").fill(f"newcomer-{secrets.token_hex(4)}")
    page.locator("input[name=password1]").fill(PASSWORD)
    page.locator("input[name=password2]").fill(PASSWORD)
    page.get_by_role("button", name="Make an account").click()


def test_a_newcomer_labels_ten_images_and_sees_a_model_scored_on_the_board(
    browser: Browser, site: Site
) -> None:
    page = browser.new_context().new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if is_fault(message) else None)
    page.goto(site.base_url)
    label_ten_images(page)

    sign_up(page, site.base_url)
    page.goto(f"{site.base_url}/submit/")
    page.get_by_label("Name").fill("My first model")
    page.locator("textarea[name=spec]").fill(json.dumps(SPEC))
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.get_by_text("scored").first).to_be_visible(timeout=120_000)
    accuracy = page.locator(".figure.models").inner_text()

    page.goto(f"{site.base_url}/leaderboard/")
    row = page.locator("tr", has_text="My first model")
    expect(row).to_contain_text(accuracy.removesuffix("%").strip())
    if "/fashion-mnist/" in page.url:
        page.locator("summary", has_text="claimed results").click()
        expect(page.locator("tr", has_text="Human Performance")).to_contain_text("83.5")
    assert faults == []
