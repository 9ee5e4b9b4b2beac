"""The one settings file. It runs with nothing set; docs/deployment.md lists every variable.

Embedded (the default): SQLite, a private Redis, a generated secret, all under `var/`.
Production (HUMANMARK_PRODUCTION=1): PostgreSQL and Redis by URL; `config.checks` refuses unsafe values.
"""

from __future__ import annotations

import hashlib
import tempfile
from datetime import timedelta
from pathlib import Path

import django_stubs_ext
from dotenv import load_dotenv

from config import env
from config.addresses import reachable_names
from config.secret import load_or_create_secret

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
load_dotenv(env.folder("HUMANMARK_ENV_FILE", BASE_DIR / ".env"))

PRODUCTION = env.flag("HUMANMARK_PRODUCTION", default=False)
DEBUG = env.flag("HUMANMARK_DEBUG", default=False)
HTTPS = env.flag("HUMANMARK_HTTPS", default=PRODUCTION)

HUMANMARK_VAR_DIR = env.folder("HUMANMARK_VAR_DIR", BASE_DIR / "var") or BASE_DIR / "var"
HUMANMARK_IMAGESET_ROOT = env.folder("HUMANMARK_IMAGESET_ROOT", None) or HUMANMARK_VAR_DIR / "imagesets"
HUMANMARK_DATA_DIR = env.folder("HUMANMARK_DATA_DIR", None)

HUMANMARK_HOST = env.text("HOST", "127.0.0.1")
HUMANMARK_PORT = env.integer("PORT", 8000, low=1, high=65535)

SECRET_KEY = env.text("HUMANMARK_SECRET_KEY") or (
    "missing" if PRODUCTION else load_or_create_secret(HUMANMARK_VAR_DIR / "secret_key")
)
LOCAL_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = env.words(
    "HUMANMARK_ALLOWED_HOSTS", () if PRODUCTION else [*LOCAL_HOSTS, *reachable_names(HUMANMARK_HOST)]
)
CSRF_TRUSTED_ORIGINS = env.words("HUMANMARK_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "config.apps.ConfigConfig",
    "imagesets.apps.ImagesetsConfig",
    "annotate.apps.AnnotateConfig",
    "benchmarks.apps.BenchmarksConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "allauth",
    "allauth.account",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.ContentSecurityPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DATABASES = {"default": env.database("HUMANMARK_DATABASE_URL", HUMANMARK_VAR_DIR / "humanmark.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis: the queue's broker, the cache and the rate limits -------------------------------------------


def _embedded_socket(var_dir: Path) -> Path:
    """A Unix socket's path holds at most about 100 bytes, so a deep checkout uses the temporary folder."""
    path = var_dir / "redis" / "redis.sock"
    if len(str(path).encode()) <= 100:
        return path
    return (
        Path(tempfile.gettempdir()) / f"humanmark-{hashlib.sha256(str(path).encode()).hexdigest()[:16]}.sock"
    )


HUMANMARK_REDIS_SOCKET = _embedded_socket(HUMANMARK_VAR_DIR)
HUMANMARK_REDIS_URL = env.text("HUMANMARK_REDIS_URL")
HUMANMARK_EMBEDDED_REDIS = not HUMANMARK_REDIS_URL
_REDIS_CACHE = {
    "LOCATION": HUMANMARK_REDIS_URL or f"unix://{HUMANMARK_REDIS_SOCKET}",
    "KEY_PREFIX": "humanmark",
}
CACHES = {
    # The rate limits of signing in: people can sign in while Redis is away.
    "default": {"BACKEND": "config.cache.ForgivingRedisCache", **_REDIS_CACHE},
    # Which workers were heard of: here "Redis is away" is itself the answer, and must be told.
    "workers": {"BACKEND": "django.core.cache.backends.redis.RedisCache", **_REDIS_CACHE},
}

CELERY_BROKER_URL = HUMANMARK_REDIS_URL or f"redis+socket://{HUMANMARK_REDIS_SOCKET}"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = env.integer("HUMANMARK_PARALLEL_RUNS", 2, low=1, high=256)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# A worker that lost the broker keeps its run going; the run's own claim stops a second delivery.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
HUMANMARK_RUN_SECONDS = env.integer("HUMANMARK_RUN_SECONDS", 3600, low=5, high=7 * 86400)
HUMANMARK_RUN_MEMORY_MB = env.integer("HUMANMARK_RUN_MEMORY_MB", 8192, low=256, high=1 << 20)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": env.integer("HUMANMARK_VISIBILITY_SECONDS", 4 * 3600, low=5, high=30 * 86400),
    "socket_keepalive": True,
    "socket_connect_timeout": 5,
    "health_check_interval": 10,
}
# The child is ended by its own supervisor at HUMANMARK_RUN_SECONDS; this is the net below that one.
CELERY_TASK_TIME_LIMIT = HUMANMARK_RUN_SECONDS + 300
CELERY_TASK_ROUTES = {"benchmarks.evaluate_run": {"queue": "runs"}}
CELERY_TASK_DEFAULT_QUEUE = "housekeeping"
HUMANMARK_STALE_SECONDS = env.integer("HUMANMARK_STALE_SECONDS", 40, low=2, high=3600)
CELERY_BEAT_SCHEDULE = {
    "reap-dead-runs": {"task": "benchmarks.reap_dead_runs", "schedule": timedelta(seconds=10)},
    "refresh-open-studies": {"task": "annotate.refresh_open_studies", "schedule": timedelta(seconds=60)},
}

# --- People ------------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = env.text("HUMANMARK_EMAIL_VERIFICATION", "none")
ACCOUNT_LOGOUT_ON_GET = False
LOGIN_REDIRECT_URL = "/"
LOGIN_URL = "account_login"
EMAIL_BACKEND = env.text("HUMANMARK_EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")
DEFAULT_FROM_EMAIL = env.text("HUMANMARK_FROM_EMAIL", "humanmark@localhost")

# --- Transport and files -----------------------------------------------------------------------------------

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if env.flag("HUMANMARK_BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1 << 20

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Embedded: files straight from the source tree. Production: hashed names, compressed at build time.
WHITENOISE_USE_FINDERS = not PRODUCTION
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.text("HUMANMARK_LOG_LEVEL", "INFO").upper()},
}
