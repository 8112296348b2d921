"""What pages need beside calls and their ledger: people who look, and something to look at.

A filler is given the ground that `bench.scale` built, once; a further part of the console adds one
to FILLERS. Enterprise 0 is the large one, the last one is small, and both have the same things.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

import uuid_utils
from sqlalchemy import Engine, delete, insert, select

from clicktodial.accounts.password import hash_password
from clicktodial.accounts.person import PersonState
from clicktodial.accounts.session import TOKEN_PREFIX
from clicktodial.accounts.token import create_token, hash_token
from clicktodial.bench.estate import EstateSize, furnish
from clicktodial.bench.scale import ScaleOptions, enterprise_name
from clicktodial.config import Settings
from clicktodial.domain.call import CallState
from clicktodial.domain.event import CallStatus, StatusEvent
from clicktodial.domain.identifier import AppId, CallId
from clicktodial.domain.principal import Role
from clicktodial.storage import people_table, table
from clicktodial.storage.administration import Administration, NewApplication
from clicktodial.storage.event_codec import encode_event
from clicktodial.storage.instant import to_millis
from clicktodial.storage.secret import SecretVault, load_master_key
from clicktodial.storage.transaction import Transactions

# Those under way, of all enterprises in turn.
OPEN_CALLS = 300
# The newest calls of those who look have their events.
_TOLD_CALLS = 100
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who opens pages; `enterprise_id` None: of the operator's people."""

    name: str
    role: Role
    enterprise_id: str | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """The database, and what is in it."""

    engine: Engine
    vault: SecretVault
    options: ScaleOptions
    now: datetime

    @property
    def transactions(self) -> Transactions:
        return Transactions(self.engine)

    @property
    def lookers(self) -> list[str]:
        """The enterprises whose people look."""
        return [enterprise_name(0), enterprise_name(self.options.enterprises - 1)]


Filler: TypeAlias = Callable[[Ground], None]


def list_visitors(options: ScaleOptions) -> list[Visitor]:
    """All who look."""
    return [
        Visitor("large", Role.OWNER, enterprise_name(0)),
        Visitor("small", Role.OWNER, enterprise_name(options.enterprises - 1)),
        Visitor("operator", Role.OPERATOR),
        Visitor("support", Role.SUPPORT),
        Visitor("manager", Role.ACCOUNT_MANAGER),
        Visitor("reviewer", Role.REVIEWER),
    ]


def prepare(
    settings: Settings, engine: Engine, options: ScaleOptions, now: datetime
) -> dict[str, str]:
    """Fill what is not filled yet; returns the token of a session of each visitor."""
    ground = Ground(engine, SecretVault(load_master_key(settings)), options, now)
    person = people_table.person.c
    with engine.connect() as connection:
        is_filled = connection.scalar(select(person.id).limit(1)) is not None
    if not is_filled:
        for fill in FILLERS:
            fill(ground)
    return _begin_sessions(ground)


def add_applications(ground: Ground) -> None:
    """Two of each enterprise, which its calls are of."""
    administration = Administration(ground.engine, ground.vault, region="CN")
    for number in range(ground.options.enterprises):
        for suffix in ("", "-2"):
            administration.create_application(
                NewApplication(
                    app_id=f"app-{number}{suffix}",
                    name=f"Application {number}{suffix}",
                    enterprise_id=enterprise_name(number),
                    sponsors=(f"+8610526{number:05}",) if not suffix else (),
                    notify_url=f"https://application-{number}.example",
                )
            )


