"""The platform as it runs: what it carries, by which trunks and relays, on which nodes."""
