"""The published tables as claimed rows."""

from __future__ import annotations

import csv
import io

import pytest
from django.core.management import call_command

from benchmarks.models import Claim, Submission
from benchmarks.published import DATA, PAPER, README, load_published, published_results

pytestmark = pytest.mark.django_db


def numbers_in(file_name: str, column: str) -> list[float]:
    with (DATA / file_name).open(encoding="utf-8", newline="") as file:
        return sorted(float(row[column]) for row in csv.DictReader(file) if row[column])


@pytest.mark.parametrize(
    ("image_set", "source", "file_name", "column", "count"),
    [
        ("fashion-mnist", PAPER, "paper-table3.csv", "fashion_mnist_accuracy", 126),
        ("mnist", PAPER, "paper-table3.csv", "mnist_accuracy", 126),
        ("fashion-mnist", README, "readme-submissions.csv", "fashion_mnist_accuracy", 38),
        ("mnist", README, "readme-submissions.csv", "mnist_accuracy", 12),
    ],
)
def test_every_number_of_the_tables_is_loaded(
    image_set: str, source: str, file_name: str, column: str, count: int
) -> None:
    load_published()
    claims = Claim.objects.filter(submission__image_set=image_set, source=source)
    loaded = sorted(claims.values_list("accuracy", flat=True))
    assert loaded == numbers_in(file_name, column)
    assert len(loaded) == count


def test_loading_again_adds_nothing() -> None:
    assert load_published() == 302
    assert load_published() == 0
    assert Claim.objects.count() == Submission.objects.count() == 302


def test_a_missing_row_is_added_again_alone() -> None:
    load_published()
    Submission.objects.filter(claim__is_human=True).delete()
    assert load_published() == 1


def test_the_human_row_is_people_on_1000_images_with_its_interval_computed_here() -> None:
    load_published()
    claim = Claim.objects.get(is_human=True)
    assert (claim.accuracy, claim.n_images, claim.submitter) == (0.835, 1000, "Leo")
    assert claim.interval == pytest.approx((0.811, 0.857), abs=0.0005)
    assert "majority labelling" in claim.details


def test_claims_belong_to_nobody_and_are_published() -> None:
    load_published()
    assert not Submission.objects.exclude(owner=None, state="published", kind="claimed").exists()


def test_names_and_parameters_fit_and_are_told_apart() -> None:
    results = list(published_results())
    assert len({result.key for result in results}) == len(results)
    svc = next(result for result in results if result.name.startswith("SVC("))
    assert svc.spec["parameters"].keys() == {"C", "kernel"}
    assert svc.details.startswith("Parameters: {")


def test_the_command_says_what_it_did() -> None:
    first, second = io.StringIO(), io.StringIO()
    call_command("load_published", stdout=first)
    call_command("load_published", stdout=second)
    assert first.getvalue() == "302 published results added\n"
    assert second.getvalue() == "all published results are there\n"
