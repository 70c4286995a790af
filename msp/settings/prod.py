"""Values for real use. Refuses to start when something a real installation needs is missing."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from msp.settings.base import *  # noqa: F403
from msp.settings.base import (
    ALLOWED_HOSTS,
    CACHE_URL,
    DATABASES,
    EMBEDDED,
    KEY_ENCRYPTION_KEY_FILE,
    PUBLIC_URL,
    REDIS_URL,
    SECRET_KEY,
    SILENCED_SYSTEM_CHECKS,
)

DEBUG = False

if EMBEDDED:
    raise ImproperlyConfigured("The embedded servers are for trials; set DATABASE_URL, REDIS_URL.")
for name, value in (
    ("DATABASE_URL", DATABASES["default"]),
    ("REDIS_URL", REDIS_URL),
    ("CACHE_URL", CACHE_URL),
    ("SECRET_KEY", SECRET_KEY),
    ("KEY_ENCRYPTION_KEY_FILE", KEY_ENCRYPTION_KEY_FILE),
):
    if not value:
        raise ImproperlyConfigured(f"{name} must be set in production; see docs/settings.md.")
if urlsplit(PUBLIC_URL).scheme != "https":
    raise ImproperlyConfigured("PUBLIC_URL must begin with https:// in production.")

ALLOWED_HOSTS = ALLOWED_HOSTS or [urlsplit(PUBLIC_URL).hostname or ""]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SESSION_COOKIE_NAME = "__Host-session"
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-csrf"
CSRF_COOKIE_SECURE = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
INGEST_NEEDS_DURABLE_DATABASE = True
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_SSL_REDIRECT = False  # the proxy redirects; the health check speaks plain HTTP inside
SILENCED_SYSTEM_CHECKS = [
    *SILENCED_SYSTEM_CHECKS,
    "security.W008",  # the line above
    "security.W021",  # to be in browsers' preload lists is the domain owner's choice
]
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
