"""Tickets, for those who ask and those who answer; the roster, and how quick support was."""
