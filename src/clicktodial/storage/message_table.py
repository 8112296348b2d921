"""Messages after calls. The tables of migration 0009."""
