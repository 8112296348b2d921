"""Support tickets and the roster. The tables of migration 0010."""
