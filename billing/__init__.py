"""Billing: prices, draft lines, invoices and credit notes.

This app owns what work and devices cost and what was charged; what a contract covers is decided
in ``clients``, and the minutes worked are recorded in ``tickets``.
"""
