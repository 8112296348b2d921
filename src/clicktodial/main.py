"""The composition root: builds every part of a node, joins them, runs them, stops them."""

import asyncio
import fcntl
import gc
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import structlog
import uvloop

from clicktodial.accounts.business import Business, create_business
from clicktodial.accounts.business_clock import BusinessClock
from clicktodial.accounts.call_bar import CallBar
from clicktodial.accounts.erasure import PersonalDataEraser
from clicktodial.accounts.import_runner import ImportRunner
from clicktodial.accounts.number import has_number
from clicktodial.accounts.table_import import TableImport
from clicktodial.accounts.ticket_watch import TicketWatch
from clicktodial.api.app import create_http_app
from clicktodial.api.client_address import ClientAddresses
from clicktodial.api.management.api import ManagementNeeds, create_management_handlers
from clicktodial.api.management.billing import BillingNeeds
from clicktodial.api.management.business import BusinessNeeds
from clicktodial.api.management.membership import create_membership_needs
from clicktodial.api.management.number_desks import NumberDesks, create_number_desks
from clicktodial.api.management.people import create_people_needs
from clicktodial.api.management.support import create_support_needs
from clicktodial.api.management.worker import Worker
from clicktodial.api.message_report import create_report_handlers
from clicktodial.api.metrics import create_metrics_handler
from clicktodial.api.protocol import ARRIVAL_TIMEOUT_S
from clicktodial.api.request_gate import RequestGate
from clicktodial.api.server import HttpServer
from clicktodial.api.v1.mapping import V1NotificationFormat
from clicktodial.billing.cdr import CdrReader
from clicktodial.billing.export import ExportKind, Exports
from clicktodial.billing.pool import Pools
from clicktodial.billing.statement import Statements
from clicktodial.billing.sweep import PoolSweep
from clicktodial.billing.upkeep import BillingUpkeep
from clicktodial.config import (
    ConfigError,
    MailSettings,
    Settings,
    SipSettings,
    StirSettings,
    parse_name_server,
)
from clicktodial.control.admission import CallAdmission
from clicktodial.control.controller import CallDependencies
from clicktodial.control.live_call_service import LiveCallService
from clicktodial.control.port import RelayError, StoreError
from clicktodial.control.reaper import OpenCall, RecordingFate
from clicktodial.domain.enterprise import CallPolicy
from clicktodial.domain.event import RecordingResult
from clicktodial.domain.identifier import create_call_id
from clicktodial.domain.work_order import WorkOrderKind
from clicktodial.media.audio_library import AudioLibrary
from clicktodial.media.rtpengine.fleet import RtpengineFleet
from clicktodial.media.rtpio import RtpioRelay
from clicktodial.messaging.driver import create_dispatcher, message_limits, report_address
from clicktodial.messaging.mail_sender import MailSender
from clicktodial.messaging.mailer import EmbeddedMailbox, Mailer
from clicktodial.messaging.message import Messages
from clicktodial.messaging.smtp_mailer import SmtpMailer
from clicktodial.messaging.template import Templates
from clicktodial.notify.notifier import HttpNotifier
from clicktodial.observe.logging import configure_logging
from clicktodial.observe.metrics import CONTENT_TYPE, MeteredCallStore, Metrics
from clicktodial.recordings.recorder import FileRecorder
from clicktodial.sip.aio.endpoint import Listeners, SipEndpoint
from clicktodial.sip.aio.names import DnsNames
from clicktodial.sip.aio.resolver import TargetResolver
from clicktodial.sip.aio.telephony import TrunkTelephony
from clicktodial.sip.aio.tls import TlsListener
from clicktodial.sip.aio.trunk_monitor import StatesMonitor
from clicktodial.sip.aio.trunk_watch import TrunkWatch
from clicktodial.sip.error import PassportError
from clicktodial.sip.identity import IdentityWriter
from clicktodial.sip.passport import Attestation, PassportSigner
from clicktodial.sip.timer import Timers
from clicktodial.storage.administration import Administration
from clicktodial.storage.application_directory import ApplicationDirectory
from clicktodial.storage.call_facts import SqlFactsReader, department_of
from clicktodial.storage.call_store import SqlCallStore
from clicktodial.storage.database import Database
from clicktodial.storage.error import StorageError
from clicktodial.storage.history import CallHistory
from clicktodial.storage.minutes import SqlMinutes
from clicktodial.storage.node_registry import NodeRegistry
from clicktodial.storage.number_key import NumberKeys
from clicktodial.storage.outbox import Outbox
from clicktodial.storage.protection_cleanup import ProtectionCleanup
from clicktodial.storage.recording_catalog import SqlRecordingCatalog
from clicktodial.storage.secret import SecretVault, load_master_key
from clicktodial.storage.transaction import Transactions

