"""Stands in for the engine on a machine without Pango: importing it fails as WeasyPrint's does."""

raise OSError("cannot load library 'libpango-1.0-0'")
