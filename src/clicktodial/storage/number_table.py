"""Numbers to show, and the applications that show them. The tables of migration 0006."""
