from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from benchmarks.published import load_published


class Command(BaseCommand):
    help = "Load the published results as claimed rows; those already there stay as they are."

    def handle(self, *args: Any, **options: Any) -> None:
        added = load_published()
        self.stdout.write(f"{added} published results added" if added else "all published results are there")
