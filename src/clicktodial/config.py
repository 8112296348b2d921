"""Settings: from a TOML file and the environment, checked once, at start.

`[table] key` of the file is overridden by `CLICKTODIAL_<TABLE>__<KEY>`. Each setting's meaning,
unit and bounds stand beside it here and in `docs/settings.md`; a test holds the two together.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, time, tzinfo
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from clicktodial.domain.access import ScopeUnknown, parse_scopes
from clicktodial.domain.email import EmailError, parse_email

ENVIRONMENT_PREFIX = "CLICKTODIAL_"

Port = Annotated[int, Meta(ge=0, le=65535)]
FixedPort = Annotated[int, Meta(ge=1, le=65535)]
PositiveInt = Annotated[int, Meta(ge=1)]
# Two parties, RTP and RTCP each, make four ports a call; the relay keeps 20 for itself.
MEDIA_PORTS_MIN = 24
# Four ports a browser, and some to choose among.
WEBRTC_PORTS_MIN = 20
_HOST_AND_PORT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?:[0-9]{1,5}", re.ASCII)
# A machine of a hundred times another's strength is no fleet any more.
NODE_WEIGHT_MAX = 100
_PORT_MAX = 65_535
_TIME_OF_DAY = "^[0-2][0-9]:[0-5][0-9]$"
_ANY_ADDRESS = frozenset({"0.0.0.0", "::"})
Seconds = Annotated[int, Meta(ge=1, le=86_400)]


class ConfigError(Exception):
    """The settings cannot be used; the message names the table, the key and the reason."""


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class HttpSettings(_Table, frozen=True):
    """Where applications reach the API."""

    host: str = "127.0.0.1"
    port: Port = 8080  # 0: any free port, told in the ready line
    body_bytes_max: Annotated[int, Meta(ge=1024, le=1_048_576)] = 16_384
    # Addresses or networks in CIDR, whose X-Forwarded-For is believed.
    trusted_proxies: Annotated[tuple[str, ...], Meta(max_length=32)] = ()


class SipSettings(_Table, frozen=True):
    """Our own SIP address, and how patient the user agent is."""

    host: str = "127.0.0.1"
    port: Port = 5060  # 0: any free port
    advertised_host: str | None = None  # what Via and Contact say; default: host
    user_agent: str = "clicktodial"
    t1_ms: Annotated[int, Meta(ge=10, le=5000)] = 500  # RFC 3261 17.1.1.1
    tcp: bool = True  # receive over TCP too, at the same port
    tls_port: Port | None = None  # receive over TLS there; 0: any free port
    tls_certificate_file: str | None = None  # PEM, with its chain
    tls_key_file: str | None = None
    tls_ca_file: str | None = None  # who connects must show a certificate of these
    v6_host: str | None = None  # a second address, of IPv6
    v6_advertised_host: str | None = None  # what Via and Contact say there; default: v6_host
    # Of which calls the messages are kept with the call, numbers masked.
    trace: Literal["off", "failed", "all"] = "failed"
    # HOST:PORT each, for names of trunks; default: those of the system.
    name_servers: Annotated[tuple[str, ...], Meta(max_length=8)] = ()


class StirSettings(_Table, frozen=True):
    """The certificate that calls are signed for."""

    key_file: str | None = None  # its private key, P-256 in PEM; absent: calls are not signed
    certificate_url: str | None = None  # where whoever verifies a call finds the certificate
    attestation: Literal["A", "B", "C"] = "A"  # RFC 8588 4


class MediaSettings(_Table, frozen=True):
    """The relay's address, ports and limits."""

    host: str = "127.0.0.1"
    advertised_host: str | None = None  # what SDP says; default: host
    port_min: FixedPort = 20_000
    port_max: FixedPort = 40_000
    sessions_max: PositiveInt = 2_000
    dead_after_s: Annotated[int, Meta(ge=5, le=3600)] = 60
    # A conversation of a minute or two is read a handful of times, and shows where it was bad.
    quality_interval_s: Annotated[int, Meta(ge=0, le=300)] = 10
    # What parties are offered, preferred first.
    codecs: Annotated[
        tuple[Literal["PCMA", "PCMU", "G722", "OPUS"], ...], Meta(min_length=1, max_length=4)
    ] = ("PCMA", "PCMU")
    driver: Literal["rtpio", "rtpengine"] = "rtpio"  # rtpio is embedded, rtpengine a daemon
    # ADDRESS:PORT each, of their ng protocol, and perhaps ;weight=N and ;drained.
    rtpengine: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    rtpengine_dir: str | None = None  # its --recording-dir; default: <data_dir>/rtpengine
    webrtc: bool = False  # whether browsers may be a side of calls that people try
    webrtc_port_min: FixedPort = 40_100
    webrtc_port_max: FixedPort = 40_299
    webrtc_stun: str | None = None  # HOST:PORT that browsers learn their own address from


