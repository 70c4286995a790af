"""Values for the tests: real PostgreSQL and Valkey, cheap password hashing, mail in memory."""

from __future__ import annotations

from msp.settings.base import *  # noqa: F403
from msp.settings.base import STORAGES

DEBUG = False
SECRET_KEY = "tests-only-" + "x" * 40
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
CSRF_TRUSTED_ORIGINS = ["http://localhost"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}
ACCOUNT_RATE_LIMITS = False
INGEST_NEEDS_DURABLE_DATABASE = False  # the tests' PostgreSQL does not wait for its disk
