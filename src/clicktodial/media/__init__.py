"""The media relay: drivers of control.port.Relay, and what they play."""
