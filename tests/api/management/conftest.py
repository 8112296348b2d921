"""Fixtures of the management API's tests."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import pytest
import pytest_asyncio
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from tests.api.management.shared_app import SharedApp
from tests.api.management.support import (
    BODY_BYTES_MAX,
    OTHER_APP_ID,
    TOKEN,
    Clock,
    FakeMonitor,
    FakeRunner,
    FakeSessions,
    Management,
    ManagementConformance,
)
from tests.api.support import (
    APP_ID,
    SECRET,
    FakeApplications,
    FakeCatalog,
    FakeService,
    KeptBegins,
    create_application,
)
from tests.harness.database import DatabaseKind, open_database

from clicktodial.accounts.business import create_business
from clicktodial.accounts.number import has_number
from clicktodial.accounts.table_import import TableImport
from clicktodial.api.app import create_http_app
from clicktodial.api.management.api import (
    ManagementNeeds,
    create_management_handlers,
    create_routes,
)
from clicktodial.api.management.billing import BillingNeeds
from clicktodial.api.management.business import BusinessNeeds
from clicktodial.api.management.membership import create_membership_needs
from clicktodial.api.management.number_desks import create_number_desks
from clicktodial.api.management.openapi import create_document
from clicktodial.api.management.people import create_people_needs
from clicktodial.api.management.support import create_support_needs
from clicktodial.api.management.worker import Worker
from clicktodial.api.request_gate import RequestGate
from clicktodial.api.v1.mapping import V1NotificationFormat
from clicktodial.billing.cdr import CdrReader
from clicktodial.billing.export import Exports
from clicktodial.billing.pool import Pools
from clicktodial.billing.statement import Statements
from clicktodial.config import AccountsSettings, HttpSettings, NumbersSettings, SupportSettings
from clicktodial.control.once import OnceBegins
from clicktodial.domain.identifier import AppId
from clicktodial.domain.message import DEFAULT_MESSAGE_LIMITS
from clicktodial.domain.work_order import WorkOrderKind
from clicktodial.media.audio_library import AudioLibrary
from clicktodial.messaging.message import Messages
from clicktodial.messaging.template import Templates
from clicktodial.notify.sender import Sender
from clicktodial.notify.trial import ServerTrial
from clicktodial.storage.administration import Administration, NewApplication
from clicktodial.storage.engine import open_engine
from clicktodial.storage.history import CallHistory
from clicktodial.storage.number_key import NumberKeys
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions

CreateManagement: TypeAlias = Callable[..., Management]


def furnish(url: str) -> None:
    """One application, and one that is not asked for."""
    engine = open_engine(url, "normal")
    administration = Administration(engine, SecretVault(bytes(32)), region="CN")
    for app_id in (APP_ID, OTHER_APP_ID):
        administration.create_application(
            NewApplication(app_id=app_id, secret=SECRET, sponsors=("01052680000",))
        )
    engine.dispose()


@pytest.fixture
def database_url(database_kind: DatabaseKind, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a furnished database."""
    with open_database(database_kind, request, furnish=furnish) as url:
        yield url


@pytest.fixture(scope="session")
def conformances() -> list[ManagementConformance]:
    """The document, made of the routes of the first platform: all have the same."""
    return []


@pytest.fixture(scope="session")
def shared_app() -> SharedApp:
    """What the framework makes of the routes; whom it asks is each platform's own."""
    return SharedApp()


