"""A past for the demonstration's console: people, business, calls and tickets of some weeks.

Everything is made through the use cases, at times that have passed, on the database of the
demonstration and no other.
"""
