"""The WSGI application: `granian --interface wsgi config.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

from config.lifeline import die_with_parent

if "HUMANMARK_PART" in os.environ:
    # Started by run_site: a server killed with -9 must not leave its serving process holding the port.
    die_with_parent()

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()

from config.checks import refuse_unsafe_production  # noqa: E402  settings must be loaded first

refuse_unsafe_production()
