"""Hashed names for static files, ES modules included."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedModulesStorage(CompressedManifestStaticFilesStorage):
    """Rewrites `import` paths in modules too, so that a new release never mixes old modules."""

    support_js_module_import_aggregation = True
