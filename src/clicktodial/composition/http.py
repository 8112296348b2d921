"""What answers HTTP: the API of calls, that of management, and the metrics page."""

from litestar import Litestar

from clicktodial.accounts.call_search import CallSearch
from clicktodial.accounts.call_statistics import CallStatistics
from clicktodial.accounts.node import Nodes
from clicktodial.accounts.notification import Notifications
from clicktodial.accounts.traffic import Traffic
from clicktodial.api.app import create_http_app
from clicktodial.api.management.api import ManagementNeeds, create_management_handlers
from clicktodial.api.management.billing import BillingNeeds
from clicktodial.api.management.business import BusinessNeeds
from clicktodial.api.management.membership import MembershipNeeds
from clicktodial.api.management.people import PeopleNeeds
from clicktodial.api.management.support import SupportNeeds
from clicktodial.api.management.worker import Worker
from clicktodial.api.message_report import create_report_handlers
from clicktodial.api.metrics import create_metrics_handler
from clicktodial.api.request_gate import RequestGate
from clicktodial.api.server import HttpServer
from clicktodial.composition.business import Enterprises
from clicktodial.composition.call import Calls
from clicktodial.composition.foundation import Foundation
from clicktodial.composition.setting import hide_secrets
from clicktodial.messaging.driver import report_address
from clicktodial.messaging.message import Messages
from clicktodial.observe.metrics import CONTENT_TYPE
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.server import ConsoleHandlers, create_console_handlers
from clicktodial.sip.aio.trunk_monitor import StatesMonitor
from clicktodial.storage.history import CallHistory
from clicktodial.web.client_address import ClientAddresses


async def open_http(
    base: Foundation,
    calls: Calls,
    *,
    enterprises: Enterprises,
    people: PeopleNeeds,
    support: SupportNeeds,
    billing: BillingNeeds,
    membership: MembershipNeeds,
) -> HttpServer:
    """Requests are taken from now on. Raises OSError."""
    addresses = ClientAddresses(base.settings.http.trusted_proxies)
    worker = Worker()
    base.stack.push_async_callback(worker.close)
    management = ManagementNeeds(
        gate=RequestGate(addresses),
        client_address=addresses.describe,
        service=calls.service,
        applications=base.applications,
        administration=base.administration,
        history=CallHistory(base.database.engine),
        library=calls.library,
        monitor=StatesMonitor(calls.telephony.trunks.states),
        worker=worker,
        token=base.settings.management.token,
        body_bytes_max=base.settings.http.body_bytes_max,
        default_region=base.region,
        numbers=enterprises.numbers,
        business=BusinessNeeds(business=enterprises.business, worker=worker),
        transactions=base.transactions,
        sessions=people.sessions,
        people=people,
        support=support,
        templates=enterprises.templates,
        messages=Messages(base.transactions),
        membership=membership,
        billing=billing,
        take_up_changes=base.take_up_changes,
    )
    console = create_console_handlers(_console_needs(base, calls, enterprises, management))
    server = HttpServer(_create_app(base, calls, management, addresses, console))
    await server.start(base.settings.http.host, base.settings.http.port)
    base.stack.push_async_callback(server.close)
    # Before the server, which waits for streams to end.
    base.stack.push_async_callback(console.broadcaster.close)
    return server


def _create_app(
    base: Foundation,
    calls: Calls,
    management: ManagementNeeds,
    addresses: ClientAddresses,
    console: ConsoleHandlers,
) -> Litestar:
    settings = base.settings

    async def is_ready() -> bool:
        await base.applications.refresh()
        return not calls.service.is_stopping

    report = report_address(settings.messages)
    return create_http_app(
        service=calls.service,
        applications=base.applications,
        recordings=calls.catalog,
        is_known_call=calls.store.is_known,
        recordings_root=calls.recordings_root,
        settings=settings.http,
        default_region=base.region,
        is_ready=is_ready,
        gate=management.gate,
        further_handlers=[
            create_metrics_handler(
                base.metrics.render, content_type=CONTENT_TYPE, token=settings.metrics.token
            ),
            *create_management_handlers(management),
            *create_report_handlers(report, calls.dispatcher.report, addresses),
            *console.handlers,
        ],
        console=console.answer_trouble,
    )


def _console_needs(
    base: Foundation, calls: Calls, enterprises: Enterprises, management: ManagementNeeds
) -> ConsoleNeeds:
    """The use cases of the management API, on threads of the console's own."""
    worker = Worker()
    base.stack.push_async_callback(worker.close)
    people, membership = management.people, management.membership
    return ConsoleNeeds(
        worker=worker,
        login_worker=people.login_worker,
        transactions=base.transactions,
        people=people.people,
        enrolments=people.enrolments,
        sessions=people.sessions,
        passwords=people.passwords,
        factors=people.factors,
        audit_log=people.audit_log,
        mails=people.outbox,
        service=calls.service,
        applications=base.applications,
        history=management.history,
        call_search=CallSearch(base.transactions),
        call_statistics=CallStatistics(base.transactions),
        recordings=calls.catalog,
        library=calls.library,
        monitor=management.monitor,
        chooser=enterprises.numbers.chooser,
        messages=management.messages,
        templates=enterprises.templates,
        administration=base.administration,
        business=enterprises.business,
        application_desk=enterprises.numbers.applications,
        inventory=enterprises.numbers.inventory,
        orders=enterprises.numbers.orders,
        number_pools=enterprises.numbers.pools,
        take_up_changes=base.take_up_changes,
        members=membership.members,
        departments=membership.departments,
        lists=membership.lists,
        protection=membership.settings,
        importing=membership.importing,
        import_runner=membership.runner,
        pools=management.billing.pools,
        cdrs=management.billing.cdrs,
        statements=management.billing.statements,
        exports=management.billing.exports,
        tickets=management.support.tickets,
        rosters=management.support.rosters,
        ticket_statistics=management.support.statistics,
        traffic=Traffic(base.transactions),
        nodes=Nodes(base.transactions),
        notifications=Notifications(base.transactions),
        endpoint_states=calls.notifier.endpoint_states,
        relay_states=calls.relay.states,
        shown_settings=hide_secrets(base.settings),
        node_id=base.node_id,
        client_address=management.client_address,
        body_bytes_max=base.settings.http.body_bytes_max,
        default_region=base.region,
        zone=base.settings.billing.zone,
        base_url=base.settings.accounts.base_url,
        shows_style_guide=base.settings.console.style_guide,
    )
