"""The web console: pages for customers and for the operator's people."""