class DatabaseSettings(_Table, frozen=True):
    """The database. The default lies in the data directory."""

    url: str | None = None  # sqlite:///PATH; default: sqlite:///<data_dir>/clicktodial.db
    durability: Literal["full", "normal"] = "full"  # full survives a power cut, normal a kill
    queue_max: PositiveInt = 20_000
    commit_timeout_s: Seconds = 5
    # Longer than a minute, and the calls of a dead node would hang for five.
    heartbeat_interval_s: Annotated[int, Meta(ge=1, le=60)] = 5


class StorageSettings(_Table, frozen=True):
    """Where recordings, keys and the embedded database lie."""

    data_dir: str = "./clicktodial-data"


class NumbersSettings(_Table, frozen=True):
    """The inventory of numbers to show."""

    cooling_off_days: Annotated[int, Meta(ge=0, le=3650)] = 90  # a released number's rest
    order_days: Annotated[int, Meta(ge=1, le=90)] = 5  # how long an order holds its numbers
    # Whether numbers are looked up in libphonenumber's places: 0.9 s at start, 100 MB.
    locate: bool = False


class CallsSettings(_Table, frozen=True):
    """Limits of every call."""

    live_max: PositiveInt = 2_000
    caller_ring_timeout_s: Seconds = 45
    callee_ring_timeout_s: Seconds = 60
    max_duration_s: Seconds = 14_400
    drain_s: Annotated[int, Meta(ge=0, le=86_400)] = 0
    default_region: Annotated[str, Meta(pattern="^[A-Z]{2}$")] = "CN"


class RecordingSettings(_Table, frozen=True):
    """How recordings are made."""

    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    format: Literal["wav", "ogg", "mp3"] = "wav"  # ogg is Opus


class NotifySettings(_Table, frozen=True):
    """How status notifications are delivered."""

    timeout_s: Seconds = 10
    # Waits between tries of one event, in seconds; after the last it is given up and kept.
    retry_after_s: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=604_800)], ...], Meta(max_length=100)
    ] = (
        1, 2, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 43_200, 86_400,
    )  # fmt: skip
    concurrency_per_endpoint: Annotated[int, Meta(ge=1, le=1000)] = 32
    queue_per_endpoint_max: PositiveInt = 10_000


class SecuritySettings(_Table, frozen=True):
    """The key that stored secrets are encrypted with."""

    master_key: str | None = None  # base64 of 32 bytes; preferably from the environment
    key_file: str | None = None  # default: <data_dir>/master.key, made when missing


class MetricsSettings(_Table, frozen=True):
    """Who may read the metrics."""

    token: Annotated[str, Meta(min_length=16, max_length=256)] | None = None  # absent: no page


class ManagementSettings(_Table, frozen=True):
    """Who may administer over HTTP."""

    # absent: only applications use the management API
    token: Annotated[str, Meta(min_length=16, max_length=256)] | None = None


