"""The export: every annotation once, as stored, in a stable order, pseudonymous, safe in a spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st

from annotate.export import COLUMNS, annotation_rows, csv_line, csv_lines
from annotate.models import Annotation, Annotator, Study
from imagesets.library import ensure_imageset
from tests.annotate.rows import NOW, an_answer, label_everything, lend, person_in, running_study, send

pytestmark = pytest.mark.django_db


def exported(study: Study) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(csv_lines(annotation_rows(study))))))


def busy_study() -> Study:
    """Counted, changed, extra and cannot-tell answers; simulated people among them never mix with others."""
    study = running_study(n_images=6, labels_per_image=2, offers_cannot_tell=True)
    for choices in ({0: None, 1: 3}, {2: None}, {}):
        label_everything(study, person_in(study), dict(choices))
    changer = person_in(study)
    slots = lend(changer, 3).slots
    send(changer, *[an_answer(slot, 4, screen_width=360, image_scale=9, is_touch=True) for slot in slots])
    send(changer, *[an_answer(slot, 5, revision=1, milliseconds=77) for slot in slots])
    late = person_in(study)
    send(late, an_answer(study.slots.filled().first() or 0, 9))
    return study


def test_every_annotation_is_a_row_with_what_is_stored_about_it() -> None:
    study = busy_study()
    labels = ensure_imageset("digits").test_labels
    rows = exported(study)
    stored = Annotation.objects.filter(study_image__study=study).order_by("study_image__position", "pk")
    assert len(rows) == stored.count() > 12
    for row, annotation in zip(rows, stored, strict=True):
        choice, slot = annotation.choice, annotation.slot
        index = annotation.study_image.image_index
        assert row == {
            "study": study.link_key,
            "image_set": "digits",
            "image_index": str(index),
            "annotator": str(annotation.annotator.pseudonym),
            "simulated": "0",
            "counted": "1" if slot else "0",
            "outcome": annotation.outcome,
            "choice": "" if choice is None else str(choice),
            "class_name": "" if choice is None else str(choice),
            "true_class": str(labels[index]),
            "milliseconds": str(annotation.milliseconds),
            "answered_at": annotation.answered_at.isoformat(),
            "revision": str(annotation.revision),
            "slot_number": str(slot.number) if slot else "",
            "screen_width": str(annotation.screen_width),
            "image_scale": str(annotation.image_scale),
            "touch": str(int(annotation.is_touch)),
        }
    assert {row["outcome"] for row in rows} == {"counted", "extra", "cannot_tell"}


def test_two_exports_are_equal_line_by_line() -> None:
    study = busy_study()
    assert list(csv_lines(annotation_rows(study))) == list(csv_lines(annotation_rows(study)))


def test_a_simulated_answer_says_so() -> None:
    study = running_study(n_images=2, labels_per_image=1, is_simulated=True)
    label_everything(study, person_in(study), {})
    assert {row["simulated"] for row in exported(study)} == {"1"}


def test_an_export_holds_nothing_of_another_study_and_nothing_that_points_to_a_person() -> None:
    study, other = running_study(), running_study()
    user = User.objects.create(username="marie", email="marie@example.org")
    member = person_in(study, user=user)
    label_everything(study, member, {})
    label_everything(other, person_in(other), {})
    text = "".join(csv_lines(annotation_rows(study)))
    assert len(exported(study)) == study.n_images
    assert "marie" not in text
    assert str(member.guest_key) not in text


def test_a_study_without_answers_exports_its_header_alone() -> None:
    assert list(csv_lines(annotation_rows(running_study()))) == [",".join(COLUMNS) + "\n"]


def test_the_number_of_queries_does_not_grow_with_the_rows(django_assert_num_queries: object) -> None:
    study = busy_study()
    assert callable(django_assert_num_queries)
    with django_assert_num_queries(1):
        list(annotation_rows(study))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_that_a_spreadsheet_would_run_is_quoted(start: str) -> None:
    [[cell]] = csv.reader(io.StringIO(csv_line([f"{start}HYPERLINK(0)"]), newline=""))
    assert cell == f"'{start}HYPERLINK(0)"


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20), min_size=1
    )
)
def test_any_text_comes_back_from_the_csv_and_none_begins_like_a_formula(values: list[str]) -> None:
    [cells] = csv.reader(io.StringIO(csv_line(values), newline=""))
    assert [cell.removeprefix("'") for cell in cells] == [value.removeprefix("'") for value in values]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)


def test_a_negative_number_is_a_number() -> None:
    assert csv_line([-3, 1.5, "-3"]) == "-3,1.5,'-3\n"


def test_the_pseudonym_is_all_that_names_an_annotator() -> None:
    study = running_study()
    label_everything(study, person_in(study), {}, NOW)
    [person] = Annotator.objects.all()
    assert {row["annotator"] for row in exported(study)} == {str(person.pseudonym)}
