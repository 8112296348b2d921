"""A self-hosted Click to Dial platform: two phones, one business number, one HTTP request."""

__version__ = "0.1.0"
