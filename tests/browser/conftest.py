"""The product's own web process on the tests' database, and sessions to visit it with."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import STDOUT, Popen
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from msp.core.models import User
from msp.embedded import launch
from tests.stage import ROOT, free_port, wait_until_healthy, web_command

STOP_SECONDS = 10


@pytest.fixture(scope="session")
def live_server_url(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Start uvicorn on this worker's test database and return its address.

    Tests that use it commit what they make (`django_db(transaction=True)`).
    """
    port = free_port()
    url = f"http://localhost:{port}"
    log = tmp_path_factory.mktemp("web") / "web.log"
    with log.open("w") as output:
        process = Popen(
            launch.command(web_command(port), parent=os.getpid()),
            env=_environment(url, log.parent),
            cwd=ROOT,
            stdout=output,
            stderr=STDOUT,
            text=True,
            start_new_session=True,
        )
    try:
        wait_until_healthy(url, process, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        finally:
            process.kill()


@pytest.fixture
def cookie_of() -> Callable[[User], dict[str, str]]:
    """Return a function that signs somebody in and gives the session's cookie."""

    def make(user: User) -> dict[str, str]:
        client = Client()
        client.force_login(user)
        name = settings.SESSION_COOKIE_NAME
        return {"name": name, "value": client.cookies[name].value}

    return make


def _environment(url: str, directory: Path) -> dict[str, str]:
    """Return our environment with this worker's database in every address of one."""
    database = connection.settings_dict["NAME"]
    addresses = {
        name: urlsplit(os.environ[name])._replace(path=f"/{database}").geturl()
        for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_INGEST_URL")
        if name in os.environ
    }
    return {
        **os.environ,
        **addresses,
        "DJANGO_SETTINGS_MODULE": "msp.settings.test",
        "PUBLIC_URL": url,
        "VAR_DIR": str(directory),
        "LOG_LEVEL": "WARNING",
    }
