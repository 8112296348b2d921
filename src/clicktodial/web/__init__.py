"""What everything that answers HTTP has in common: the APIs for programs and the console."""
