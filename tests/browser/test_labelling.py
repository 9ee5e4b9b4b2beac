"""The labelling page in a real browser: one key, one answer, one image after the other without waiting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.annotate.labelling_browser import Begin, Labelling
from tests.site import Site

pytestmark = pytest.mark.browser

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


# --- choosing -------------------------------------------------------------------------------------


def test_ten_images_are_labelled_by_keyboard_alone(
    browser: Browser, site: Site, studies: Iterator[str]
) -> None:
    person = Labelling(site, next(studies), browser.new_context())
    person.page.goto(person.url())
    person.walk_to("I agree")
    person.page.keyboard.press("Enter")
    expect(person.page).to_have_url(person.url("classes/"))
    person.walk_to("Start labelling")
    person.page.keyboard.press("Enter")
    expect(person.picture()).to_be_visible()
    person.press(*"0123456789")
    person.has_answered(10)
    person.is_saved()
    person.is_stored(*range(10))
    assert {answer.outcome for answer in person.stored()} == {"counted"}
    assert all(300 < answer.milliseconds < 60_000 for answer in person.stored())
    assert person.faults == []
    person.context.close()


def test_the_number_pad_chooses(begin: Begin) -> None:
    person = begin()
    person.press("Numpad7", "Numpad0", "Numpad3")
    person.is_stored(7, 0, 3)


def test_a_layout_with_letters_on_the_digit_row_chooses_by_the_physical_key(begin: Begin) -> None:
    person = begin()
    person.look()
    person.page.evaluate(
        "document.dispatchEvent(new KeyboardEvent('keydown', {code: 'Digit2', key: 'é', bubbles: true}))"
    )
    person.is_stored(2)


def test_a_click_chooses(begin: Begin) -> None:
    person = begin()
    for name in ("4", "4", "cannot-tell"):
        person.look()
        person.choice(name).click()
    person.has_answered(3)
    person.is_stored(4, 4, None)
    assert person.stored()[-1].outcome == "cannot_tell"


def test_a_key_with_a_modifier_chooses_nothing(begin: Begin) -> None:
    person = begin()
    person.press("Control+1", "Alt+2", "Meta+3", "q")
    person.press("8")
    person.is_stored(8)


def test_a_held_key_is_one_answer(begin: Begin) -> None:
    person = begin()
    person.look()
    for _ in range(10):
        person.page.keyboard.down("5")
        person.look()
    person.page.keyboard.up("5")
    person.has_answered(1)
    person.press("6")
    person.is_stored(5, 6)


def test_a_bouncing_key_is_one_answer(begin: Begin) -> None:
    person = begin()
    person.look()
    person.page.evaluate(
        """for (let i = 0; i < 2; i += 1) {
            document.dispatchEvent(new KeyboardEvent('keydown', {code: 'Digit5', key: '5', bubbles: true}));
        }"""
    )
    person.has_answered(1)
    person.press("6")
    person.is_stored(5, 6)


# --- phones ---------------------------------------------------------------------------------------


def test_a_phone_labels_by_touch(begin: Begin) -> None:
    person = begin(**PHONE)
    for name in "3141592653":
        person.look()
        person.choice(name).tap()
    person.has_answered(10)
    person.is_stored(*map(int, "3141592653"))
    assert {(answer.is_touch, answer.screen_width) for answer in person.stored()} == {(1, 360)}


def test_on_a_phone_everything_to_touch_is_large_enough_and_nothing_scrolls_sideways(begin: Begin) -> None:
    person = begin(**PHONE)
    for button in person.page.locator("button:visible").all():
        box = box_of(button)
        assert min(box["width"], box["height"]) >= 44, button.inner_text()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        assert box["y"] + box["height"] <= 740
    person.context.set_offline(True)
    person.press("1", "2", "3")
    person.waits_to_save(3)
    assert person.page.evaluate("document.documentElement.scrollWidth") <= 360
    picture = box_of(person.picture())
    assert picture["width"] == picture["height"] >= 112


def box_of(element: Any) -> dict[str, float]:
    box: dict[str, float] | None = element.bounding_box()
    assert box is not None, "not visible"
    return box


# --- no waiting, no shifting ----------------------------------------------------------------------


def test_nothing_moves_while_labelling(begin: Begin) -> None:
    person = begin()

    def places() -> list[dict[str, float]]:
        fixed = [person.page.locator(name) for name in ("#stage", "#undo", "#help", "#choices")]
        return [box_of(element) for element in [*fixed, *person.page.locator(".choice").all()]]

    before = places()
    for key in "12":
        person.press(key)
        assert places() == before
    person.is_saved()
    assert places() == before
    person.page.keyboard.press("Backspace")
    assert places() == before
    person.context.set_offline(True)
    person.press("4", "5")
    person.waits_to_save(2)
    assert places() == before


def test_the_next_images_are_in_the_page_before_they_are_needed(begin: Begin) -> None:
    person = begin()
    held: list[Route] = []
    person.page.route("**/answers/", lambda route: held.append(route))
    shown = [person.source()]
    for count in range(1, 9):
        person.press(str(count))
        person.has_answered(count)
        shown.append(person.source())
        assert person.picture().evaluate("picture => picture.complete && picture.naturalWidth === 8")
    assert len(set(shown)) == 9
    assert person.stored() == []
    assert person.waiting_in_browser() == 8
    person.page.unroute("**/answers/")  # also ends those that were held
    person.retry()
    person.is_stored(*range(1, 9))


def test_the_next_image_is_shown_in_the_task_of_the_key(begin: Begin) -> None:
    """Before the key's event is over, and so before the browser paints again."""
    person = begin()
    person.look()
    is_next = person.page.evaluate(
        """() => {
            const shown = () => document.querySelector('#stage img').src;
            const before = shown();
            document.dispatchEvent(new KeyboardEvent('keydown', {code: 'Digit1', key: '1', bubbles: true}));
            return shown() !== before;
        }"""
    )
    assert is_next


