"""The management API as a whole: its resources, their routes, its document and its page."""

import functools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import structlog
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.types import HTTPScope

from clicktodial import __version__
from clicktodial.accounts.oauth_client import OauthClientDesk, OauthClients
from clicktodial.accounts.session import SessionFinder
from clicktodial.api.management.application import ApplicationResource
from clicktodial.api.management.audio import AudioResource
from clicktodial.api.management.authentication import Authenticator
from clicktodial.api.management.billing import BillingNeeds, BillingResource
from clicktodial.api.management.business import BusinessNeeds
from clicktodial.api.management.call import CallResource
from clicktodial.api.management.enterprise import EnterpriseResource
from clicktodial.api.management.intention import IntentionResource
from clicktodial.api.management.limit import LimitResource
from clicktodial.api.management.membership import (
    MembershipNeeds,
    create_membership_routes,
)
from clicktodial.api.management.message import MessageResource
from clicktodial.api.management.number import NumberResource
from clicktodial.api.management.number_desks import NumberDesks
from clicktodial.api.management.number_order import OrderResource
from clicktodial.api.management.oauth_client import OauthClientResource
from clicktodial.api.management.openapi import create_document
from clicktodial.api.management.option import OptionResource
from clicktodial.api.management.paper import PaperResource
from clicktodial.api.management.people import PeopleNeeds, create_people_routes
from clicktodial.api.management.pool import PoolResource
from clicktodial.api.management.problem import (
    BASE_PATH,
    DOCS_PATH,
    INTERNAL_ERROR,
    PROBLEM_BY_STATUS,
    PROBLEMS,
    Refused,
)
from clicktodial.api.management.route import (
    Gate,
    Route,
    create_route_handlers,
    render_refused,
)
from clicktodial.api.management.support import SupportNeeds, create_support_routes
from clicktodial.api.management.template import TemplateResource
from clicktodial.api.management.trunk import TrunkResource
from clicktodial.api.management.work_order import WorkOrderResource
from clicktodial.api.management.worker import Worker
from clicktodial.api.page import render_page, respond_with_page
from clicktodial.api.request_gate import RequestGate
from clicktodial.control.once import OnceBegins
from clicktodial.control.port import Applications, TrunkMonitor
from clicktodial.control.service import CallService
from clicktodial.media.audio_library import AudioLibrary
from clicktodial.messaging.message import Messages
from clicktodial.messaging.template import Templates
from clicktodial.notify.trial import ServerTrial
from clicktodial.storage.administration import Administration
from clicktodial.storage.event_replay import EventReplays
from clicktodial.storage.history import CallHistory
from clicktodial.storage.transaction import Transactions
from clicktodial.web.auditor import Auditor
from clicktodial.web.request import peer_address

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagementNeeds:
    """What the API works with. `token` is the operator's; None: nobody bears one.
    `take_up_changes` makes an administrative change hold on this node at once."""

    service: CallService
    applications: Applications
    administration: Administration
    history: CallHistory
    library: AudioLibrary
    monitor: TrunkMonitor
    worker: Worker
    token: str | None
    body_bytes_max: int
    default_region: str
    transactions: Transactions
    sessions: SessionFinder
    business: BusinessNeeds
    people: PeopleNeeds
    numbers: NumberDesks
    support: SupportNeeds
    templates: Templates
    messages: Messages
    membership: MembershipNeeds
    billing: BillingNeeds
    trial: ServerTrial
    take_up_changes: Callable[[], Awaitable[None]]
    once: OnceBegins | None = None
    utc: Callable[[], datetime] = lambda: datetime.now(UTC)
    gate: RequestGate = field(default_factory=RequestGate)
    # Attempts are counted by it: behind a proxy it must be another than the proxy's.
    client_address: Callable[[HTTPScope], str] = peer_address


def create_management_handlers(needs: ManagementNeeds) -> list[HTTPRouteHandler]:
    """Every route below BASE_PATH."""
    routes = create_routes(needs)
    gate = Gate(
        authenticator=Authenticator(
            needs.applications, needs.sessions, needs.worker, needs.token, needs.gate
        ),
        take_up_changes=needs.take_up_changes,
        auditor=Auditor(needs.people.audit_log, needs.worker, time.monotonic),
        utc=needs.utc,
        client_address=needs.client_address,
        body_bytes_max=needs.body_bytes_max,
    )
    return [
        *create_route_handlers(routes, gate),
        *_create_document_handlers(routes, needs.body_bytes_max),
    ]


def create_routes(needs: ManagementNeeds) -> list[Route]:
    """The rows of all resources, in the order of the document."""
    administration, library, worker = needs.administration, needs.library, needs.worker
    region = needs.default_region
    return [
        *CallResource(
            needs.service,
            needs.applications,
            needs.history,
            library,
            worker,
            needs.numbers.chooser,
            EventReplays(needs.transactions),
            region=region,
            once=needs.once,
        ).routes(),
        *TrunkResource(administration, needs.monitor, worker).routes(),
        *OptionResource(
            administration, needs.transactions, library, worker, region=region
        ).routes(),
        *LimitResource(administration, worker).routes(),
        *ApplicationResource(needs.numbers.applications, needs.trial, worker).routes(),
        *OauthClientResource(
            OauthClientDesk(
                OauthClients(needs.transactions, administration), needs.numbers.applications
            ),
            worker,
        ).routes(),
        *PoolResource(
            needs.numbers.applications, needs.numbers.inventory, needs.numbers.pools, worker
        ).routes(),
        *NumberResource(needs.numbers.inventory, worker).routes(),
        *OrderResource(needs.numbers.orders, worker).routes(),
        *AudioResource(library, worker).routes(),
        *IntentionResource(needs.business).routes(),
        *EnterpriseResource(needs.business).routes(),
        *PaperResource(needs.business).routes(),
        *WorkOrderResource(needs.business).routes(),
        *create_people_routes(needs.people, worker),
        *create_support_routes(needs.support, worker),
        *TemplateResource(needs.templates, worker).routes(),
        *MessageResource(needs.messages, worker).routes(),
        *create_membership_routes(needs.membership, worker),
        *BillingResource(needs.billing, worker).routes(),
    ]


def answer_http_error(status: int, headers: dict[str, str], error: Exception) -> Response[bytes]:
    """What is answered below BASE_PATH to an error that comes from outside a handler."""
    problem = PROBLEM_BY_STATUS.get(status, INTERNAL_ERROR)
    if problem is INTERNAL_ERROR:
        log.error("api.internal_error", status=status, exc_info=error)
    allow = next((each for name, each in headers.items() if name.lower() == "allow"), "")
    return render_refused(Refused(problem, allow=allow), "none")


def _create_document_handlers(
    routes: Sequence[Route], body_bytes_max: int
) -> list[HTTPRouteHandler]:
    @functools.cache
    def document() -> dict[str, object]:
        # When it is first asked for, as most servers never are.
        return create_document(routes, body_bytes_max=body_bytes_max, version=__version__)

    @functools.cache
    def page() -> tuple[bytes, str]:
        return render_page(document(), template="management.html", errors=PROBLEMS)

    @get(f"{BASE_PATH}/openapi.json", name="managementDocument")
    async def openapi() -> Response[bytes]:
        return Response(msgspec.json.encode(document()), media_type="application/json")

    @get(DOCS_PATH, name="managementPage")
    async def docs() -> Response[bytes]:
        return respond_with_page(*page())

    return [openapi, docs]
