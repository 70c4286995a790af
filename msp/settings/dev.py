"""Values for a trial and for development, on embedded servers or real ones."""

from __future__ import annotations

from urllib.parse import urlsplit

from msp.settings.base import *  # noqa: F403
from msp.settings.base import (
    ALLOWED_HOSTS,
    MSP_ADDRESS,
    MSP_NAME,
    MSP_PHONE,
    MSP_TAX_ID,
    PUBLIC_URL,
    STORAGES,
    VAR_DIR,
)

DEBUG = False  # errors look as they do in production; `runserver`-style pages leak settings
ALLOWED_HOSTS = ALLOWED_HOSTS or ["localhost", "127.0.0.1", urlsplit(PUBLIC_URL).hostname or ""]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
if PUBLIC_URL.startswith("https://"):
    # A trial behind a TLS proxy: the browser speaks HTTPS, the proxy speaks HTTP to us.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True

# Served straight from the source tree, so that an edit shows on reload.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = VAR_DIR / "mail"

if MSP_NAME == "Brightwater IT":
    # The firm of the trial: its invoices and its portal are as whole as a real one's.
    MSP_PHONE = MSP_PHONE or "+353 1 555 0100"
    MSP_ADDRESS = MSP_ADDRESS or "4 Canal Row; Dublin 2; Ireland"
    MSP_TAX_ID = MSP_TAX_ID or "IE 0000000 X"
