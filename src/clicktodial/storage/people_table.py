"""People, sessions, mail and what was done. The tables of migration 0004."""
