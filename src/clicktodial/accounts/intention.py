"""Intentions to subscribe: submitted online or entered for whoever called the hotline, reserved,
assigned to an account manager of the region, engaged. click-to-dial-v1 2, 1 and "Customer
Engagement"."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import uuid_utils
from sqlalchemy import Connection, Row, select, update
from sqlalchemy import insert as insert_into

from clicktodial.accounts.account_manager import AccountManagers, choose_manager
from clicktodial.accounts.audit import note_access
from clicktodial.accounts.contact import (
    Contact,
    check_contact,
    check_note,
    check_region,
    check_text,
    decode_contact,
    encode_contact,
)
from clicktodial.accounts.notice import contact_place
from clicktodial.accounts.scope import require_visible, visible_enterprises
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.intention import (
    LIVE_INTENTIONS,
    IntentionChannel,
    IntentionMove,
    IntentionState,
    IntentionStateError,
    move_intention,
)
from clicktodial.domain.principal import Principal, Role
from clicktodial.domain.wording import worded, words_of
from clicktodial.storage import table
from clicktodial.storage.business_table import REASON_CHARACTERS_MAX, intention
from clicktodial.storage.enterprise_row import insert_enterprise
from clicktodial.storage.error import Conflict, NotFound, NotPermitted, ValueInvalid
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions

# A page of an API, and the one more that tells whether there is another.
INTENTIONS_PAGE_MAX = 101
# Who answers the hotline, and who may see to what came of it.
ENTERING_ROLES = frozenset({Role.ACCOUNT_MANAGER, Role.SUPPORT, Role.OPERATOR})
MANAGING_ROLES = frozenset({Role.ACCOUNT_MANAGER, Role.OPERATOR})
_columns = intention.c


@dataclass(frozen=True, slots=True, kw_only=True)
class NewIntention:
    """What whoever is interested says."""

    enterprise_name: str
    region: str
    contact: Contact
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intention:
    """One intention. `contact` is known only where one is shown by itself."""

    intention_id: str
    enterprise_id: str
    enterprise_name: str
    region: str
    channel: IntentionChannel
    note: str
    state: IntentionState
    account_manager: str | None
    submitted_by: str
    submitted_at: datetime
    changed_by: str
    changed_at: datetime
    reason: str | None
    contact: Contact | None = field(default=None, repr=False)


class Intentions:
    """What people do with intentions. All methods raise AdministrationError."""

    def __init__(
        self,
        transactions: Transactions,
        vault: SecretVault,
        managers: AccountManagers,
        *,
        default_region: str,
    ) -> None:
        """`default_region` is the country in which telephone numbers are read."""
        self._transactions = transactions
        self._vault = vault
        self._managers = managers
        self._default_region = default_region

    def submit(self, principal: Principal, new: NewIntention, *, now: datetime) -> Intention:
        """By a registered customer for the own enterprise, or by the operator's people for one
        who called; reserves the opportunity, and assigns it where the region has a manager."""
        new = self._check(new)
        with self._transactions.change(
            "the enterprise has an intention already", concerns_calls=False
        ) as connection:
            if principal.enterprise_id is not None:
                enterprise_id = self._take_own(connection, principal, new)
                channel = IntentionChannel.PORTAL
            else:
                enterprise_id = self._make_prospect(connection, principal, new)
                channel = IntentionChannel.HOTLINE
            intention_id = self._insert(connection, principal, new, enterprise_id, channel, now)
            manager = choose_manager(connection, self._managers, new.region)
            if manager is not None:
                self._assign(connection, intention_id, manager, by=principal.name, now=now)
            return _intention_of(_find(connection, intention_id))

    def list_intentions(
        self,
        principal: Principal,
        *,
        states: frozenset[IntentionState] = frozenset(),
        account_manager: str | None = None,
        region: str | None = None,
        enterprise_id: str | None = None,
        after: str | None = None,
        limit: int = INTENTIONS_PAGE_MAX,
    ) -> list[Intention]:
        """Those that the principal may see, oldest first, beginning behind `after`; without
        their contacts."""
        query = (
            select(intention)
            .join(table.enterprise, table.enterprise.c.id == _columns.enterprise_id)
            .where(visible_enterprises(principal))
        )
        if states:
            query = query.where(_columns.state.in_(sorted(states)))
        if account_manager is not None:
            query = query.where(_columns.account_manager == account_manager)
        if region is not None:
            query = query.where(_columns.region == region)
        if enterprise_id is not None:
            query = query.where(_columns.enterprise_id == enterprise_id)
        if after is not None:
            query = query.where(_columns.id > after)
        query = query.order_by(_columns.id).limit(min(limit, INTENTIONS_PAGE_MAX))
        with self._transactions.read() as connection:
            return [_intention_of(row) for row in connection.execute(query)]

    def show(self, principal: Principal, intention_id: str, *, now: datetime) -> Intention:
        """One, with its contact; that it was read is noted."""
        with self._transactions.change(concerns_calls=False) as connection:
            row = _require(connection, principal, intention_id)
            if principal.enterprise_id is None:
                note_access(
                    connection,
                    principal=principal,
                    operation="readIntentionContact",
                    subjects={"intention_id": intention_id},
                    enterprise_id=row.enterprise_id,
                    now=now,
                )
            return _intention_of(row, self._contact_of(row))

    def find_managers(self, principal: Principal, intention_id: str) -> Sequence[str]:
        """Whom it may be given to: the account managers of its region."""
        _require_manager(principal)
        with self._transactions.read() as connection:
            return self._managers_of(
                connection, principal, _require(connection, principal, intention_id)
            )

    def assign(
        self, principal: Principal, intention_id: str, *, account_manager: str, now: datetime
    ) -> Intention:
        """Give it, and the enterprise with it, to another account manager of its region."""
        _require_manager(principal)
        with self._transactions.change(concerns_calls=False) as connection:
            row = _require(connection, principal, intention_id)
            if account_manager not in self._managers_of(connection, principal, row):
                raise ValueInvalid("the region has no such account manager")
            self._assign(connection, intention_id, account_manager, by=principal.name, now=now)
            return _intention_of(_find(connection, intention_id))

    def engage(self, principal: Principal, intention_id: str, *, now: datetime) -> Intention:
        """The account manager has taken up the talk with the customer."""
        _require_manager(principal)
        return self._move(principal, intention_id, IntentionMove.ENGAGE, reason=None, now=now)

    def decline(
        self, principal: Principal, intention_id: str, *, reason: str, now: datetime
    ) -> Intention:
        """The operator does not want it, and says why."""
        _require_manager(principal)
        reason = check_note(
            reason, "the reason", characters_max=REASON_CHARACTERS_MAX, is_required=True
        )
        return self._move(principal, intention_id, IntentionMove.DECLINE, reason=reason, now=now)

    def withdraw(
        self, principal: Principal, intention_id: str, *, reason: str, now: datetime
    ) -> Intention:
        """The customer wants it no longer, and says so here or on the telephone."""
        reason = check_note(reason, "the reason", characters_max=REASON_CHARACTERS_MAX)
        return self._move(principal, intention_id, IntentionMove.WITHDRAW, reason=reason, now=now)

    def _managers_of(
        self, connection: Connection, principal: Principal, row: Row[Any]
    ) -> Sequence[str]:
        # Where it is now: a modification may have moved the enterprise since.
        enterprise = require_visible(connection, principal, row.enterprise_id)
        return self._managers.find(connection, enterprise.region or row.region)

    def _check(self, new: NewIntention) -> NewIntention:
        return NewIntention(
            enterprise_name=check_text(new.enterprise_name, "the enterprise's name"),
            region=check_region(new.region),
            contact=check_contact(new.contact, self._default_region),
            note=check_note(new.note, "the note", characters_max=REASON_CHARACTERS_MAX),
        )

    def _take_own(self, connection: Connection, principal: Principal, new: NewIntention) -> str:
        """The customer's own enterprise, under the name and in the region that it gives; whoever
        took care of it in another one does not see it any more."""
        enterprise_id = principal.enterprise_id
        assert enterprise_id is not None
        row = require_visible(connection, principal, enterprise_id)
        if EnterpriseState(row.state) is not EnterpriseState.PROSPECT:
            raise Conflict(worded("the enterprise is %(state)s", state=EnterpriseState(row.state)))
        connection.execute(
            update(table.enterprise)
            .where(table.enterprise.c.id == enterprise_id)
            .values(name=new.enterprise_name, region=new.region, account_manager=None)
        )
        return enterprise_id

    def _make_prospect(
        self, connection: Connection, principal: Principal, new: NewIntention
    ) -> str:
        if not principal.has_any(ENTERING_ROLES):
            raise NotPermitted
        enterprise_id = uuid_utils.uuid7().hex
        if not principal.may_see_enterprise(enterprise_id, new.region):
            raise NotPermitted("the region is not one of yours")
        insert_enterprise(
            connection,
            enterprise_id,
            name=new.enterprise_name,
            state=EnterpriseState.PROSPECT,
            region=new.region,
        )
        return enterprise_id

    def _insert(
        self,
        connection: Connection,
        principal: Principal,
        new: NewIntention,
        enterprise_id: str,
        channel: IntentionChannel,
        now: datetime,
    ) -> str:
        intention_id = uuid_utils.uuid7().hex
        sealed = self._vault.seal(encode_contact(new.contact), contact_place(intention_id))
        row = {
            "id": intention_id,
            "enterprise_id": enterprise_id,
            "enterprise_name": new.enterprise_name,
            "region": new.region,
            "channel": channel.value,
            "contact_encrypted": sealed,
            "note": new.note,
            "state": IntentionState.RESERVED.value,
            "submitted_by": principal.name,
            "submitted_at": now,
            "changed_by": principal.name,
            "changed_at": now,
        }
        connection.execute(insert_into(intention).values(row))
        return intention_id

    def _assign(
        self, connection: Connection, intention_id: str, manager: str, *, by: str, now: datetime
    ) -> None:
        row = _move_row(
            connection, intention_id, IntentionMove.ASSIGN, by=by, now=now, account_manager=manager
        )
        connection.execute(
            update(table.enterprise)
            .where(table.enterprise.c.id == row.enterprise_id)
            .values(account_manager=manager)
        )

    def _move(
        self,
        principal: Principal,
        intention_id: str,
        move: IntentionMove,
        *,
        reason: str | None,
        now: datetime,
    ) -> Intention:
        with self._transactions.change(concerns_calls=False) as connection:
            _require(connection, principal, intention_id)
            _move_row(connection, intention_id, move, by=principal.name, now=now, reason=reason)
            return _intention_of(_find(connection, intention_id))

    def _contact_of(self, row: Row[Any]) -> Contact | None:
        if not row.contact_encrypted:
            return None  # erased after the end of the enterprise
        place = contact_place(row.id)
        return decode_contact(self._vault.open(row.contact_encrypted, place))


def find_live_intention(connection: Connection, enterprise_id: str) -> Intention | None:
    """The enterprise's intention that is under way, or None."""
    query = select(intention).where(
        _columns.enterprise_id == enterprise_id, _columns.state.in_(sorted(LIVE_INTENTIONS))
    )
    row = connection.execute(query).first()
    return None if row is None else _intention_of(row)


