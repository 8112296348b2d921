"""From what the relay captured to an audio file that can be listened to."""