class OauthSettings(_Table, frozen=True):
    """Access tokens: those given out here, and those of another provider."""

    issuer: str | None = None  # what tokens name as their source; default: accounts.base_url
    audience: str | None = None  # whom tokens are for; default: the issuer
    token_lifetime_s: Annotated[int, Meta(ge=60, le=86_400)] = 3_600
    client_secrets: bool = False  # whether a Secretkey gets tokens, too: for sandboxes
    algorithm: Literal["RS256", "ES256"] = "RS256"  # RFC 9068 2.1 wants everybody to know RS256
    key_rotation_days: Annotated[int, Meta(ge=1, le=3_650)] = 90

    external_issuer: str | None = None  # of an OpenID provider whose tokens are taken, too
    external_jwks_uri: str | None = None
    external_jwks_file: str | None = None  # in its place
    external_audience: str | None = None  # what its tokens must be for
    external_app_claim: Annotated[str, Meta(min_length=1, max_length=64)] = "client_id"
    # What its tokens may allow at most; none: all that the application may.
    external_scopes: Annotated[tuple[str, ...], Meta(max_length=32)] = ()


class MessagesSettings(_Table, frozen=True):
    """What carries messages after calls, and how long they may be."""

    sms: Literal["mailbox", "smpp"] = "mailbox"
    mms: Literal["mailbox", "mm7"] = "mailbox"
    # Waits between tries of one message, in seconds; after the last it is given up and kept.
    retry_after_s: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=604_800)], ...], Meta(max_length=100)
    ] = (5, 30, 120, 600, 3_600, 14_400)
    expires_after_s: Annotated[int, Meta(ge=60, le=604_800)] = 86_400  # told no phone after that
    per_second_max: Annotated[int, Meta(ge=1, le=10_000)] = 20  # parts, to each gateway
    concurrency: Annotated[int, Meta(ge=1, le=100)] = 8  # messages at a time
    sms_parts_max: Annotated[int, Meta(ge=1, le=255)] = 6
    mms_bytes_max: Annotated[int, Meta(ge=1_024, le=1_000_000)] = 300_000  # text and pictures
    time_zone: str = "Asia/Shanghai"  # in which messages tell the time of a call
    timeout_s: Seconds = 30  # for a gateway's answer

    mm7_url: str | None = None
    mm7_username: str | None = None
    mm7_password: str | None = None
    mm7_password_file: str | None = None
    mm7_vasp_id: str | None = None
    mm7_vas_id: str | None = None
    mm7_service_code: str | None = None
    # Where delivery reports come to: /messages/mm7/<secret>; absent: none are asked for.
    mm7_report_secret: Annotated[str, Meta(min_length=16, max_length=128)] | None = None
    mm7_report_sources: Annotated[tuple[str, ...], Meta(max_length=64)] = ()  # networks; none: any

    smpp_host: str | None = None
    smpp_port: FixedPort = 2775
    smpp_system_id: Annotated[str, Meta(max_length=15)] | None = None  # SMPP 3.4 5.2.1
    smpp_password: str | None = None
    smpp_password_file: str | None = None
    smpp_system_type: Annotated[str, Meta(max_length=12)] = ""
    smpp_tls: bool = False
    smpp_window: Annotated[int, Meta(ge=1, le=1000)] = 8


class MailSettings(_Table, frozen=True):
    """How mail to people leaves."""

    driver: Literal["mailbox", "smtp"] = "mailbox"  # mailbox: it is kept here, to be read
    sender: str = "clicktodial@localhost"
    host: str | None = None
    port: FixedPort = 587
    security: Literal["none", "starttls", "tls"] = "starttls"
    username: str | None = None
    password: str | None = None  # preferably from the environment, or of the file
    password_file: str | None = None
    ca_file: str | None = None  # who signed the server's certificate; default: the system's

    def read_password(self) -> str | None:
        """The password, of the settings or of the file. Raises OSError."""
        if self.password is not None or self.password_file is None:
            return self.password
        return Path(self.password_file).read_text(encoding="utf-8").strip()


class AccountsSettings(_Table, frozen=True):
    """People's accounts."""

    base_url: str = "http://localhost:8080"  # where people reach the platform, for links in mails
    open_registration: bool = True
    session_idle_s: Seconds = 3_600
    session_max_s: Seconds = 43_200


