"""What every environment shares. Each name of the environment is in `docs/settings.md`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from msp.settings import env

BASE_DIR = Path(__file__).resolve().parents[2]
VAR_DIR = Path(env.text("VAR_DIR", str(BASE_DIR / "var"), why="Where embedded data and logs lie."))

# ---------------------------------------------------------------- who and where we are
MSP_NAME = env.text("MSP_NAME", "Brightwater IT", why="The name of the MSP, shown everywhere.")
MSP_PHONE = env.text("MSP_PHONE", "", why="The telephone number shown to clients on every page.")
MSP_ADDRESS = env.text("MSP_ADDRESS", "", why="The MSP's address on invoices; `;` parts lines.")
MSP_TAX_ID = env.text("MSP_TAX_ID", "", why="The tax number of the MSP, on invoices.")
MSP_BANK = env.text("MSP_BANK", "", why="Where invoices are paid; `;` parts lines.")
PUBLIC_URL = env.text(
    "PUBLIC_URL", "http://localhost:8000", why="The address people and agents use, without a path."
).rstrip("/")
PLANE = env.text(
    "PLANE", "all", why="Which address space this process serves: all, staff, portal or agent."
)
ROOT_URLCONF = "msp.urls" if PLANE == "all" else f"msp.urls_{PLANE}"
ASGI_APPLICATION = "msp.asgi.application"
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", [], why="Host names served, comma-separated.")
EMBEDDED = env.flag("MSP_EMBEDDED", False, why="Set by the embedded runtime; prod refuses it.")

# ---------------------------------------------------------------- apps
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "template_partials.apps.SimpleAppConfig",
    # django_htmx is middleware only: its own scripts name modules that hashed names cannot follow.
    "csp",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "allauth",
    "allauth.account",
    "msp.core",
    "clients",
    "agents",
    "tickets",
    "monitoring",
    "billing",
    "msp.demo",
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# The e-mail address is unique without case, by a functional constraint that this check cannot see.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "msp.core.middleware.CorrelationMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    # Innermost: who is calling and what they may reach. A route nobody listed is refused here.
    "msp.core.middleware.PrincipalMiddleware",
    "msp.core.middleware.AccessMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "msp.core.context.shell",
            ],
            # The partials loader is set up by hand: two packages that patch loaders leave tags
            # uncompiled without an error (docs/decisions/0006).
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    [
                        (
                            "django.template.loaders.cached.Loader",
                            [
                                "django.template.loaders.filesystem.Loader",
                                "django.template.loaders.app_directories.Loader",
                            ],
                        )
                    ],
                )
            ],
            "builtins": [
                "template_partials.templatetags.partials",
                "django.templatetags.i18n",
                "django.templatetags.static",
                "msp.core.templatetags.ui",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.DjangoTemplates"

# ---------------------------------------------------------------- data
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.database(
        "DATABASE_URL", why="postgres:// address, signed in as the application's login."
    )
}
#: Migrations and grants run as the owner of the tables; everything else as the login above.
DATABASE_OWNER = env.database(
    "DATABASE_OWNER_URL", why="postgres:// address of the owner; used by setup_database only."
)
#: The telemetry writer: may add samples, may not read them.
DATABASE_INGEST = env.database(
    "DATABASE_INGEST_URL", why="postgres:// address of the telemetry writer's login."
)
#: The telemetry door refuses to open on a database that may lose what it acknowledged.
INGEST_NEEDS_DURABLE_DATABASE = not env.flag(
    "INGEST_MAY_LOSE", False, why="Lets telemetry run on a database without fsync: for tests only."
)
REDIS_URL = env.secret("REDIS_URL", why="Broker and live channels (Redis protocol, noeviction).")
CACHE_URL = env.secret("CACHE_URL", why="Cache; a server of its own, since eviction is per server.")
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": CACHE_URL,
        # JSON only: whoever can write to the cache must not be able to run code here.
        "OPTIONS": {"serializer": "msp.core.cache.JsonSerializer"},
    }
}
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "msp-live", "capacity": 1000, "expiry": 30},
    }
}

# ---------------------------------------------------------------- secrets and sign-in
SECRET_KEY = env.secret("SECRET_KEY", why="Signs sessions and forms; signs, never encrypts.")
KEY_ENCRYPTION_KEY_FILE = env.text(
    "KEY_ENCRYPTION_KEY_FILE", why="File with 32 random bytes (base64) that wrap all data keys."
)
AUTH_USER_MODEL = "core.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/accounts/login/"
ACCOUNT_ADAPTER = "msp.core.accounts.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_USER_DISPLAY = "msp.core.accounts.display_name"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # users are made by staff; nobody signs up by themselves
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # that mail would offer a sign-up, which there is not
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_RATE_LIMITS: dict[str, str] | bool = {
    "login_failed": "10/15m/key,30/15m/ip",
    "login": "60/m/ip",
}
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_SERIALIZER = "django.contrib.sessions.serializers.JSONSerializer"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "msp.core.views.errors.csrf_failed"

# ---------------------------------------------------------------- headers
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
#: The one list. Pages that need another policy are listed with their route, never widened here.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "frame-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# ---------------------------------------------------------------- language and time
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# ---------------------------------------------------------------- static files
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(VAR_DIR / "static"), why="Collected static files."))
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "msp.core.staticfiles.HashedModulesStorage"},
}

# ---------------------------------------------------------------- mail
EMAIL_HOST = env.text("EMAIL_HOST", "localhost", why="SMTP server for outgoing mail.")
EMAIL_PORT = env.number("EMAIL_PORT", 25, why="Port of the SMTP server.")
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER", why="SMTP user name.")
EMAIL_HOST_PASSWORD = env.secret("EMAIL_HOST_PASSWORD", why="SMTP password.")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", False, why="STARTTLS towards the SMTP server.")
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.text(
    "DEFAULT_FROM_EMAIL", "support@localhost", why="Sender of outgoing mail."
)

# ---------------------------------------------------------------- API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["msp.core.api.permissions.IsKnownPrincipal"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["msp.core.api.parsers.JsonParser"],
    "DEFAULT_PAGINATION_CLASS": "msp.core.api.pages.CursorPages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "msp.core.api.errors.exception_handler",
    "PAGE_SIZE": 50,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "MSP platform API",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
}

# ---------------------------------------------------------------- work behind the page
#: Figures and reasons: security design, section 8 (docs/decisions/0005).
VISIBILITY_TIMEOUT_SECONDS = 300
CELERY = {
    "broker_url": REDIS_URL,
    "result_backend": None,
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "worker_prefetch_multiplier": 1,
    "task_soft_time_limit": 210,
    "task_time_limit": 240,  # below the visibility timeout, or a slow task would run twice
    "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
    "broker_transport_options": {
        "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 15,
    },
    "result_backend_transport_options": {"visibility_timeout": VISIBILITY_TIMEOUT_SECONDS},
    "task_ignore_result": True,
    "task_serializer": "json",
    "accept_content": ["json"],
    "worker_soft_shutdown_timeout": 20,
    "worker_max_tasks_per_child": 500,
    "worker_hijack_root_logger": False,
    "broker_connection_retry_on_startup": True,
    "timezone": "UTC",
}
#: Loaded at start-up by name in every process, so that what queues work knows the broker.
CELERY_APP = "msp.celery.app"
OUTBOX_SUBSCRIPTIONS = "msp.wiring.SUBSCRIPTIONS"
ACCESS_ROUTES = "msp.access.ROUTES"

# ---------------------------------------------------------------- logs
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"correlation": {"()": "msp.core.correlation.LogFilter"}},
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s [%(correlation_id)s] %(message)s"}
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["correlation"],
        }
    },
    "root": {
        "handlers": ["stderr"],
        "level": env.text("LOG_LEVEL", "INFO", why="Least log level."),
    },
}