# --- undo, examples, the clock --------------------------------------------------------------------


def test_undo_shows_the_image_again_and_keeps_one_answer_with_its_history(begin: Begin) -> None:
    person = begin()
    first = person.source()
    person.press("1")
    second = person.source()
    person.page.keyboard.press("Backspace")
    assert person.source() == first
    person.press("2")
    assert person.source() == second
    person.press("3")
    person.has_answered(2)
    person.is_stored(2, 3)
    [changed, unchanged] = person.stored()
    assert (changed.revision, person.history_of(changed)) == (1, [1])
    assert (unchanged.revision, person.history_of(unchanged)) == (0, [])


def test_undo_goes_back_over_several_images_by_button_and_ends_at_the_first(begin: Begin) -> None:
    person = begin()
    undo = person.page.locator("#undo")
    expect(undo).to_be_disabled()
    first = person.source()
    person.press("1", "2", "3")
    for _ in range(3):
        undo.click()
    assert person.source() == first
    expect(undo).to_be_disabled()
    person.press("4", "5", "6")
    person.has_answered(3)
    person.is_saved()
    person.is_stored(4, 5, 6)


def test_the_examples_stop_the_clock_and_take_no_answers(begin: Begin) -> None:
    person = begin()
    person.look(500)
    person.page.keyboard.press("h")
    examples = person.page.locator("#examples")
    expect(examples).to_be_visible()
    person.look(600_000)
    person.page.keyboard.press("5")
    # The browser tells of the closing a moment after it; this listener hears it after the page's own.
    person.page.evaluate(
        """() => { window.closing = new Promise(heard =>
            document.getElementById('examples').addEventListener('close', heard, {once: true})); }"""
    )
    person.page.keyboard.press("Escape")
    expect(examples).to_be_hidden()
    person.page.evaluate("() => window.closing.then(() => true)")
    person.press("6")
    person.is_stored(6)
    assert 800 <= person.stored()[0].milliseconds < 60_000


def test_the_time_of_a_hidden_tab_is_taken_out(begin: Begin) -> None:
    person = begin()
    person.look(500)
    become = """hidden => {
        Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    person.page.evaluate(become, True)
    person.look(600_000)
    person.page.evaluate(become, False)
    person.press("6")
    person.is_stored(6)
    assert 800 <= person.stored()[0].milliseconds < 60_000


def test_the_time_to_the_key_is_measured(begin: Begin) -> None:
    person = begin()
    person.look(90_000)
    person.press("6")
    person.is_stored(6)
    assert 90_000 <= person.stored()[0].milliseconds < 150_000
