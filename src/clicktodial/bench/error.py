"""What stops a measurement.

BenchError
├── PlatformError
└── PhoneError
"""


class BenchError(Exception):
    """The measurement cannot be made; the message says why and what would help."""


class PlatformError(BenchError):
    """The platform did not start, did not take an administrative command, or died."""


class PhoneError(BenchError):
    """SIPp is missing or did not start."""
