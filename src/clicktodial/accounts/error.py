"""What people are refused.

AdministrationError
└── AccountError
    ├── TooManyAttempts
    ├── CredentialsWrong
    ├── CodeRequired
    └── RegistrationClosed
"""

from clicktodial.storage.error import AdministrationError


class AccountError(AdministrationError):
    """That cannot be done with the account."""


class TooManyAttempts(AccountError):
    """There were too many attempts; wait before the next one."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__()
        self.retry_after_s = retry_after_s


class CredentialsWrong(AccountError):
    """The account, the password or the code is wrong."""


class CodeRequired(AccountError):
    """The account wants a code of its second factor, too."""


class RegistrationClosed(AccountError):
    """Nobody may register; people come by invitation."""
