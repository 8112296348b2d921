"""Calls: lists of them, each of them, and making them."""
