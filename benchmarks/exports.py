"""The leaderboard as CSV and JSON. Both have the same columns, in the order of `COLUMNS`.

rank: number or empty (claimed, simulated and unfinished rows are not ranked).
kind: human, model. provenance: study, ran here, scored here, reproduced, claimed.
title, detail: text. accuracy, interval_low, interval_high: shares in [0, 1]; the 95 % interval may be empty.
n: test images behind the accuracy. accuracy_worst, accuracy_best, tie_share: of a majority vote, under the
unluckiest and luckiest tie-break, and the share of images with a tie; empty for models.
simulated: true for a crowd that was a program. complete: false for a study that still lacks answers.
seed, seconds: of the run. submitter: text. date: ISO 8601 with time zone. url: path on this site.

In CSV missing values are empty, and a text that a spreadsheet would take for a formula starts with an
apostrophe.
Columns may be added at the end; none is renamed or removed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from annotate.spreadsheet import safe_cell
from benchmarks.leaderboard import Row

COLUMNS = (
    "rank", "kind", "provenance", "title", "detail", "accuracy", "interval_low", "interval_high", "n",
    "accuracy_worst", "accuracy_best", "tie_share", "simulated", "complete", "seed", "seconds", "submitter",
    "date", "url",
)  # fmt: skip


def as_csv(rows: Iterable[Row]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(value) for value in record(row).values()])
    return buffer.getvalue()


def as_json(image_set: str, rows: Iterable[Row], generated_at: datetime) -> dict[str, Any]:
    return {
        "image_set": image_set,
        "generated_at": generated_at.isoformat(),
        "rows": [record(row) for row in rows],
    }


def record(row: Row) -> dict[str, Any]:
    """A row as plain values, one per column."""
    low, high = row.interval or (None, None)
    return {
        "rank": row.rank,
        "kind": row.kind.value,
        "provenance": row.provenance.value,
        "title": row.title,
        "detail": row.detail,
        "accuracy": row.accuracy,
        "interval_low": low,
        "interval_high": high,
        "n": row.n,
        "accuracy_worst": row.worst,
        "accuracy_best": row.best,
        "tie_share": row.tie_share,
        "simulated": row.simulated,
        "complete": row.complete,
        "seed": row.seed,
        "seconds": row.seconds,
        "submitter": row.submitter,
        "date": row.date.isoformat() if row.date else None,
        "url": row.url,
    }


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return safe_cell(value)
