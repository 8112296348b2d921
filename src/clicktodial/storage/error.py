"""What can be wrong with the database or with an administrative change.

StorageError
├── DatabaseUrlInvalid
├── DatabaseUnavailable
├── MasterKeyInvalid
├── SecretUnreadable
├── OptionsUnreadable
└── AdministrationError
    ├── AlreadyExists
    ├── NotFound
    ├── ValueInvalid
    ├── Conflict
    └── NotPermitted

Writes that fail while the platform runs are `control.port.StoreError`:

StoreError
├── StoreOverloaded
├── StoreTimeout
└── StoreConflict
"""

from clicktodial.control.port import StoreConflict, StoreError

__all__ = [
    "AdministrationError",
    "AlreadyExists",
    "DatabaseUnavailable",
    "DatabaseUrlInvalid",
    "MasterKeyInvalid",
    "NotFound",
    "OptionsUnreadable",
    "SecretUnreadable",
    "StorageError",
    "StoreConflict",
    "StoreOverloaded",
    "StoreTimeout",
    "ValueInvalid",
]


class StorageError(Exception):
    """The database cannot be used as asked."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class DatabaseUrlInvalid(StorageError):
    """The database URL must be sqlite:///PATH or postgresql://..."""


class DatabaseUnavailable(StorageError):
    """The database does not answer, or is locked by another program."""


class MasterKeyInvalid(StorageError):
    """The master key must be base64 of 32 bytes."""


class SecretUnreadable(StorageError):
    """A stored secret was not encrypted with this master key, or was changed."""


class OptionsUnreadable(StorageError):
    """Stored options hold what this version does not know."""


class AdministrationError(StorageError):
    """The change was refused, and nothing was changed."""


class AlreadyExists(AdministrationError):
    """There is one of that name already."""


class NotFound(AdministrationError):
    """There is none of that name."""


class ValueInvalid(AdministrationError):
    """A value is not usable."""


class Conflict(AdministrationError):
    """It is in a state in which that cannot be done, or somebody else was quicker."""


class NotPermitted(AdministrationError):
    """That is not for whoever asks."""


class StoreOverloaded(StoreError):
    """More writes wait than database.queue_max allows."""


class StoreTimeout(StoreError):
    """The write was not committed within database.commit_timeout_s, and will not be."""