class SupportSettings(_Table, frozen=True):
    """When support works, how long customers may be silent, and who gets mail."""

    desk_email: str = "support@localhost"  # new tickets, and answers to those that nobody has
    operator_email: str = "operator@localhost"  # whom is called last, or where nobody is on call
    time_zone: str = "Asia/Shanghai"
    opens: Annotated[str, Meta(pattern=_TIME_OF_DAY)] = "09:00"
    closes: Annotated[str, Meta(pattern=_TIME_OF_DAY)] = "18:00"
    # YYYY-MM-DD each: no working days, besides Saturdays and Sundays.
    holidays: Annotated[tuple[str, ...], Meta(max_length=100)] = ()
    wait_days: Annotated[int, Meta(ge=1, le=365)] = 14  # for a customer's answer
    reopen_days: Annotated[int, Meta(ge=1, le=365)] = 7  # then what is resolved is closed


class BusinessSettings(_Table, frozen=True):
    """How enterprises are served and left."""

    # What becomes of running calls when their enterprise is suspended or cancelled, where the
    # request does not say.
    running_calls: Literal["when-ended", "at-once"] = "when-ended"
    # After an enterprise's end its documents and data are kept so long, in days.
    data_retention_days: Annotated[int, Meta(ge=0, le=3_650)] = 180


class BillingSettings(_Table, frozen=True):
    """How calls of enterprises with a pool of minutes are charged."""

    # So much conversation is held at begin and at each extension.
    reserve_s: Annotated[int, Meta(ge=30, le=3600)] = 120
    time_zone: Annotated[str, Meta(max_length=64)] = "UTC"  # of months, days, caps, statements
    sweep_interval_s: Annotated[int, Meta(ge=5, le=3600)] = 60
    # What is written of each day's CDRs; parquet needs the extra clicktodial[parquet].
    exports: Annotated[tuple[Literal["csv", "parquet"], ...], Meta(max_length=2)] = ()
    exports_keep_days: Annotated[int, Meta(ge=1, le=3650)] = 90
    pdf_font: str | None = None  # a TrueType file that statements embed

    @property
    def zone(self) -> tzinfo:
        """The time zone. Raises ConfigError."""
        if self.time_zone == "UTC":
            return UTC
        try:
            return ZoneInfo(self.time_zone)
        except (ValueError, OSError, ZoneInfoNotFoundError) as error:
            raise ConfigError(
                "billing.time_zone is no time zone that this machine knows"
            ) from error


KeptDays = Annotated[int, Meta(ge=0, le=36_500)]


class RetentionSettings(_Table, frozen=True):
    """For how many days what is kept; 0: for ever. CDRs and the ledger are kept in any case."""

    audit_days: KeptDays = 730  # who did what
    mail_days: KeptDays = 30  # mails that were sent, or given up
    notification_days: KeptDays = 90  # events of calls, and alerts, that were delivered or given up
    message_days: KeptDays = 90  # messages after calls, and reports on them
    call_quality_days: KeptDays = 90  # how calls sounded from one moment to the next
    call_number_days: KeptDays = 0  # the parties' numbers in the rows of calls
    recording_days: KeptDays = 0  # recordings, by the node that made them