@pytest_asyncio.fixture
async def create_management(
    database_url: str,
    tmp_path: Path,
    conformances: list[ManagementConformance],
    shared_app: SharedApp,
) -> AsyncIterator[CreateManagement]:
    """Makes a platform of which the one application has these properties."""
    engine = open_engine(database_url, "normal")
    worker, login_worker = Worker(), Worker()
    transactions = Transactions(engine)
    people = create_people_needs(
        transactions,
        SecretVault(bytes(32)),
        AccountsSettings(base_url="https://platform.example"),
        region="CN",
        login_worker=login_worker,
    )

    keys = NumberKeys(SecretVault(bytes(32)))
    importing = TableImport(transactions, keys, region="CN", node_id="node")
    runner = FakeRunner(importing)
    membership = create_membership_needs(
        transactions, keys, importing=importing, runner=runner, region="CN"
    )

    def create(
        *, token: str | None = TOKEN, gate: RequestGate | None = None, **changes: Any
    ) -> Management:
        service, monitor, sessions = FakeService(), FakeMonitor(), FakeSessions(people.sessions)
        clock = Clock()
        templates = Templates(transactions, DEFAULT_MESSAGE_LIMITS)
        other = create_application(app_id=AppId(OTHER_APP_ID))
        applications = FakeApplications(create_application(**changes), other)
        administration = Administration(engine, SecretVault(bytes(32)), region="CN")
        numbers = create_number_desks(
            transactions, administration, NumbersSettings(), region="CN", random=Random(1)
        )

        async def take_up_changes() -> None:
            """The fake applications know no database."""
            applications.times_refreshed += 1

        needs = ManagementNeeds(
            once=OnceBegins(KeptBegins(service), lambda: datetime.now(UTC)),
            gate=gate or RequestGate(),
            service=service,
            applications=applications,
            administration=administration,
            history=CallHistory(engine),
            library=AudioLibrary(tmp_path / "audio"),
            monitor=monitor,
            worker=worker,
            token=token,
            body_bytes_max=BODY_BYTES_MAX,
            default_region="CN",
            transactions=transactions,
            sessions=sessions,
            numbers=numbers,
            business=BusinessNeeds(
                business=create_business(
                    transactions,
                    SecretVault(bytes(32)),
                    documents_root=tmp_path / "documents",
                    default_region="CN",
                    has_numbers=has_number,
                    further_handlers={
                        WorkOrderKind.NUMBER_ORDER: numbers.orders,
                        WorkOrderKind.TEMPLATE_REVIEW: templates,
                    },
                ),
                worker=worker,
            ),
            people=people,
            support=create_support_needs(
                transactions, SecretVault(bytes(32)), SupportSettings(), region="CN"
            ),
            templates=templates,
            messages=Messages(transactions),
            membership=membership,
            billing=BillingNeeds(
                pools=Pools(Transactions(engine)),
                cdrs=CdrReader(Transactions(engine)),
                statements=Statements(Transactions(engine)),
                exports=Exports(Transactions(engine), tmp_path / "exports", zone=UTC, keep_days=90),
                file_worker=worker,
            ),
            trial=ServerTrial(applications, Sender(timeout_s=5), V1NotificationFormat()),
            take_up_changes=take_up_changes,
            utc=clock.utc,
        )

        async def is_ready() -> bool:
            return True

        def build(handlers: list[HTTPRouteHandler]) -> Litestar:
            """The other API is no part of these tests: nobody answers for it."""
            return create_http_app(
                service=FakeService(),
                applications=FakeApplications(),
                recordings=FakeCatalog(),
                is_known_call=FakeService().is_known,
                recordings_root=Path("/nowhere"),
                settings=HttpSettings(body_bytes_max=BODY_BYTES_MAX),
                default_region="CN",
                is_ready=is_ready,
                further_handlers=handlers,
            )

        routes = create_routes(needs)
        if not conformances:
            document = create_document(routes, body_bytes_max=BODY_BYTES_MAX, version="0")
            conformances.append(ManagementConformance(document))
        return Management(
            shared_app.lend(create_management_handlers(needs), build),
            service,
            applications,
            needs.administration,
            engine,
            needs.library,
            monitor,
            conformances[0],
            sessions,
            people,
            routes,
            membership,
            runner,
            tmp_path / "exports",
            clock,
            support=needs.support,
        )

    yield create
    runner.close()
    await worker.close()
    await login_worker.close()
    engine.dispose()


@pytest.fixture
def management(create_management: CreateManagement) -> Management:
    """A platform whose application may do everything."""
    return create_management()
