"""What answers HTTP: the API of calls, that of management, and the metrics page."""

from collections.abc import Sequence

from litestar import Litestar
from litestar.handlers import ASGIRouteHandler, HTTPRouteHandler

from clicktodial import __version__
from clicktodial.accounts.application_activity import ApplicationActivity
from clicktodial.accounts.call_file import CallFiles
from clicktodial.accounts.call_search import CallSearch
from clicktodial.accounts.call_statistics import CallStatistics
from clicktodial.accounts.consequence import Consequences
from clicktodial.accounts.naming import Names
from clicktodial.accounts.node import Nodes
from clicktodial.accounts.notification import Notifications
from clicktodial.accounts.standing import Standings
from clicktodial.accounts.ticket_attachment import TicketAttachments
from clicktodial.accounts.traffic import Traffic
from clicktodial.api.app import create_http_app
from clicktodial.api.bearer import AccessTokens
from clicktodial.api.camara.api import create_camara_handlers
from clicktodial.api.camara.mapping import CloudEventFormat
from clicktodial.api.camara.operation import CamaraNeeds
from clicktodial.api.camara.recording import Recordings
from clicktodial.api.events.admission import Admission
from clicktodial.api.events.handler import EventNeeds, create_event_handlers
from clicktodial.api.events.stream import EventStreams
from clicktodial.api.management.api import ManagementNeeds, create_management_handlers
from clicktodial.api.management.business import BusinessNeeds
from clicktodial.api.management.membership import MembershipNeeds
from clicktodial.api.management.people import PeopleNeeds
from clicktodial.api.management.support import SupportNeeds
from clicktodial.api.management.worker import Worker
from clicktodial.api.message_report import create_report_handlers
from clicktodial.api.metrics import create_metrics_handler
from clicktodial.api.oauth.path import TOKEN_PATH
from clicktodial.api.openapi import create_document
from clicktodial.api.request_gate import RequestGate
from clicktodial.api.server import HttpServer
from clicktodial.api.v1.mapping import V1NotificationFormat
from clicktodial.api.v1.schema import create_error_table
from clicktodial.billing.movement import Movements
from clicktodial.billing.usage import DailyUse
from clicktodial.composition.billing import Billing
from clicktodial.composition.business import Enterprises
from clicktodial.composition.call import Calls, event_source
from clicktodial.composition.foundation import Foundation
from clicktodial.composition.oauth import open_oauth
from clicktodial.composition.setting import hide_secrets
from clicktodial.control.once import OnceBegins
from clicktodial.messaging.driver import report_address
from clicktodial.messaging.message import Messages
from clicktodial.notify.sender import Sender
from clicktodial.notify.trial import TRIAL_TIMEOUT_S, ServerTrial
from clicktodial.observe.metrics import CONTENT_TYPE
from clicktodial.portal.needs import ApiReference, CallDefaults, ConsoleNeeds
from clicktodial.portal.server import ConsoleHandlers, create_console_handlers
from clicktodial.recordings.store import RecordingFiles
from clicktodial.sip.aio.trunk_monitor import StatesMonitor
from clicktodial.storage.call_view import SqlCallViews
from clicktodial.storage.event_history import EventHistory
from clicktodial.storage.event_replay import EventReplays
from clicktodial.storage.history import CallHistory
from clicktodial.storage.once import SqlKeptRequests
from clicktodial.web.client_address import ClientAddresses


async def open_http(
    base: Foundation,
    calls: Calls,
    *,
    enterprises: Enterprises,
    people: PeopleNeeds,
    support: SupportNeeds,
    billing: Billing,
    membership: MembershipNeeds,
    tokens: AccessTokens | None = None,
) -> HttpServer:
    """Requests are taken from now on. `tokens` says who asks by the APIs that want access tokens;
    None: those that the platform gives out, and its settings name. Raises OSError."""
    addresses = ClientAddresses(base.settings.http.trusted_proxies)
    worker = Worker()
    base.stack.push_async_callback(worker.close)
    once = OnceBegins(SqlKeptRequests(base.database), base.clock.utc)
    sender = Sender(timeout_s=TRIAL_TIMEOUT_S)
    base.stack.callback(sender.close)
    management = ManagementNeeds(
        once=once,
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
        billing=billing.needs,
        trial=ServerTrial(base.applications, sender, V1NotificationFormat()),
        take_up_changes=base.take_up_changes,
    )
    oauth, oauth_handlers = await open_oauth(base, gate=management.gate, addresses=addresses)
    known: AccessTokens = oauth.verifier if tokens is None else tokens
    admission = Admission(base.applications, known, management.gate)
    history = EventHistory(base.database)
    streams = EventStreams(history, admission, base.clock.utc)
    events = EventNeeds(
        history=history,
        replays=EventReplays(base.transactions),
        admission=admission,
        streams=streams,
        worker=worker,
        body_bytes_max=base.settings.http.body_bytes_max,
        utc=base.clock.utc,
        token_url=base.settings.issuer + TOKEN_PATH,
    )
    further: list[ASGIRouteHandler | HTTPRouteHandler] = [
        *oauth_handlers,
        *_open_camara(base, calls, management, known, once),
        *create_event_handlers(events),
    ]
    console = create_console_handlers(_console_needs(base, calls, enterprises, billing, management))
    server = HttpServer(
        _create_app(base, calls, management, addresses, further, console, once=once)
    )
    await server.start(base.settings.http.host, base.settings.http.port)
    base.stack.push_async_callback(server.close)
    # Before the server, which waits for streams to end.
    base.stack.push_async_callback(streams.close)
    base.stack.push_async_callback(console.broadcaster.close)
    return server


