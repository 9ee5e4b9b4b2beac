"""Whether this machine's worker answers: the health check of a worker's container."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from celery.utils.nodenames import gethostname
from django.core.management.base import BaseCommand, CommandError
from kombu.exceptions import OperationalError

from config.celery import app


class Command(BaseCommand):
    help = "Ask this machine's worker for a sign of life; ends with 0 where it answers."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the worker's name before the @: runs or housekeeping")
        parser.add_argument("--seconds", type=float, default=5.0, help="how long to wait for the answer")

    def handle(self, *_args: Any, **options: Any) -> None:
        worker = f"{options['name']}@{gethostname()}"
        try:
            answers = app.control.ping(destination=[worker], timeout=options["seconds"])
        except OperationalError as error:
            raise CommandError(f"Redis does not answer: {error}") from None
        if not answers:
            raise CommandError(f"{worker} does not answer within {options['seconds']:.0f} s")
        self.stdout.write(f"{worker} answers")
