"""Messages after calls, and what they say."""
