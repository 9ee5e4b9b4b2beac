"""The human result counted again from the exported rows, in plain Python, sharing no code with the site."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from statistics import median


@dataclass(frozen=True)
class Recount:
    n_counted: int
    n_images: int
    n_annotators: int
    accuracy: Fraction
    worst: Fraction
    best: Fraction
    tie_share: Fraction
    single: Fraction
    median_milliseconds: float
    recall: dict[int, Fraction]
    confusion: dict[tuple[int, int], Fraction]


def recount(export: str, labels_per_image: int) -> Recount:
    """Majority vote of the counted rows on images with all their labels; ties are shared out equally."""
    counted = [row for row in csv.DictReader(io.StringIO(export)) if row["counted"] == "1"]
    by_image: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in counted:
        by_image[row["image_index"]].append(row)
    complete = [rows for rows in by_image.values() if len(rows) == labels_per_image]
    used = [row for rows in complete for row in rows]
    winners = [winners_of(row["choice"] for row in rows) for rows in complete]
    truths = [int(rows[0]["true_class"]) for rows in complete]
    confusion: dict[tuple[int, int], Fraction] = defaultdict(Fraction)
    for truth, classes in zip(truths, winners, strict=True):
        for choice in classes:
            confusion[truth, choice] += Fraction(1, len(classes))
    n = len(complete)
    right = [Fraction(truth in classes, len(classes)) for truth, classes in zip(truths, winners, strict=True)]
    return Recount(
        n_counted=len(counted),
        n_images=n,
        n_annotators=len({row["annotator"] for row in used}),
        accuracy=sum(right, Fraction(0)) / n,
        worst=Fraction(sum(share == 1 for share in right), n),
        best=Fraction(sum(share > 0 for share in right), n),
        tie_share=Fraction(sum(len(classes) > 1 for classes in winners), n),
        single=Fraction(sum(row["choice"] == row["true_class"] for row in used), len(used)),
        median_milliseconds=median(int(row["milliseconds"]) for row in used),
        recall={truth: confusion[truth, truth] / truths.count(truth) for truth in set(truths)},
        confusion=dict(confusion),
    )


def winners_of(choices: Iterable[str]) -> list[int]:
    votes = Counter(choices)
    return sorted(int(choice) for choice, count in votes.items() if count == max(votes.values()))
