"""What a command works on: the settings, and the database that they name.

Errors of settings and storage are translated here, once, into what a person is told.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clicktodial.cli.error import CommandError

if TYPE_CHECKING:
    from clicktodial.accounts.audit import AuditLog
    from clicktodial.accounts.business import Business
    from clicktodial.accounts.number import NumberInventory
    from clicktodial.accounts.oauth_client import OauthClients
    from clicktodial.accounts.roster import Rosters
    from clicktodial.accounts.ticket import Tickets
    from clicktodial.accounts.token_key import TokenKeys
    from clicktodial.config import Settings
    from clicktodial.storage.administration import Administration
    from clicktodial.storage.event_replay import EventReplays
    from clicktodial.storage.history import CallHistory


def read_settings(config: Path | None) -> "Settings":
    """The settings that hold. Raises CommandError."""
    from clicktodial.config import ConfigError, load_settings

    try:
        return load_settings(config)
    except ConfigError as error:
        raise CommandError(str(error), kind="ConfigError") from error


def log_to_standard_error() -> None:
    """Keep warnings of the code that commands share with the server out of their answers."""
    from clicktodial.config import LogSettings
    from clicktodial.observe.logging import configure_logging

    configure_logging(LogSettings(level="warning", format="console"))


@contextmanager
def storage_errors() -> Generator[None]:
    """Translate whatever the database or the data directory raises into CommandError."""
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    from clicktodial.control.port import StoreError
    from clicktodial.storage.error import StorageError

    try:
        yield
    except (StorageError, StoreError) as error:
        raise CommandError(str(error), kind=type(error).__name__) from error
    except SQLAlchemyError as error:
        detail = error.orig if isinstance(error, DBAPIError) else error
        message = f"the database cannot be used: {detail}"
        raise CommandError(message, kind="DatabaseUnavailable") from error
    except ModuleNotFoundError as error:
        message = f"the database needs the Python package {error.name}, which is not installed"
        raise CommandError(message, kind="DatabaseUnavailable") from error
    except OSError as error:
        raise CommandError(str(error), kind="FileError") from error


@contextmanager
def open_administration(config: Path | None) -> "Generator[Administration]":
    """The administrative changes, on a migrated database. Raises CommandError."""
    settings = read_settings(config)
    log_to_standard_error()
    with storage_errors():
        from clicktodial.storage.administration import Administration

        administration = Administration.open(settings)
        try:
            yield administration
        finally:
            administration.close()


def note_done(
    audit_log: "AuditLog",
    operation: str,
    subjects: dict[str, str],
    *,
    enterprise_id: str | None = None,
) -> None:
    """Tell the audit log what was done from the shell, as the operator."""
    from datetime import UTC, datetime

    from clicktodial.accounts.audit import AuditEntry
    from clicktodial.domain.principal import OPERATOR_PRINCIPAL

    entry = AuditEntry(
        at=datetime.now(UTC),
        principal=OPERATOR_PRINCIPAL.name,
        roles=tuple(sorted(OPERATOR_PRINCIPAL.roles)),
        address="shell",
        operation=operation,
        subjects=subjects,
        enterprise_id=enterprise_id,
    )
    audit_log.add([entry])


@dataclass(frozen=True, slots=True)
class BusinessCases:
    """The use cases of the operator's business, and the log of who did what."""

    business: "Business"
    audit_log: "AuditLog"


@contextmanager
def open_business(config: Path | None) -> Generator[BusinessCases]:
    """All of them, on a migrated database. Raises CommandError."""
    settings = read_settings(config)
    log_to_standard_error()
    with storage_errors():
        from datetime import timedelta

        from clicktodial.accounts.audit import AuditLog
        from clicktodial.accounts.business import create_business
        from clicktodial.accounts.number import NumberInventory, has_number
        from clicktodial.accounts.number_order import NumberOrders, NumbersGivenBack
        from clicktodial.billing.pool import end_packages
        from clicktodial.domain.enterprise import CallPolicy
        from clicktodial.domain.work_order import WorkOrderKind
        from clicktodial.messaging.driver import message_limits
        from clicktodial.messaging.template import Templates
        from clicktodial.storage.engine import open_engine
        from clicktodial.storage.migration import migrate_engine
        from clicktodial.storage.secret import SecretVault, load_master_key
        from clicktodial.storage.transaction import Transactions

        engine = open_engine(settings.database_url)
        try:
            migrate_engine(engine)
            transactions, region = Transactions(engine), settings.calls.default_region
            rest = timedelta(days=settings.numbers.cooling_off_days)
            inventory = NumberInventory(transactions, region=region, cooling_off=rest)
            orders = NumberOrders(transactions, region=region)
            templates = Templates(transactions, message_limits(settings.messages))
            business = create_business(
                transactions,
                SecretVault(load_master_key(settings)),
                documents_root=settings.documents_dir,
                default_region=settings.calls.default_region,
                calls=CallPolicy(settings.business.running_calls),
                has_numbers=has_number,
                further_handlers={
                    WorkOrderKind.NUMBER_ORDER: orders,
                    WorkOrderKind.TEMPLATE_REVIEW: templates,
                },
                on_cancelled=[
                    NumbersGivenBack(inventory, orders),
                    end_packages,
                    templates.end_enterprise,
                ],
            )
            yield BusinessCases(business, AuditLog(transactions))
        finally:
            engine.dispose()


