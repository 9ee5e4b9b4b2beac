"""`manage.py demo`: the whole job on the real data, in a folder of its own; the last line is JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.demo import DemoError, run_demo
from config.site_client import SiteAnswerError
from imagesets.library import ensure_imageset
from imagesets.specs import ImageSetError

IN_PLACE = "HUMANMARK_DEMO_IN_PLACE"


class Command(BaseCommand):
    help = "Simulated crowd, four models, one leaderboard: the whole job in one command."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--image-set", default="fashion-mnist")

    def handle(self, *args: Any, image_set: str, **options: Any) -> None:
        if IN_PLACE not in os.environ:
            _start_again_in_own_folder(settings.HUMANMARK_VAR_DIR / "demo")
        try:
            ensure_imageset(image_set)
        except ImageSetError as error:
            self.stdout.write(f"{error}\nGoing on with digits, which needs no download.")
            image_set = "digits"
        try:
            numbers = run_demo(image_set, self.stdout.write)
        except (DemoError, SiteAnswerError, OSError) as error:
            raise CommandError(str(error)) from None
        self._print_board(numbers["leaderboard"])
        self.stdout.write(json.dumps({key: value for key, value in numbers.items() if key != "leaderboard"}))

    def _print_board(self, rows: list[dict[str, Any]]) -> None:
        """Everything that was measured here, and the claimed human row it stands beside."""
        shown = [row for row in rows if row["provenance"] != "claimed" or row["kind"] == "human"]
        self.stdout.write("\nrank  accuracy   95 % interval   images  where        entry")
        for row in shown:
            self.stdout.write(_as_line(row))
        self.stdout.write(f"... and {len(rows) - len(shown)} claimed model results, unranked\n")


def _as_line(row: dict[str, Any]) -> str:
    low, high = row["interval_low"], row["interval_high"]
    interval = "-" if low is None else f"{100 * low:.1f} to {100 * high:.1f}"
    simulated = " (simulated)" if row["simulated"] else ""
    unfinished = "" if row["complete"] else " (not finished)"
    return (
        f"{row['rank'] or '-'!s:>4}  {100 * row['accuracy']:6.2f} %  {interval:<15} {row['n']:>6}  "
        f"{row['provenance']:<11}  {row['title']}{simulated}{unfinished}"
    )


def _start_again_in_own_folder(folder: Path) -> None:
    """The same command with a fresh database of its own, so that simulated people never meet real ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("humanmark.sqlite3*"):
        old.unlink()
    own = {
        IN_PLACE: "1",
        "HUMANMARK_VAR_DIR": str(folder),
        "HUMANMARK_IMAGESET_ROOT": str(settings.HUMANMARK_IMAGESET_ROOT),
        "HUMANMARK_DATABASE_URL": "",
        "HUMANMARK_REDIS_URL": "",
        "HUMANMARK_PRODUCTION": "0",
    }
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **own})  # noqa: S606  itself
