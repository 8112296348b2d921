"""People who may log in to the web console, and a past for them to look at."""

import secrets
from dataclasses import dataclass

from clicktodial.config import ConfigError, load_settings
from clicktodial.sandbox.demo.error import ChildError
from clicktodial.sandbox.demo.history.cast import CUSTOMERS, STAFF
from clicktodial.sandbox.demo.history.fill import fill_history
from clicktodial.sandbox.demo.output import Output
from clicktodial.storage.error import StorageError

# 16 characters, of which 15 are the least.
_PASSWORD_BYTES = 12


@dataclass(frozen=True, slots=True)
class Login:
    """What somebody types to log in, and what they may do, in words."""

    account: str
    password: str
    about: str


async def create_people(
    output: Output, base_url: str, enterprise_id: str, *, secret: str
) -> list[Login]:
    """One of each role, all with one password, and some weeks of history; `secret` is that of the
    history's busiest application. Raises ChildError."""
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    try:
        settings = load_settings(output.config)
        # The environment may name another database than the demonstration's: that of somebody
        # who would not want to find made-up customers in it.
        if not settings.database_url.startswith(f"sqlite:///{output.data_dir}/"):
            raise ChildError("the history is for the demonstration's own database alone")
        await fill_history(
            settings,
            enterprise_id=enterprise_id,
            base_url=base_url,
            password=password,
            secret=secret,
        )
    except (ConfigError, StorageError) as error:
        raise ChildError(f"the history could not be made: {error}") from error
    return [Login(part.account, password, part.about) for part in (*CUSTOMERS, *STAFF)]