log = structlog.get_logger()

# Anyone else on the machine has no business with recordings, keys or numbers.
_DATA_DIR_MODE = 0o700
# The writer and the relay's reader threads need the interpreter for microseconds at a time; at
# the default of 5 ms each of them could hold up the loop for as long as a whole call set-up.
_SWITCH_INTERVAL_S = 0.0005
# Objects of live calls are many and not cyclic: collect rarely, or every call pays for it.
_GC_THRESHOLDS = (20_000, 20, 100)


AnyRelay: TypeAlias = RtpioRelay | RtpengineFleet


class SystemClock:
    """The machine's clocks."""

    def monotonic_s(self) -> float:
        return time.monotonic()

    def utc(self) -> datetime:
        return datetime.now(UTC)


def run(settings: Settings) -> int:
    """Run a node until SIGTERM or SIGINT; returns the exit status of the process."""
    configure_logging(settings.log)
    _raise_file_limit()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        with own_data_dir(settings.data_dir):
            uvloop.run(_serve(settings))
    except (ConfigError, RelayError, StorageError, StoreError, OSError) as error:
        log.error("node.not_started", detail=str(error))
        return 1
    return 0


@contextmanager
def own_data_dir(path: Path) -> Generator[None]:
    """Hold the data directory alone: a second node on it would end the first one's calls."""
    path.mkdir(parents=True, exist_ok=True, mode=_DATA_DIR_MODE)
    lock = os.open(path / "node.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"another node is running on {path}") from error
        yield
    finally:
        os.close(lock)


def read_node_id(data_dir: Path) -> str:
    """The node's own identifier, made at its first start; calls are owned in its name."""
    path = data_dir / "node-id"
    with suppress(FileNotFoundError):
        return path.read_text(encoding="ascii").strip()
    node_id = create_call_id()
    path.write_text(node_id + "\n", encoding="ascii")
    return node_id


@dataclass(frozen=True, slots=True)
class Node:
    """A running node, as seen by its process."""

    service: LiveCallService
    http_address: tuple[str, int]
    sip_address: tuple[str, int]


@asynccontextmanager
async def open_node(settings: Settings) -> AsyncGenerator[Node]:
    """Build a node from the inside out, and take it down the other way round.

    What accepts work from outside comes up last and goes down first, so that nothing is accepted
    that cannot be done. Raises ConfigError, OSError, or an adapter's own error where a part does
    not start; those that had started are stopped.
    """
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        node_id = read_node_id(settings.data_dir)
        database = Database.from_settings(settings)
        database.open()
        stack.push_async_callback(database.close)
        catalog = SqlRecordingCatalog(database)
        vault = SecretVault(load_master_key(settings))
        applications = ApplicationDirectory(database, vault)
        await applications.start()
        stack.push_async_callback(applications.close)
        recordings_root = settings.data_dir / "recordings"
        recorder = FileRecorder(recordings_root, catalog, settings.recording)
        await recorder.start()
        stack.push_async_callback(recorder.close)
        library = AudioLibrary(settings.audio_dir.absolute())
        relay = create_relay(settings, library, node_id)
        await relay.start()
        stack.push_async_callback(relay.close)

        registry = NodeRegistry(database, node_id=node_id)
        # Before the first event of this process, so that those of a dead one are not overtaken.
        await registry.reap(clock.utc(), _create_recording_fate(relay, recorder), own=True)
        await registry.register(clock.utc())
        _own_task(stack, registry.run(clock))
        notifier = HttpNotifier(
            Outbox(database), applications, V1NotificationFormat(), settings.notify
        )
        await notifier.start()
        stack.push_async_callback(notifier.close)
        transactions = Transactions(database.engine)
        dispatcher = create_dispatcher(settings.messages, transactions, clock, node_id=node_id)
        await dispatcher.start()
        stack.push_async_callback(dispatcher.close)
        endpoint, telephony, watch = await _open_telephony(stack, settings, applications)

        def take_up_changes() -> None:
            # A replay from the command line is such a change.
            notifier.request_rescan()
            dispatcher.wake()
            watch.refresh()

        applications.on_change = take_up_changes

        store = SqlCallStore(database, node_id=node_id)
        minutes = SqlMinutes(
            database,
            reserve_s=settings.billing.reserve_s,
            zone=settings.billing.zone,
            department_of=department_of,
        )
        metrics = Metrics()
        metered = MeteredCallStore(store, metrics)
        service = LiveCallService(
            CallDependencies(
                clock,
                telephony,
                relay,
                recorder,
                metered,
                notifier,
                forecaster=telephony,
                on_quality=metrics.count_quality,
                admission=CallAdmission(
                    SqlFactsReader(database, NumberKeys(vault)), applications.platform_rules, clock
                ),
                minutes=minutes,
            ),
            settings.calls,
            message_limits=message_limits(settings.messages),
        )
        _add_readings(metrics, service, endpoint, database)
        _add_trunk_readings(metrics, watch)
        _add_relay_readings(metrics, relay)
        # Whatever goes wrong from here on, no phone is left ringing.
        stack.push_async_callback(service.stop)

        async def is_ready() -> bool:
            await applications.refresh()
            return not service.is_stopping

        addresses = ClientAddresses(settings.http.trusted_proxies)
        gate = RequestGate(addresses)
        administration = Administration(
            database.engine, vault, region=settings.calls.default_region
        )
        call_bar = CallBar(transactions, service, arrival_timeout_s=ARRIVAL_TIMEOUT_S)
        _own_task(stack, call_bar.run())

        def take_up_changes_of_calls() -> None:
            take_up_changes()
            call_bar.notice()

        applications.on_change = take_up_changes_of_calls
        numbers = create_number_desks(
            transactions,
            administration,
            settings.numbers,
            region=settings.calls.default_region,
            random=Random(),
        )
        templates = Templates(transactions, message_limits(settings.messages))
        business = _open_business(
            stack, settings, transactions, vault, applications, numbers, templates
        )
        login_worker = Worker()
        stack.push_async_callback(login_worker.close)
        people = create_people_needs(
            transactions,
            vault,
            settings.accounts,
            region=settings.calls.default_region,
            login_worker=login_worker,
        )
        support = create_support_needs(
            transactions, vault, settings.support, region=settings.calls.default_region
        )
        ticket_watch = TicketWatch(support.tickets, support.rosters, clock.utc)
        _add_ticket_readings(metrics, ticket_watch)
        _own_task(stack, ticket_watch.run())
        mailer = create_mailer(settings.mail, clock.utc)
        _own_task(stack, MailSender(people.outbox, mailer, clock.utc).run())
        exports = Exports(
            transactions,
            settings.data_dir / "exports",
            zone=settings.billing.zone,
            keep_days=settings.billing.exports_keep_days,
        )
        upkeep = BillingUpkeep(
            PoolSweep(transactions, zone=settings.billing.zone),
            exports,
            kinds=tuple(ExportKind(kind) for kind in settings.billing.exports),
            interval_s=settings.billing.sweep_interval_s,
            utc=clock.utc,
        )
        _own_task(stack, upkeep.run())
        keys = NumberKeys(vault)
        importing = TableImport(
            transactions, keys, region=settings.calls.default_region, node_id=node_id
        )
        runner = ImportRunner(importing, clock.utc)
        await runner.start()
        stack.push_async_callback(runner.close)
        membership = create_membership_needs(
            transactions,
            keys,
            importing=importing,
            runner=runner,
            region=settings.calls.default_region,
        )
        _own_task(stack, ProtectionCleanup(database, clock.utc).run())
        worker = Worker()
        stack.push_async_callback(worker.close)
        management = ManagementNeeds(
            gate=gate,
            client_address=addresses.describe,
            service=service,
            applications=applications,
            administration=administration,
            history=CallHistory(database.engine),
            library=library,
            monitor=StatesMonitor(telephony.states),
            worker=worker,
            token=settings.management.token,
            body_bytes_max=settings.http.body_bytes_max,
            default_region=settings.calls.default_region,
            numbers=numbers,
            business=BusinessNeeds(
                business=business,
                worker=worker,
                take_up_changes=lambda: _take_up_changes(applications),
            ),
            transactions=transactions,
            sessions=people.sessions,
            people=people,
            support=support,
            templates=templates,
            messages=Messages(transactions),
            membership=membership,
            billing=BillingNeeds(
                pools=Pools(transactions, zone=settings.billing.zone),
                cdrs=CdrReader(transactions),
                statements=Statements(transactions, zone=settings.billing.zone),
                exports=exports,
                pdf_font=settings.billing.pdf_font,
            ),
        )
        server = HttpServer(
            create_http_app(
                service=service,
                applications=applications,
                recordings=catalog,
                is_known_call=store.is_known,
                recordings_root=recordings_root,
                settings=settings.http,
                default_region=settings.calls.default_region,
                is_ready=is_ready,
                gate=gate,
                further_handlers=[
                    create_metrics_handler(
                        metrics.render, content_type=CONTENT_TYPE, token=settings.metrics.token
                    ),
                    *create_management_handlers(management),
                    *create_report_handlers(
                        report_address(settings.messages), dispatcher.report, addresses
                    ),
                ],
            )
        )
        await server.start(settings.http.host, settings.http.port)
        stack.push_async_callback(server.close)
        yield Node(service, server.address, endpoint.address)


def _open_business(
    stack: AsyncExitStack,
    settings: Settings,
    transactions: Transactions,
    vault: SecretVault,
    applications: ApplicationDirectory,
    numbers: NumberDesks,
    templates: Templates,
) -> Business:
    business = create_business(
        transactions,
        vault,
        documents_root=settings.documents_dir,
        default_region=settings.calls.default_region,
        calls=CallPolicy(settings.business.running_calls),
        has_numbers=has_number,
        further_handlers={
            WorkOrderKind.NUMBER_ORDER: numbers.orders,
            WorkOrderKind.TEMPLATE_REVIEW: templates,
        },
        on_cancelled=[numbers.giving_back],
    )
    retention = timedelta(days=settings.business.data_retention_days)
    eraser = PersonalDataEraser(transactions, business.store, retention=retention)
    business_clock = BusinessClock(
        business.changes,
        eraser,
        lambda: datetime.now(UTC),
        lambda: _take_up_changes(applications),
    )
    _own_task(stack, business_clock.run())
    return business


async def _take_up_changes(applications: ApplicationDirectory) -> None:
    """What was changed here holds here at once, and not only with the next poll."""
    try:
        await applications.refresh()
    except StoreError as error:
        # The change itself is done, and the poll takes it up.
        log.error("administration.not_taken_up", error=str(error))


async def _open_telephony(
    stack: AsyncExitStack, settings: Settings, applications: ApplicationDirectory
) -> tuple[SipEndpoint, TrunkTelephony, TrunkWatch]:
    identities = IdentityWriter(create_signer(settings.stir), unix_s=time.time)
    sip = settings.sip
    endpoint = SipEndpoint(
        user_agent=sip.user_agent,
        advertised_host=sip.advertised_host,
        timers=create_timers(sip.t1_ms / 1000),
    )
    await endpoint.start(sip.host, sip.port, listeners=_create_listeners(sip))
    stack.push_async_callback(endpoint.close)
    name_servers = [parse_name_server(server) for server in sip.name_servers]
    resolver = TargetResolver(DnsNames(name_servers, speaks=endpoint.speaks))
    telephony = TrunkTelephony(endpoint, applications.trunks, resolver, identities=identities)
    stack.push_async_callback(telephony.close)
    watch = TrunkWatch(endpoint, applications.trunks, telephony.states, telephony.resolve)
    watch.start()
    stack.push_async_callback(watch.close)
    return endpoint, telephony, watch


def create_relay(settings: Settings, library: AudioLibrary, node_id: str) -> AnyRelay:
    """The driver that the settings name, not started yet."""
    spool_dir = settings.data_dir / "spool"
    if settings.media.driver == "rtpio":
        return RtpioRelay(settings.media, spool_dir, library)
    return RtpengineFleet(settings.media, spool_dir, settings.rtpengine_dir, library, owner=node_id)


def create_mailer(settings: MailSettings, utc: Callable[[], datetime]) -> Mailer:
    """The driver that the settings name. Raises ConfigError."""
    if settings.driver == "mailbox":
        return EmbeddedMailbox()
    try:
        return SmtpMailer(settings, utc)
    except OSError as error:
        raise ConfigError(f"mail.password_file or mail.ca_file: {error.strerror}") from error


def create_signer(settings: StirSettings) -> PassportSigner | None:
    """What signs calls, where there is a certificate. Raises ConfigError."""
    if settings.key_file is None or settings.certificate_url is None:
        return None
    try:
        key = Path(settings.key_file).read_bytes()
        attestation = Attestation(settings.attestation)
        return PassportSigner(key, settings.certificate_url, attestation)
    except OSError as error:
        raise ConfigError(f"stir.key_file: {error.strerror}") from error
    except PassportError as error:
        raise ConfigError(f"stir: {error}") from error


def create_timers(t1_s: float) -> Timers:
    """T2 shrinks with T1, so that a request has RFC 3261's eleven tries within 64*T1, not seven:
    of a network that loses 40 %, that is one BYE lost for good in 25,000 rather than in 600."""
    standard = Timers()
    ratio = standard.t2_s / standard.t1_s
    return Timers(t1_s=t1_s, t2_s=min(standard.t2_s, ratio * t1_s))


def _create_listeners(settings: SipSettings) -> Listeners:
    tls = None
    if settings.tls_port is not None:
        # That both files are given was checked with the settings.
        assert settings.tls_certificate_file is not None
        assert settings.tls_key_file is not None
        tls = TlsListener(
            settings.tls_port,
            settings.tls_certificate_file,
            settings.tls_key_file,
            settings.tls_ca_file,
        )
    return Listeners(
        has_tcp=settings.tcp,
        tls=tls,
        v6_host=settings.v6_host,
        v6_advertised_host=settings.v6_advertised_host,
    )


def _add_readings(
    metrics: Metrics, service: LiveCallService, endpoint: SipEndpoint, database: Database
) -> None:
    """What the metrics page reads of the parts when it is asked for."""
    counters = endpoint.user_agent.counters
    gauge, counter = metrics.add_gauge, metrics.add_counter
    gauge("clicktodial_calls_live", "Calls under way.", lambda: service.live_count)
    gauge(
        "clicktodial_sip_sessions",
        "SIP sessions, those that are being ended included.",
        lambda: endpoint.user_agent.session_count,
    )
    gauge(
        "clicktodial_sip_transactions",
        "SIP transactions that live or linger.",
        lambda: endpoint.user_agent.transaction_count,
    )
    gauge(
        "clicktodial_writer_queue",
        "Changes that wait to be written to the database.",
        lambda: database.writer.depth,
    )
    counter("clicktodial_sip_received", "SIP messages received.", lambda: counters.received)
    counter("clicktodial_sip_sent", "SIP messages sent.", lambda: counters.sent)
    counter(
        "clicktodial_sip_retransmissions",
        "Of those sent, the ones that had been sent before.",
        lambda: counters.retransmissions,
    )
    counter(
        "clicktodial_sip_malformed",
        "What came to the SIP port and was no SIP message.",
        lambda: counters.malformed,
    )
    counter("clicktodial_sip_stray", "SIP messages that matched nothing.", lambda: counters.stray)
    counter(
        "clicktodial_sip_refused",
        "SIP requests turned away or dropped at a limit.",
        lambda: counters.refused,
    )


def _add_trunk_readings(metrics: Metrics, watch: TrunkWatch) -> None:
    metrics.add_gauge(
        "clicktodial_trunks_down",
        "Trunks that do not answer OPTIONS.",
        lambda: watch.down_count,
    )
    metrics.add_gauge(
        "clicktodial_trunks_unregistered",
        "Trunks that want us registered and do not have us so.",
        lambda: watch.unregistered_count,
    )


def _add_relay_readings(metrics: Metrics, relay: AnyRelay) -> None:
    """The embedded relay has no nodes."""
    fleet = relay if isinstance(relay, RtpengineFleet) else None
    metrics.add_labelled_gauge(
        "clicktodial_relay_node_up",
        "1 for each node of the relay fleet that answers, 0 for one that does not.",
        "node",
        lambda: {} if fleet is None else fleet.up_by_node(),
    )
    metrics.add_labelled_gauge(
        "clicktodial_relay_sessions",
        "Sessions of this platform at each node of the relay fleet.",
        "node",
        lambda: {} if fleet is None else fleet.sessions_by_node(),
    )


def _add_ticket_readings(metrics: Metrics, watch: TicketWatch) -> None:
    """As they were counted last, within a minute."""
    metrics.add_labelled_gauge(
        "clicktodial_tickets_open",
        "Support tickets that are open, of all nodes.",
        "priority",
        watch.open_by_priority,
    )
    metrics.add_labelled_gauge(
        "clicktodial_tickets_breached",
        "Of those, the ones that missed a target.",
        "priority",
        watch.breached_by_priority,
    )


def _own_task(stack: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    """Run the coroutine for as long as the stack is open."""
    task = asyncio.create_task(work)

    async def end() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(end)


def _create_recording_fate(relay: AnyRelay, recorder: FileRecorder) -> RecordingFate:
    """Finishes, from what the relay had captured, the recordings of a process that died."""
    captures = relay.recoverable_captures()

    async def finish(call: OpenCall) -> RecordingResult:
        capture = captures.get(call.call_id)
        if capture is None or call.recording_id is None:
            return RecordingResult.NO_RECORD
        outcome = await recorder.finish(call.recording_id, call.call_id, call.app_id, capture)
        return outcome.result

    return finish


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    async with open_node(settings) as node:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        _tell_ready(node)
        await stop.wait()
        log.info("node.stopping", live_calls=node.service.live_count)
        await node.service.stop()


def _tell_ready(node: Node) -> None:
    http, sip = (
        f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        for host, port in (node.http_address, node.sip_address)
    )
    sys.stdout.write(f"clicktodial ready http={http} sip={sip}\n")
    sys.stdout.flush()


def _raise_file_limit() -> None:
    """Sockets of calls and connections: take what the system grants."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
