"""Seed data for trials: spans all apps, so it belongs to the top."""