def add_open_calls(ground: Ground) -> None:
    """Of a node that is alive: it will be so for as long as anybody measures."""
    with ground.engine.begin() as connection:
        node = {"id": "node", "started_at": ground.now, "heartbeat_at": ground.now + 365 * _DAY}
        connection.execute(insert(table.node).values(node))
        rows = []
        for number in range(OPEN_CALLS):
            enterprise = 0 if number % 10 == 0 else number % ground.options.enterprises
            begun_at = ground.now - timedelta(seconds=number)
            written = f"8613{number:09}"
            rows.append(
                {
                    "id": f"{to_millis(begun_at):012x}7{number:019x}",
                    "node_id": "node", "app_id": f"app-{enterprise}",
                    "sponsor_e164": f"+8610526{enterprise:05}",
                    "sponsor_written": f"010526{enterprise:05}",
                    "caller_e164": f"+{written}", "caller_written": written,
                    "callee_e164": f"+86139{number:08}", "callee_written": f"86139{number:08}",
                    "begun_at": begun_at, "connected_at": begun_at, "duration_s": 0,
                    "state": CallState.CONNECTED, "event_count": 3,
                }
            )  # fmt: skip
        connection.execute(insert(table.call), rows)


def add_events(ground: Ground) -> None:
    """What was told of the newest calls of those who look."""
    call = table.call.c
    for enterprise_id in ground.lookers:
        number = enterprise_id.removeprefix("e-")
        query = (
            select(call.id, call.app_id, call.begun_at, call.sponsor_written, call.caller_written,
                   call.callee_written)
            .where(call.app_id == f"app-{number}")
            .order_by(call.begun_at.desc()).limit(_TOLD_CALLS)
        )  # fmt: skip
        with ground.engine.begin() as connection:
            rows = [
                {
                    "call_id": row.id, "seq": seq, "app_id": row.app_id, "status": status,
                    "occurred_at": row.begun_at, "delivery_state": "delivered", "attempts": 1,
                    "delivered_at": row.begun_at,
                    "payload": encode_event(
                        StatusEvent(
                            CallId(row.id), seq, AppId(row.app_id), status, row.begun_at,
                            row.sponsor_written, row.caller_written, row.callee_written,
                        )
                    ),
                }
                for row in connection.execute(query)
                for seq, status in enumerate(
                    (CallStatus.CALLING_CALLER, CallStatus.CALLING_CALLEE, CallStatus.CONNECTED), 1
                )
            ]  # fmt: skip
            if rows:
                connection.execute(insert(table.call_event), rows)


def add_people(ground: Ground) -> None:
    """The visitors. It comes last: whoever finds them finds the rest, too."""
    password_hash = hash_password("nobody logs in with this")
    with ground.engine.begin() as connection:
        for visitor in list_visitors(ground.options):
            row = {
                "id": f"bench-{visitor.name}", "account": f"bench-{visitor.name}",
                "email": f"{visitor.name}@bench.example", "enterprise_id": visitor.enterprise_id,
                "roles": visitor.role.value, "regions": "", "state": PersonState.ACTIVE,
                "password_hash": password_hash, "is_totp_on": False, "totp_step": 0,
                "created_at": ground.now,
            }  # fmt: skip
            connection.execute(insert(people_table.person).values(row))


def add_estate(ground: Ground) -> None:
    """What people look at besides calls."""
    options = ground.options
    size = EstateSize.for_enterprises(options.enterprises, options.members)
    password = secrets.token_urlsafe()  # sessions are begun without one
    furnish(ground.engine, size, ground.vault, password=password, now=ground.now)


FILLERS: Sequence[Filler] = (
    add_applications,
    add_open_calls,
    add_events,
    add_estate,
    add_people,
)


def _begin_sessions(ground: Ground) -> dict[str, str]:
    session, tokens = people_table.session, {}
    with ground.engine.begin() as connection:
        connection.execute(delete(session).where(session.c.address == "bench"))
        for visitor in list_visitors(ground.options):
            token = create_token(TOKEN_PREFIX)
            row = {
                "id": uuid_utils.uuid7().hex, "token_hash": hash_token(token),
                "person_id": f"bench-{visitor.name}", "created_at": ground.now,
                "seen_at": ground.now, "expires_at": ground.now + _DAY, "address": "bench",
            }  # fmt: skip
            connection.execute(insert(session).values(row))
            tokens[visitor.name] = token
    return tokens