@contextmanager
def open_inventory(config: Path | None) -> "Generator[NumberInventory]":
    """The inventory of numbers, on a migrated database. Raises CommandError."""
    settings = read_settings(config)
    log_to_standard_error()
    with storage_errors():
        from datetime import timedelta

        from clicktodial.accounts.number import NumberInventory
        from clicktodial.domain.place_lookup import GeocoderPlaceLookup
        from clicktodial.storage.engine import open_engine
        from clicktodial.storage.migration import migrate_engine
        from clicktodial.storage.transaction import Transactions

        engine = open_engine(settings.database_url)
        try:
            migrate_engine(engine)
            yield NumberInventory(
                Transactions(engine),
                region=settings.calls.default_region,
                places=GeocoderPlaceLookup() if settings.numbers.locate else None,
                cooling_off=timedelta(days=settings.numbers.cooling_off_days),
            )
        finally:
            engine.dispose()


@contextmanager
def open_history(settings: "Settings") -> "Generator[CallHistory]":
    """What became of calls, from a migrated database. Raises CommandError."""
    log_to_standard_error()
    with storage_errors():
        from clicktodial.storage.engine import open_engine
        from clicktodial.storage.history import CallHistory
        from clicktodial.storage.migration import migrate_engine

        engine = open_engine(settings.database_url)
        try:
            migrate_engine(engine)
            yield CallHistory(engine)
        finally:
            engine.dispose()


@contextmanager
def open_replays(config: Path | None) -> "Generator[EventReplays]":
    """Events to be delivered once more, on a migrated database. Raises CommandError."""
    settings = read_settings(config)
    log_to_standard_error()
    with storage_errors():
        from clicktodial.storage.engine import open_engine
        from clicktodial.storage.event_replay import EventReplays
        from clicktodial.storage.migration import migrate_engine
        from clicktodial.storage.transaction import Transactions

        engine = open_engine(settings.database_url)
        try:
            migrate_engine(engine)
            yield EventReplays(Transactions(engine))
        finally:
            engine.dispose()


@dataclass(frozen=True)
class Oauth:
    """The use cases of access tokens that commands have."""

    clients: "OauthClients"
    token_keys: "TokenKeys"


@contextmanager
def open_oauth(config: Path | None) -> "Generator[Oauth]":
    """Keys of applications and of access tokens, on a migrated database. Raises CommandError."""
    settings = read_settings(config)
    log_to_standard_error()
    with storage_errors():
        from clicktodial.accounts.oauth_client import OauthClients
        from clicktodial.accounts.token_key import TokenKeys
        from clicktodial.storage.administration import Administration
        from clicktodial.storage.engine import open_engine
        from clicktodial.storage.migration import migrate_engine
        from clicktodial.storage.secret import SecretVault, load_master_key
        from clicktodial.storage.transaction import Transactions

        engine = open_engine(settings.database_url)
        try:
            migrate_engine(engine)
            transactions, vault = Transactions(engine), SecretVault(load_master_key(settings))
            administration = Administration(engine, vault, region=settings.calls.default_region)
            yield Oauth(
                clients=OauthClients(transactions, administration),
                token_keys=TokenKeys(
                    transactions,
                    vault,
                    algorithm=settings.oauth.algorithm,
                    token_lifetime_s=settings.oauth.token_lifetime_s,
                ),
            )
        finally:
            engine.dispose()


@dataclass(frozen=True)
class Support:
    """The use cases of support that commands have."""

    tickets: "Tickets"
    rosters: "Rosters"


@contextmanager
def open_support(config: Path | None) -> "Generator[Support]":
    """Tickets and the roster, on a migrated database. Raises CommandError."""
    settings = read_settings(config)
    log_to_standard_error()
    with storage_errors():
        from clicktodial.accounts.roster import Rosters
        from clicktodial.accounts.ticket import Tickets
        from clicktodial.accounts.ticket_store import SupportPolicy
        from clicktodial.storage.engine import open_engine
        from clicktodial.storage.migration import migrate_engine
        from clicktodial.storage.secret import SecretVault, load_master_key
        from clicktodial.storage.transaction import Transactions

        engine = open_engine(settings.database_url)
        try:
            migrate_engine(engine)
            transactions, vault = Transactions(engine), SecretVault(load_master_key(settings))
            region, support = settings.calls.default_region, settings.support
            policy = SupportPolicy.from_settings(support)
            yield Support(
                tickets=Tickets(transactions, vault, policy, region=region),
                rosters=Rosters(
                    transactions, vault, region=region, operator_email=support.operator_email
                ),
            )
        finally:
            engine.dispose()
