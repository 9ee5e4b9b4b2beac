"""The records of the people's half: studies, their images and slots, annotators and annotations.

Every rule that must never break is a database constraint here; `annotate.assignment` owns the transactions.
"""

from annotate.models.answers import (
    MAX_CLASSES,
    Annotation,
    Annotator,
    ReplacedAnswer,
    Slot,
    SlotQuerySet,
)
from annotate.models.study import (
    MAX_LABELS_PER_IMAGE,
    SEED_LIMIT,
    Study,
    StudyImage,
    StudyResult,
    new_link_key,
    new_seed,
)

__all__ = [
    "MAX_CLASSES",
    "MAX_LABELS_PER_IMAGE",
    "SEED_LIMIT",
    "Annotation",
    "Annotator",
    "ReplacedAnswer",
    "Slot",
    "SlotQuerySet",
    "Study",
    "StudyImage",
    "StudyResult",
    "new_link_key",
    "new_seed",
]
