"""What a site needs before it serves: tables, images, an administrator, a study to try. All idempotent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import transaction

from annotate.models import Study
from annotate.studies import create_study, open_study
from benchmarks.published import load_published
from config.secret import load_or_create_secret
from imagesets.library import open_imageset, prepare_imageset
from imagesets.specs import ImageSetError
from imagesets.store import NotPreparedError, PreparedSet

WANTED_SET, FALLBACK_SET = "fashion-mnist", "digits"
ADMIN_NAME = "admin"
PASSWORD_LENGTH = 15
STUDY_IMAGES, STUDY_LABELS, STUDY_IMAGES_PER_PERSON = 1000, 3, 100

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Prepared:
    """What the person who started the site is told."""

    images: PreparedSet
    # Why the wanted image set is not there; empty if it is.
    missing: str
    study: Study
    password_file: Path
    # Only at the first start; afterwards it is in its file and nowhere else.
    new_password: str

    def lines(self) -> list[str]:
        """The same for the terminal."""
        spec = self.images.spec
        lines = [
            f"  Images   {spec.title}, {spec.n_train + spec.n_test:,} images, from {self.images.source}",
            f"  Study    {self.study.title} ({self.study.get_state_display()})",
            f"  Admin    {self._admin()}",
        ]
        if self.missing:
            lines.insert(0, f"Without Fashion-MNIST the site runs on {FALLBACK_SET!r}: {self.missing}")
        return lines

    def _admin(self) -> str:
        if self.new_password:
            kept = f"kept in {self.password_file}; not shown again"
            return f"user {ADMIN_NAME}, password {self.new_password} ({kept})"
        return f"user {ADMIN_NAME}, password in {self.password_file}"


def prepare_site(progress: Progress) -> Prepared:
    """Bring the site to where it can serve. Raises ImageSetError, OSError, DatabaseError."""
    call_command("migrate", verbosity=0, interactive=False)
    images, missing = _images(progress)
    password_file = settings.HUMANMARK_VAR_DIR / "admin_password"
    new_password = _ensure_admin(password_file)
    load_published()
    study = _ensure_study(images)
    return Prepared(images, missing, study, password_file, new_password)


def _images(progress: Progress) -> tuple[PreparedSet, str]:
    try:
        return _ensure_images(WANTED_SET, progress), ""
    except ImageSetError as error:
        return _ensure_images(FALLBACK_SET, progress), str(error)


def _ensure_images(slug: str, progress: Progress) -> PreparedSet:
    try:
        return open_imageset(slug)
    except NotPreparedError:
        return prepare_imageset(slug, progress=progress)


def _ensure_admin(password_file: Path) -> str:
    """Create the administrator where there is none; the password if that was just done."""
    with transaction.atomic():
        if User.objects.filter(username=ADMIN_NAME).exists():
            return ""
        password = load_or_create_secret(password_file, PASSWORD_LENGTH)
        User.objects.create_superuser(ADMIN_NAME, password=password)
        return password


def _ensure_study(images: PreparedSet) -> Study:
    """An image set without any study gets the demonstration study."""
    with transaction.atomic():
        first = Study.objects.filter(image_set=images.spec.slug).order_by("pk").first()
        if first is not None:
            return first
        n_images = min(STUDY_IMAGES, images.spec.n_test)
        study = create_study(
            title=f"{images.spec.title}, {n_images} images x {STUDY_LABELS} labels",
            image_set=images.spec.slug,
            n_images=n_images,
            labels_per_image=STUDY_LABELS,
            images_per_annotator=STUDY_IMAGES_PER_PERSON,
        )
        return open_study(study)