def _require_manager(principal: Principal) -> None:
    if not principal.has_any(MANAGING_ROLES):
        raise NotPermitted


def _find(connection: Connection, intention_id: str) -> Row[Any]:
    row = connection.execute(select(intention).where(_columns.id == intention_id)).first()
    if row is None:
        raise NotFound(worded("there is no intention %(intention_id)s", intention_id=intention_id))
    return row


def _require(connection: Connection, principal: Principal, intention_id: str) -> Row[Any]:
    row = _find(connection, intention_id)
    try:
        require_visible(connection, principal, row.enterprise_id)
    except NotFound as error:
        raise NotFound(
            worded("there is no intention %(intention_id)s", intention_id=intention_id)
        ) from error
    return row


def _move_row(
    connection: Connection,
    intention_id: str,
    move: IntentionMove,
    *,
    by: str,
    now: datetime,
    **values: Any,
) -> Row[Any]:
    row = _find(connection, intention_id)
    state = IntentionState(row.state)
    try:
        following = move_intention(state, move)
    except IntentionStateError as error:
        raise Conflict(words_of(error)) from error
    change = (
        update(intention)
        .where(_columns.id == intention_id, _columns.state == state.value)
        .values(state=following.value, changed_by=by, changed_at=now, **values)
    )
    if connection.execute(change).rowcount == 0:
        raise Conflict("somebody else was quicker")
    return row


def _intention_of(row: Row[Any], contact: Contact | None = None) -> Intention:
    return Intention(
        intention_id=row.id,
        enterprise_id=row.enterprise_id,
        enterprise_name=row.enterprise_name,
        region=row.region,
        channel=IntentionChannel(row.channel),
        note=row.note,
        state=IntentionState(row.state),
        account_manager=row.account_manager,
        submitted_by=row.submitted_by,
        submitted_at=row.submitted_at,
        changed_by=row.changed_by,
        changed_at=row.changed_at,
        reason=row.reason,
        contact=contact,
    )