def _open_camara(
    base: Foundation,
    calls: Calls,
    management: ManagementNeeds,
    tokens: AccessTokens,
    once: OnceBegins,
) -> list[ASGIRouteHandler]:
    recordings = Recordings(calls.catalog, calls.recordings_root)
    base.stack.push_async_callback(recordings.close)
    return create_camara_handlers(
        CamaraNeeds(
            service=calls.service,
            applications=base.applications,
            tokens=tokens,
            calls=SqlCallViews(base.database, node_id=base.node_id),
            recordings=recordings,
            chooser=management.numbers.chooser,
            gate=management.gate,
            body_bytes_max=base.settings.http.body_bytes_max,
            once=once,
            utc=base.clock.utc,
        )
    )


def _create_app(
    base: Foundation,
    calls: Calls,
    management: ManagementNeeds,
    addresses: ClientAddresses,
    further: Sequence[ASGIRouteHandler | HTTPRouteHandler],
    console: ConsoleHandlers,
    *,
    once: OnceBegins,
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
        once=once,
        further_handlers=[
            create_metrics_handler(
                base.metrics.render, content_type=CONTENT_TYPE, token=settings.metrics.token
            ),
            *create_management_handlers(management),
            *further,
            *create_report_handlers(report, calls.dispatcher.report, addresses),
            *console.handlers,
        ],
        console=console.answer_trouble,
    )


def _console_needs(
    base: Foundation,
    calls: Calls,
    enterprises: Enterprises,
    billing: Billing,
    management: ManagementNeeds,
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
        emails=people.emails,
        factors=people.factors,
        audit_log=people.audit_log,
        mails=people.outbox,
        service=calls.service,
        web_phones=calls.web_phones,
        web_stun=base.settings.media.webrtc_stun,
        applications=base.applications,
        history=management.history,
        call_search=CallSearch(base.transactions),
        call_statistics=CallStatistics(base.transactions),
        standings=Standings(base.transactions),
        call_files=CallFiles(base.transactions),
        event_replays=EventReplays(base.transactions),
        recordings=calls.catalog,
        recording_files=RecordingFiles(calls.recordings_root),
        notification_format=V1NotificationFormat(),
        sink_format=CloudEventFormat(event_source(base.settings)),
        library=calls.library,
        monitor=management.monitor,
        chooser=enterprises.numbers.chooser,
        messages=management.messages,
        templates=enterprises.templates,
        administration=base.administration,
        business=enterprises.business,
        names=Names(base.transactions),
        consequences=Consequences(base.transactions),
        application_desk=enterprises.numbers.applications,
        application_activity=ApplicationActivity(base.transactions),
        trial=management.trial,
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
        export_orders=billing.export_orders,
        take_up_orders=billing.take_up_orders,
        daily_use=DailyUse(base.transactions, zone=base.settings.billing.zone),
        movements=Movements(base.transactions),
        file_worker=management.billing.file_worker,
        pdf_font=management.billing.pdf_font,
        tickets=management.support.tickets,
        ticket_attachments=TicketAttachments(
            base.transactions, management.support.tickets, enterprises.business.store
        ),
        ticket_desk=management.support.desk,
        rosters=management.support.rosters,
        ticket_statistics=management.support.statistics,
        traffic=Traffic(base.transactions),
        nodes=Nodes(base.transactions, interval_s=base.settings.database.heartbeat_interval_s),
        notifications=Notifications(base.transactions),
        endpoint_states=calls.notifier.endpoint_states,
        relay_states=calls.relay.states,
        shown_settings=hide_secrets(base.settings),
        node_id=base.node_id,
        reference=ApiReference(
            create_document(body_bytes_max=base.settings.http.body_bytes_max, version=__version__),
            create_error_table(),
        ),
        call_defaults=CallDefaults(
            caller_ring_timeout_s=base.settings.calls.caller_ring_timeout_s,
            callee_ring_timeout_s=base.settings.calls.callee_ring_timeout_s,
            max_duration_s=base.settings.calls.max_duration_s,
            recording_format=base.settings.recording.format,
        ),
        client_address=management.client_address,
        body_bytes_max=base.settings.http.body_bytes_max,
        default_region=base.region,
        zone=base.settings.billing.zone,
        base_url=base.settings.accounts.base_url,
        shows_style_guide=base.settings.console.style_guide,
        utc=base.clock.utc,
    )
