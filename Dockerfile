# One image for web, worker, beat and setup; docker-compose.yml says which runs what.

# ---------------------------------------------------------------- packages
FROM python:3.12-slim-trixie AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements/prod.txt /tmp/requirements.txt
# Wheels only: nothing that comes from outside is compiled or runs a set-up script here.
RUN /opt/venv/bin/pip install --require-hashes --only-binary :all: -r /tmp/requirements.txt

# ---------------------------------------------------------------- the platform
FROM python:3.12-slim-trixie
# Pango draws the PDFs; the fonts are what it draws with. The list is that of scripts/machine.py.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core fonts-liberation \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /tmp msp \
    && install -d -o msp -g msp /var/lib/msp/beat
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/msp
COPY manage.py LICENSE NOTICE ./
COPY msp msp
COPY clients clients
COPY agents agents
COPY tickets tickets
COPY monitoring monitoring
COPY security security
COPY vendors vendors
COPY billing billing
COPY templates templates
COPY docker/healthcheck.py docker/healthcheck.py
# Caches go to /tmp, which is memory: the rest of the file system is read-only.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    XDG_CACHE_HOME=/tmp/cache \
    DJANGO_SETTINGS_MODULE=msp.settings.prod \
    STATIC_ROOT=/srv/msp/static
# The settings ask for addresses and secrets; collecting files uses none of these.
RUN DATABASE_URL=postgres://nobody@nowhere/none \
    REDIS_URL=redis://nowhere \
    CACHE_URL=redis://nowhere \
    SECRET_KEY=only-while-building-the-image \
    KEY_ENCRYPTION_KEY_FILE=/nowhere \
    PUBLIC_URL=https://nowhere.invalid \
    python manage.py collectstatic --noinput \
    && python -m compileall -q msp clients agents tickets monitoring security vendors billing
USER msp
EXPOSE 8000
CMD ["uvicorn", "msp.asgi:application", "--host", "0.0.0.0", "--port", "8000"]
