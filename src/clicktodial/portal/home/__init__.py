"""The first page of whoever is logged in."""
