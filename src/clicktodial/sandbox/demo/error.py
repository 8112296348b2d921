"""Errors of the demonstration.

DemoError
+-- OutputError     the output directory cannot be used
+-- ChildError      a process did not start, or ended before its time
+-- PlatformError   the platform answered what the specification does not let it
+-- MissedError     something did not happen in time
"""


class DemoError(Exception):
    """The demonstration cannot go on."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class OutputError(DemoError):
    """The output directory cannot be used."""


class ChildError(DemoError):
    """A process did not start, or ended before its time."""


class PlatformError(DemoError):
    """The platform gave another answer than was wanted."""


class MissedError(DemoError):
    """Something did not happen in time."""
