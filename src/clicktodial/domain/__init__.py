"""Pure rules of a call. Nothing here reads a clock, opens a socket or knows a database."""
