"""Minutes, packages, the ledger and what calls cost. The tables of migration 0008."""
