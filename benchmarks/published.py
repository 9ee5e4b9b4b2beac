"""Results that others published, as claimed rows. `benchmarks/data/README.md` names the sources."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction

from benchmarks.models import Claim, Submission
from imagesets.specs import get_spec

DATA = Path(__file__).resolve().parent / "data"
IMAGE_SETS = {"fashion-mnist": "fashion_mnist_accuracy", "mnist": "mnist_accuracy"}

PAPER = "Table 3 of arXiv:1708.07747v2"
PAPER_URL = "https://arxiv.org/abs/1708.07747v2"
README = "results table in the README of zalandoresearch/fashion-mnist"
README_URL = "https://github.com/zalandoresearch/fashion-mnist#benchmark"
HUMAN_ROW = "Human Performance"
HUMAN_IMAGES = 1000


@dataclass(frozen=True)
class PublishedResult:
    """One number of one published table. `identity` is what tells it from the others of its source."""

    source: str
    source_url: str
    image_set: str
    name: str
    spec: dict[str, Any]
    accuracy: float
    n_images: int
    identity: tuple[str, ...]
    details: str = ""
    submitter: str = ""
    is_human: bool = False

    @property
    def key(self) -> str:
        parts = "\0".join((self.source, self.image_set, *self.identity))
        return hashlib.sha256(parts.encode()).hexdigest()


def load_published() -> int:
    """Store the published results that are not stored yet; how many those were."""
    with transaction.atomic():
        known = set(Claim.objects.values_list("key", flat=True))
        new = [result for result in published_results() if result.key not in known]
        submissions = Submission.objects.bulk_create(_submission(result) for result in new)
        Claim.objects.bulk_create(map(_claim, new, submissions))
    return len(new)


def published_results() -> Iterator[PublishedResult]:
    """Every number of both tables, for each image set that it was measured on."""
    for image_set, column in IMAGE_SETS.items():
        for row in _read("paper-table3.csv"):
            if row[column]:
                yield _from_paper(row, image_set, float(row[column]))
        for row in _read("readme-submissions.csv"):
            if row[column]:
                yield _from_readme(row, image_set, float(row[column]))


def _read(file_name: str) -> list[dict[str, str]]:
    with (DATA / file_name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _from_paper(row: dict[str, str], image_set: str, accuracy: float) -> PublishedResult:
    parameters = json.loads(row["parameters"])
    words = ", ".join(f"{key}={value}" for key, value in parameters.items())
    return PublishedResult(
        source=PAPER,
        source_url=PAPER_URL,
        image_set=image_set,
        name=f"{row['classifier']}({words})"[:120],
        spec={"classifier": row["classifier"], "parameters": parameters},
        accuracy=accuracy,
        n_images=get_spec(image_set).n_test,
        identity=(row["classifier"], row["parameters"]),
        details=f"Parameters: {row['parameters']}",
        submitter="Xiao, Rasul, Vollgraf",
    )


def _from_readme(row: dict[str, str], image_set: str, accuracy: float) -> PublishedResult:
    is_human = row["classifier"] == HUMAN_ROW
    how = "How" if is_human else "Preprocessing"
    lines = [f"{how}: {row['preprocessing']}" if row["preprocessing"] else "", *row["code"].split()]
    return PublishedResult(
        source=README,
        source_url=README_URL,
        image_set=image_set,
        name=row["classifier"],
        spec={"classifier": row["classifier"], "preprocessing": row["preprocessing"]},
        accuracy=accuracy,
        n_images=HUMAN_IMAGES if is_human else get_spec(image_set).n_test,
        identity=(row["classifier"], row["preprocessing"], row["submitter"], row["code"]),
        details="\n".join(line for line in lines if line),
        submitter=row["submitter"],
        is_human=is_human,
    )


def _submission(result: PublishedResult) -> Submission:
    return Submission(
        name=result.name,
        kind=Submission.Kind.CLAIMED,
        image_set=result.image_set,
        spec=result.spec,
        state=Submission.State.PUBLISHED,
    )


def _claim(result: PublishedResult, submission: Submission) -> Claim:
    return Claim(
        submission=submission,
        accuracy=result.accuracy,
        n_images=result.n_images,
        is_human=result.is_human,
        submitter=result.submitter,
        source=result.source,
        source_url=result.source_url,
        details=result.details,
        key=result.key,
    )