class LogSettings(_Table, frozen=True):
    """What is logged, to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "json"


class ConsoleSettings(_Table, frozen=True):
    """The web console."""

    style_guide: bool = False  # whether /console/style shows engineers what pages are built of


class Settings(_Table, frozen=True):
    """All settings of a platform."""

    http: HttpSettings = HttpSettings()
    sip: SipSettings = SipSettings()
    media: MediaSettings = MediaSettings()
    stir: StirSettings = StirSettings()
    database: DatabaseSettings = DatabaseSettings()
    storage: StorageSettings = StorageSettings()
    calls: CallsSettings = CallsSettings()
    recording: RecordingSettings = RecordingSettings()
    notify: NotifySettings = NotifySettings()
    security: SecuritySettings = SecuritySettings()
    billing: BillingSettings = BillingSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    management: ManagementSettings = ManagementSettings()
    numbers: NumbersSettings = NumbersSettings()
    messages: MessagesSettings = MessagesSettings()
    oauth: OauthSettings = OauthSettings()
    business: BusinessSettings = BusinessSettings()
    mail: MailSettings = MailSettings()
    accounts: AccountsSettings = AccountsSettings()
    support: SupportSettings = SupportSettings()
    retention: RetentionSettings = RetentionSettings()
    console: ConsoleSettings = ConsoleSettings()

    @property
    def data_dir(self) -> Path:
        return Path(self.storage.data_dir)

    @property
    def audio_dir(self) -> Path:
        """Where the operator's own audio lies."""
        return self.data_dir / "audio"

    @property
    def documents_dir(self) -> Path:
        """Where customers' documents lie, each encrypted."""
        return self.data_dir / "documents"

    @property
    def rtpengine_dir(self) -> Path:
        """Where the nodes of the relay fleet record."""
        given = self.media.rtpengine_dir
        return self.data_dir / "rtpengine" if given is None else Path(given)

    @property
    def issuer(self) -> str:
        """Of access tokens (RFC 8414 2)."""
        return (self.oauth.issuer or self.accounts.base_url).rstrip("/")

    @property
    def database_url(self) -> str:
        """An SQLAlchemy URL without a driver."""
        return self.database.url or f"sqlite:///{(self.data_dir / 'clicktodial.db').absolute()}"


