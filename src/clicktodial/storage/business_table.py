"""Enterprises from intention to end, documents, work orders. The tables of migration 0005."""
