"""A study's annotations as rows, in a stable order, without anything that points to a person."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from annotate.models import Annotation, Study
from annotate.spreadsheet import safe_cell
from imagesets.library import ensure_imageset

COLUMNS = (
    "study",
    "image_set",
    "image_index",
    "annotator",
    "simulated",
    "counted",
    "outcome",
    "choice",
    "class_name",
    "true_class",
    "milliseconds",
    "answered_at",
    "revision",
    "slot_number",
    "screen_width",
    "image_scale",
    "touch",
)


def annotation_rows(study: Study) -> Iterator[tuple[object, ...]]:
    """One row per annotation in the order of `COLUMNS`; empty choice means "cannot tell".

    image_index is the index in the test split; counted is 1 for the answers that majority vote uses.
    """
    prepared = ensure_imageset(study.image_set)
    names, truth = prepared.spec.class_names, prepared.test_labels
    annotations = (
        Annotation.objects.filter(study_image__study=study)
        .order_by("study_image__position", "pk")
        .select_related("study_image", "annotator", "slot")
    )
    for annotation in annotations.iterator(chunk_size=2000):
        choice, slot = annotation.choice, annotation.slot
        index = annotation.study_image.image_index
        yield (
            study.link_key,
            study.image_set,
            index,
            str(annotation.annotator.pseudonym),
            int(annotation.annotator.is_simulated),
            int(slot is not None),
            annotation.outcome,
            "" if choice is None else choice,
            "" if choice is None else names[choice],
            int(truth[index]),
            annotation.milliseconds,
            annotation.answered_at.isoformat(),
            annotation.revision,
            "" if slot is None else slot.number,
            annotation.screen_width,
            annotation.image_scale,
            int(annotation.is_touch),
        )


def csv_lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """CSV text, line by line, so that an export of any size streams."""
    yield csv_line(COLUMNS)
    for row in rows:
        yield csv_line(row)


def csv_line(values: Iterable[object]) -> str:
    buffer = io.StringIO()
    # The writer quotes a lone carriage return only where it is part of its own line end.
    csv.writer(buffer, lineterminator="\r\n").writerow([safe_cell(value) for value in values])
    return buffer.getvalue().removesuffix("\r\n") + "\n"
