"""Benchmarks: ``python -m bench NAME`` measures one number and says whether it was missed."""
