"""Members, and the protection of those who are called. The tables of migration 0007."""
