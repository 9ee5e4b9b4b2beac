"""Everything a site needs before its processes start: the one-shot service of docker-compose.yml."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from config.checks import refuse_unsafe_production
from config.first_start import prepare_site
from config.preflight import check_database, check_var, errors_in_one_line


class Command(BaseCommand):
    help = "Migrate, prepare images, make the administrator and the demonstration study; safe to repeat."
    requires_system_checks = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        var = settings.HUMANMARK_VAR_DIR
        with errors_in_one_line(var):
            refuse_unsafe_production()
            check_var(var)
            check_database()
            prepared = prepare_site(lambda _step, _share: None)
        for line in prepared.lines():
            self.stdout.write(line)
