"""Prepare an image set on this machine, or check one that is prepared."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, OutputWrapper

from imagesets.library import check_imageset, prepare_imageset
from imagesets.specs import BUILT_IN, ImageSetError


class Command(BaseCommand):
    help = "Find or download an image set, verify it, and store it for the site and the workers."
    # Images need no database; a worker machine prepares its sets before it can reach one.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        slugs = ", ".join(BUILT_IN)
        parser.add_argument("slug", metavar="SLUG", help=f"which image set: {slugs}, or all")
        parser.add_argument(
            "--from",
            dest="from_dir",
            metavar="DIR",
            type=Path,
            help="take the IDX files from this folder (or its folder SLUG) and from nowhere else",
        )
        parser.add_argument(
            "--check",
            action="store_true",
            help="prepare nothing; read the prepared set and compare its SHA-256 digests",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        slug, from_dir = options["slug"], options["from_dir"]
        if options["check"] and from_dir is not None:
            raise CommandError("--check looks at the prepared set; leave out --from")
        failures = []
        for one in BUILT_IN if slug == "all" else (slug,):
            try:
                self._handle_one(one, from_dir, only_check=options["check"])
            except ImageSetError as error:
                failures.append(str(error))
        if failures:
            raise CommandError(" | ".join(failures))

    def _handle_one(self, slug: str, from_dir: Path | None, *, only_check: bool) -> None:
        bar = _ProgressBar(self.stdout)
        try:
            if only_check:
                prepared = check_imageset(slug, progress=bar.show)
            else:
                prepared = prepare_imageset(slug, from_dir=from_dir, progress=bar.show)
        finally:
            bar.clear()
        done = "is sound" if only_check else "is ready"
        train, test = prepared.spec.n_train, prepared.spec.n_test
        self.stdout.write(
            f"{slug} {done}: {train:,} training and {test:,} test images, from {prepared.source}, "
            f"in {prepared.folder}"
        )


class _ProgressBar:
    """One line on a terminal, redrawn in place; silent where the output is a file or a pipe."""

    width = 24

    def __init__(self, out: OutputWrapper) -> None:
        self._out = out
        self._watched = out.isatty()
        self._line = ""

    def show(self, step: str, share: float) -> None:
        filled = int(self.width * share)
        line = f"[{'#' * filled}{'.' * (self.width - filled)}] {share:4.0%} {step}"
        if self._watched and line != self._line:
            self._draw(line)

    def clear(self) -> None:
        if self._line:
            self._draw("")

    def _draw(self, line: str) -> None:
        # Spaces wipe what a longer line before left; the second return puts the cursor back.
        self._out.write(f"\r{line.ljust(len(self._line))}\r{line}", ending="")
        self._out.flush()
        self._line = line
