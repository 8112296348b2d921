"""What the console works with: the use cases that the management API calls, and no others."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import IO, Any, Protocol

from litestar.types import HTTPScope

from clicktodial.accounts.application import ApplicationDesk
from clicktodial.accounts.application_activity import ApplicationActivity
from clicktodial.accounts.audit import AuditLog
from clicktodial.accounts.business import Business
from clicktodial.accounts.call_file import CallFiles
from clicktodial.accounts.call_search import CallSearch
from clicktodial.accounts.call_statistics import CallStatistics
from clicktodial.accounts.consequence import Consequences
from clicktodial.accounts.department import Departments
from clicktodial.accounts.do_not_call import NumberLists
from clicktodial.accounts.enrolment import Enrolments
from clicktodial.accounts.member import Members
from clicktodial.accounts.naming import Names
from clicktodial.accounts.node import Nodes
from clicktodial.accounts.notification import Notifications
from clicktodial.accounts.number import NumberInventory
from clicktodial.accounts.number_order import NumberOrders
from clicktodial.accounts.number_pool import NumberPools
from clicktodial.accounts.own_email import OwnEmails
from clicktodial.accounts.own_password import Passwords
from clicktodial.accounts.person import People
from clicktodial.accounts.protection import ProtectionSettings
from clicktodial.accounts.roster import Rosters
from clicktodial.accounts.second_factor import SecondFactors
from clicktodial.accounts.session import Sessions
from clicktodial.accounts.standing import Standings
from clicktodial.accounts.table_import import ImportOrder, TableImport
from clicktodial.accounts.ticket import Tickets
from clicktodial.accounts.ticket_attachment import TicketAttachments
from clicktodial.accounts.ticket_desk import TicketDesk
from clicktodial.accounts.ticket_statistics import TicketStatistics
from clicktodial.accounts.traffic import Traffic
from clicktodial.billing.cdr import CdrReader
from clicktodial.billing.export import Exports
from clicktodial.billing.export_order import ExportOrders
from clicktodial.billing.movement import Movements
from clicktodial.billing.pool import Pools
from clicktodial.billing.statement import Statements
from clicktodial.billing.usage import DailyUse
from clicktodial.control.port import (
    Applications,
    EndpointState,
    RecordingCatalog,
    RelayState,
    TrunkMonitor,
)
from clicktodial.control.service import CallService
from clicktodial.control.sponsor_choice import SponsorChooser
from clicktodial.media.audio_library import AudioLibrary
from clicktodial.media.webrtc.phone import WebPhones
from clicktodial.messaging.mail import MailOutbox
from clicktodial.messaging.message import Messages
from clicktodial.messaging.template import Templates
from clicktodial.notify.format import SinkFormat, StatusFormat
from clicktodial.notify.trial import ServerTrial
from clicktodial.recordings.store import RecordingFiles
from clicktodial.storage.administration import Administration
from clicktodial.storage.event_replay import EventReplays
from clicktodial.storage.history import CallHistory
from clicktodial.storage.transaction import Transactions
from clicktodial.web.worker import Worker


class Runner(Protocol):
    """Imports files in the background."""

    async def submit(self, order: ImportOrder, file: IO[bytes]) -> str:
        """Begin; the job's identifier."""


class ApiError(Protocol):
    """A row of an API's table of errors."""

    @property
    def status(self) -> int: ...
    @property
    def code(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def about(self) -> str: ...


@dataclass(frozen=True, slots=True)
class ApiReference:
    """What the v1 API says of itself: its OpenAPI document, and its table of errors."""

    document: Mapping[str, Any]
    errors: Sequence[ApiError]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDefaults:
    """What holds for calls whose application sets nothing else, by the server's settings."""

    caller_ring_timeout_s: int
    callee_ring_timeout_s: int
    max_duration_s: int
    recording_format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleNeeds:
    """All methods of the use cases block, unless they are of `service` or `applications`: run
    them on `worker`, and what hashes passwords on `login_worker`."""

    worker: Worker
    login_worker: Worker
    transactions: Transactions

    # People
    people: People
    enrolments: Enrolments
    sessions: Sessions
    passwords: Passwords
    emails: OwnEmails
    factors: SecondFactors
    audit_log: AuditLog
    mails: MailOutbox

    # Calls
    service: CallService
    applications: Applications
    # None where no browser can be a side of a call.
    web_phones: WebPhones | None
    web_stun: str | None
    history: CallHistory
    call_search: CallSearch
    call_statistics: CallStatistics
    standings: Standings
    call_files: CallFiles
    event_replays: EventReplays
    recordings: RecordingCatalog
    recording_files: RecordingFiles
    notification_format: StatusFormat
    sink_format: SinkFormat
    library: AudioLibrary
    monitor: TrunkMonitor
    chooser: SponsorChooser
    messages: Messages
    templates: Templates

    # Business
    administration: Administration
    business: Business
    names: Names
    consequences: Consequences
    application_desk: ApplicationDesk
    application_activity: ApplicationActivity
    trial: ServerTrial
    reference: ApiReference
    call_defaults: CallDefaults
    inventory: NumberInventory
    orders: NumberOrders
    number_pools: NumberPools
    take_up_changes: Callable[[], Awaitable[None]]

    # Members and their protection
    members: Members
    departments: Departments
    lists: NumberLists
    protection: ProtectionSettings
    importing: TableImport
    import_runner: Runner

    # Money
    pools: Pools
    cdrs: CdrReader
    statements: Statements
    exports: Exports
    export_orders: ExportOrders
    # There is one to be written; called on the loop.
    take_up_orders: Callable[[], None]
    daily_use: DailyUse
    movements: Movements
    # Writes files anew, which may take long.
    file_worker: Worker
    pdf_font: str | None = None

    # Support
    tickets: Tickets
    ticket_attachments: TicketAttachments
    ticket_desk: TicketDesk
    rosters: Rosters
    ticket_statistics: TicketStatistics

    # The platform itself
    traffic: Traffic
    nodes: Nodes
    notifications: Notifications
    endpoint_states: Callable[[], Sequence[EndpointState]]
    relay_states: Callable[[], Sequence[RelayState]]
    shown_settings: Mapping[str, Mapping[str, Any]]
    node_id: str

    client_address: Callable[[HTTPScope], str]
    body_bytes_max: int
    default_region: str
    # Of whoever chose none.
    zone: tzinfo = UTC
    # Where people reach the platform.
    base_url: str = ""
    # Engineers see the style guide.
    shows_style_guide: bool = False
    utc: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach it over TLS."""
        return self.base_url.startswith("https:")
