"""Mail to people, and messages to parties after a call."""