def load_settings(path: Path | None, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the file (None: defaults), then the environment over it; raises ConfigError."""
    tables: dict[str, Any] = {}
    if path is not None:
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from error
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path}: {error}") from error
    _overlay(tables, os.environ if environment is None else environment)
    try:
        settings = msgspec.convert(tables, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(str(error)) from error
    _check(settings)
    return settings


def _overlay(tables: dict[str, Any], environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        if not name.startswith(ENVIRONMENT_PREFIX) or "__" not in name:
            continue
        table, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__", 1)
        section = tables.setdefault(table, {})
        if not isinstance(section, dict):
            raise ConfigError(f"{table} is a table, not a value")
        section[key] = _list_or_text(name, value)


def _list_or_text(name: str, value: str) -> Any:
    if value.startswith("["):
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError as error:
            # The value is not repeated: it may be a secret.
            raise ConfigError(f"{name} begins like a list and is none") from error
    return value


def _check(settings: Settings) -> None:
    _ = settings.billing.zone  # whether there is such a zone
    _check_sip(settings.sip)
    for proxy in settings.http.trusted_proxies:
        try:
            ip_network(proxy)
        except ValueError as error:
            raise ConfigError("http.trusted_proxies has addresses and networks") from error
    _check_messages(settings.messages)
    _check_mail(settings.mail)
    _check_accounts(settings.accounts)
    _check_support(settings.support)
    _check_oauth(settings)
    media = settings.media
    nodes = [parse_relay_node(node) for node in media.rtpengine]
    if media.driver == "rtpengine" and not nodes:
        raise ConfigError("media.rtpengine must name a node where media.driver is rtpengine")
    if len({node.address for node in nodes}) != len(nodes):
        raise ConfigError("media.rtpengine names a node twice")
    if media.port_max - media.port_min + 1 < MEDIA_PORTS_MIN:
        raise ConfigError(f"media.port_max must be at least media.port_min + {MEDIA_PORTS_MIN - 1}")
    _check_webrtc(media)
    if len(set(media.codecs)) < len(media.codecs):
        raise ConfigError("media.codecs lists one twice")
    if (settings.stir.key_file is None) != (settings.stir.certificate_url is None):
        raise ConfigError("stir.key_file and stir.certificate_url are needed together")
    for name, host, advertised in (
        ("sip", settings.sip.host, settings.sip.advertised_host),
        ("media", media.host, media.advertised_host),
    ):
        # Peers answer to what we advertise, and nobody can answer to "any address".
        if host in _ANY_ADDRESS and advertised is None:
            raise ConfigError(f"{name}.advertised_host is needed where {name}.host is {host}")


def _check_messages(messages: MessagesSettings) -> None:
    read_time_zone(messages)
    read_report_sources(messages)
    if messages.mms == "mm7":
        if not (messages.mm7_url and messages.mm7_vasp_id and messages.mm7_vas_id):
            raise ConfigError("messages.mms mm7 needs mm7_url, mm7_vasp_id and mm7_vas_id")
        if not messages.mm7_url.startswith(("http://", "https://")):
            raise ConfigError("messages.mm7_url must be http://... or https://...")
    if messages.sms == "smpp" and not (messages.smpp_host and messages.smpp_system_id):
        raise ConfigError("messages.sms smpp needs smpp_host and smpp_system_id")
    for name in ("mm7", "smpp"):
        if getattr(messages, f"{name}_password") and getattr(messages, f"{name}_password_file"):
            raise ConfigError(f"messages.{name}_password and {name}_password_file are one too many")


def read_time_zone(messages: MessagesSettings) -> ZoneInfo:
    """Where messages read the clock. Raises ConfigError."""
    try:
        return ZoneInfo(messages.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError("messages.time_zone is no time zone of this machine") from error


def read_report_sources(messages: MessagesSettings) -> tuple[IPv4Network | IPv6Network, ...]:
    """From where reports of MM7 are taken; none: from anywhere. Raises ConfigError."""
    try:
        return tuple(ip_network(source) for source in messages.mm7_report_sources)
    except ValueError as error:
        raise ConfigError("messages.mm7_report_sources lists networks: ADDRESS[/BITS]") from error


def read_password(password: str | None, file: str | None) -> str:
    """A password that the settings hold or name a file of. Raises ConfigError."""
    if file is None:
        return password or ""
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read") from error


def _check_mail(mail: MailSettings) -> None:
    try:
        parse_email(mail.sender)
    except EmailError as error:
        raise ConfigError("mail.sender is no address of mail") from error
    if mail.driver == "smtp" and mail.host is None:
        raise ConfigError("mail.host is needed where mail.driver is smtp")
    if mail.password is not None and mail.password_file is not None:
        raise ConfigError("mail.password and mail.password_file exclude each other")
    has_password = mail.password is not None or mail.password_file is not None
    if (mail.username is not None) != has_password:
        raise ConfigError("mail.username and a password are needed together")
    if has_password and mail.security == "none":
        raise ConfigError("mail.security must be starttls or tls where there is a password")


def _check_accounts(accounts: AccountsSettings) -> None:
    try:
        parts = urlsplit(accounts.base_url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_url = False
    if not is_url or parts.query or parts.fragment or parts.username:
        raise ConfigError("accounts.base_url must be http://HOST or https://HOST")
    if accounts.session_idle_s > accounts.session_max_s:
        raise ConfigError("accounts.session_idle_s is at most accounts.session_max_s")


def _check_oauth(settings: Settings) -> None:
    oauth = settings.oauth
    if oauth.issuer is not None:
        _check_issuer(oauth.issuer, "oauth.issuer")
    try:
        parse_scopes(oauth.external_scopes)
    except ScopeUnknown as error:
        raise ConfigError(f"oauth.external_scopes: {error}") from error
    if oauth.external_issuer is None:
        return
    if oauth.external_issuer.rstrip("/") == settings.issuer:
        raise ConfigError("oauth.external_issuer is another than oauth.issuer")
    if oauth.external_audience is None:
        # A token that was given to somebody for something else is none for us.
        raise ConfigError("oauth.external_audience is needed with oauth.external_issuer")
    if (oauth.external_jwks_uri is None) == (oauth.external_jwks_file is None):
        raise ConfigError("oauth.external_issuer needs external_jwks_uri or external_jwks_file")
    if oauth.external_jwks_uri is not None:
        parts = urlsplit(oauth.external_jwks_uri)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError("oauth.external_jwks_uri must be https://HOST/PATH")


def _check_issuer(text: str, name: str) -> None:
    # RFC 8414 2; a path would move the addresses at which clients look for what is told of it.
    try:
        parts = urlsplit(text)
        is_issuer = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_issuer = False
    if not is_issuer or parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise ConfigError(f"{name} must be https://HOST[:PORT]")


def _check_support(support: SupportSettings) -> None:
    for name in ("desk_email", "operator_email"):
        try:
            parse_email(getattr(support, name))
        except EmailError as error:
            raise ConfigError(f"support.{name} is no address of mail") from error
    try:
        ZoneInfo(support.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError("support.time_zone must be one like Asia/Shanghai") from error
    try:
        opens, closes = map(time.fromisoformat, (support.opens, support.closes))
    except ValueError as error:
        raise ConfigError("support.opens and support.closes are HH:MM") from error
    if opens >= closes:
        raise ConfigError("support.opens must be before support.closes")
    try:
        for day in support.holidays:
            date.fromisoformat(day)
    except ValueError as error:
        raise ConfigError("support.holidays are YYYY-MM-DD each") from error


def _check_webrtc(media: MediaSettings) -> None:
    if media.webrtc_port_max - media.webrtc_port_min + 1 < WEBRTC_PORTS_MIN:
        raise ConfigError(
            f"media.webrtc_port_max must be at least media.webrtc_port_min + {WEBRTC_PORTS_MIN - 1}"
        )
    if not media.webrtc:
        return
    overlaps = media.webrtc_port_min <= media.port_max and media.port_min <= media.webrtc_port_max
    if media.driver == "rtpio" and overlaps:
        raise ConfigError("the ports of media.webrtc are others than those of the relay")
    if media.codecs == ("OPUS",):
        raise ConfigError("media.webrtc needs a codec besides OPUS")
    if media.webrtc_stun is not None and _HOST_AND_PORT.fullmatch(media.webrtc_stun) is None:
        raise ConfigError("media.webrtc_stun is HOST:PORT")


def _check_sip(sip: SipSettings) -> None:
    if sip.tls_port is not None and not (sip.tls_certificate_file and sip.tls_key_file):
        raise ConfigError("sip.tls_port needs sip.tls_certificate_file and sip.tls_key_file")
    if sip.v6_host is not None and ":" in sip.host:
        raise ConfigError("sip.v6_host is for where sip.host is of IPv4")
    if sip.v6_host == "::" and sip.v6_advertised_host is None:
        raise ConfigError("sip.v6_advertised_host is needed where sip.v6_host is ::")
    for server in sip.name_servers:
        parse_name_server(server)


@dataclass(frozen=True, slots=True)
class RelayNodeSettings:
    """One rtpengine of the fleet."""

    address: tuple[str, int]
    weight: int = 1
    is_drained: bool = False

    @property
    def name(self) -> str:
        return f"{self.address[0]}:{self.address[1]}"


def parse_relay_node(text: str) -> RelayNodeSettings:
    """`ADDRESS:PORT`, perhaps with `;weight=N` and `;drained`. Raises ConfigError."""
    address, *options = text.split(";")
    host, _, port = address.rpartition(":")
    weight, is_drained = 1, False
    try:
        for option in options:
            if option == "drained":
                is_drained = True
            elif option.startswith("weight="):
                weight = int(option.removeprefix("weight="))
            else:
                raise ValueError(option)
        node = RelayNodeSettings((str(IPv4Address(host)), int(port)), weight, is_drained)
    except ValueError as error:
        raise ConfigError("media.rtpengine is ADDRESS:PORT[;weight=N][;drained]") from error
    if not 1 <= node.address[1] <= _PORT_MAX or not 1 <= weight <= NODE_WEIGHT_MAX:
        raise ConfigError("media.rtpengine: a port or a weight is out of range")
    return node


def parse_name_server(text: str) -> tuple[str, int]:
    """`HOST:PORT` or `[IPV6]:PORT` of a literal address. Raises ConfigError."""
    host, _, port = text.rpartition(":")
    try:
        return str(ip_address(host.strip("[]"))), int(port)
    except ValueError as error:
        raise ConfigError("a name server is ADDRESS:PORT") from error
