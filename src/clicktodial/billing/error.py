"""What can be wrong with a change of a pool.

AdministrationError (storage.error)
├── AlreadyExists, NotFound, ValueInvalid
└── LedgerBroken
"""

from clicktodial.storage.error import StorageError


class LedgerBroken(StorageError):
    """The ledger does not agree with the balances or with the calls."""
