"""How somebody becomes a user: they register, are invited, or are made by the operator; and then
follow the link in a mail, by which they choose a password.

What is answered to a registration is the same whether the account or the address is taken or not:
that is told in the mail, to whoever owns the address.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import uuid_utils
from sqlalchemy import Connection, Row, delete, func, insert, select

from clicktodial.accounts.attempt import Subject, attempt_transaction, count_attempts
from clicktodial.accounts.contact import check_region
from clicktodial.accounts.error import RegistrationClosed
from clicktodial.accounts.letter import Letters
from clicktodial.accounts.password import hash_checked
from clicktodial.accounts.person import (
    TEAM_MAX,
    Person,
    PersonState,
    check_account,
    check_email,
    check_phone,
    check_regions,
    check_roles,
    decode_roles,
    encode_words,
    find_row,
    person_of,
    phone_place,
)
from clicktodial.accounts.scope import require_visible
from clicktodial.accounts.token import create_token, hash_token
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.principal import Principal, Role
from clicktodial.domain.throttle import (
    MAIL_FROM_ADDRESS,
    MAIL_FROM_ENTERPRISE,
    MAIL_TO_ADDRESS,
    network_of,
)
from clicktodial.domain.wording import worded
from clicktodial.storage import people_table as table
from clicktodial.storage.enterprise_row import insert_enterprise
from clicktodial.storage.error import Conflict, NotFound, NotPermitted, ValueInvalid
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions
from clicktodial.storage.value import check_name

LINK_LIFE = timedelta(hours=24)
# Of one address at a time, by registrations or by invitations of one enterprise: an older link ends
# when there are more, and nobody ends those that another asked for.
LINKS_PER_EMAIL_MAX = 3
# Some 50 MB. Beyond it the oldest links end, which nobody follows by then.
ENROLMENTS_MAX = 100_000
TOKEN_PREFIX = "a_"
_columns = table.enrolment.c


class EnrolmentKind(StrEnum):
    """How somebody came."""

    REGISTRATION = "registration"
    INVITATION = "invitation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Somebody who was invited and has not come yet."""

    invitation_id: str
    email: str
    enterprise_id: str | None
    roles: frozenset[Role]
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedInvitation:
    """An invitation, and its token, which is told by mail, and else to the shell alone."""

    invitation: Invitation
    token: str

    def __repr__(self) -> str:
        return f"CreatedInvitation({self.invitation!r})"


class Enrolments:
    """What leads to new users. All methods block; they raise AdministrationError and
    DatabaseUnavailable, and then nothing was changed."""

    def __init__(
        self,
        transactions: Transactions,
        vault: SecretVault,
        letters: Letters,
        *,
        region: str,
        is_open: bool = True,
    ) -> None:
        """`region` is that of telephone numbers; only where it `is_open` may anybody register."""
        self._transactions = transactions
        self._vault = vault
        self._letters = letters
        self._region = region
        self._is_open = is_open

    def register(
        self,
        *,
        account: str,
        email: str,
        phone: str,
        enterprise_name: str,
        enterprise_region: str | None,
        address: str,
        now: datetime,
    ) -> None:
        """Somebody registers for an enterprise of their own (click-to-dial-v1 2, 1.(1)a), from a
        network address. Raises TooManyAttempts, RegistrationClosed or ValueInvalid."""
        if not self._is_open:
            raise RegistrationClosed
        name, to = check_account(account), check_email(email)
        number = check_phone(phone, self._region)
        check_name(enterprise_name)
        region = None if enterprise_region is None else check_region(enterprise_region)
        with attempt_transaction(self._transactions) as connection:
            count_attempts(
                connection,
                [
                    Subject("mail-from", network_of(address), MAIL_FROM_ADDRESS),
                    Subject("mail-to", to, MAIL_TO_ADDRESS),
                ],
                now,
            )
            known = _find_taken(connection, name, to)
            if known is not None and known.email == to:
                self._letters.send_already_registered(
                    connection, to=to, account=known.account, now=now
                )
            elif known is not None:
                self._letters.send_account_taken(connection, to=to, account=name, now=now)
            else:
                self._enrol(
                    connection,
                    kind=EnrolmentKind.REGISTRATION,
                    account=name,
                    email=to,
                    phone=number,
                    enterprise_name=enterprise_name,
                    region=region,
                    roles=frozenset({Role.OWNER}),
                    created_by="",
                    now=now,
                )

    def invite(
        self,
        principal: Principal,
        *,
        email: str,
        roles: Iterable[Role],
        enterprise_id: str | None,
        regions: Iterable[str] = (),
        account: str | None = None,
        now: datetime,
    ) -> CreatedInvitation:
        """Somebody is asked into an enterprise; into the operator's staff, where that is None.

        Whether the address has an account already is not told: whoever follows the link learns it.
        Raises NotFound, NotPermitted, ValueInvalid, Conflict where a team is full, and for a
        customer's people TooManyAttempts.
        """
        to = check_email(email)
        name = None if account is None else check_account(account)
        given = check_roles(roles, enterprise_id=enterprise_id)
        if enterprise_id is not None and regions:
            raise ValueInvalid("regions are for account managers")
        where = check_regions(regions, roles=given)
        if enterprise_id is None and Role.OPERATOR not in principal.roles:
            raise NotPermitted
        with attempt_transaction(self._transactions) as connection:
            if enterprise_id is not None:
                require_visible(connection, principal, enterprise_id)
                _require_room(connection, enterprise_id, now)
            if principal.enterprise_id is not None:
                count_attempts(connection, _invitation_subjects(principal.enterprise_id, to), now)
            return self._enrol(
                connection,
                kind=EnrolmentKind.INVITATION,
                account=name,
                email=to,
                enterprise_id=enterprise_id,
                roles=given,
                regions=where,
                created_by=principal.name,
                now=now,
            )

    def activate(
        self,
        token: str,
        *,
        password: str,
        account: str | None = None,
        phone: str | None = None,
        now: datetime,
    ) -> Person:
        """Whoever got the link makes the account. An `account` that is given is the one chosen.

        Raises NotFound where the link is none, was used or has expired, ValueInvalid, and
        AlreadyExists where the account or the address was taken meanwhile.
        """
        with self._transactions.read() as connection:
            row = _find_link(connection, token, now)
        chosen = row.account if account is None else check_account(account)
        if chosen is None:
            raise ValueInvalid("choose an account")
        number = None if phone is None else check_phone(phone, self._region)
        password_hash = hash_checked(password, account=chosen, email=row.email)
        with self._transactions.change(
            "the account is taken, or the address has one", concerns_calls=False
        ) as connection:
            gone = connection.execute(delete(table.enrolment).where(_columns.id == row.id))
            if gone.rowcount == 0:
                raise NotFound("there is no such link")
            return self._create_person(connection, row, chosen, number, password_hash, now)

    def list_invitations(self, *, enterprise_id: str | None, now: datetime) -> list[Invitation]:
        """Those that are open, of an enterprise or of the operator's staff."""
        query = (
            select(table.enrolment)
            .where(
                _columns.kind == EnrolmentKind.INVITATION,
                _columns.enterprise_id == enterprise_id
                if enterprise_id is not None
                else _columns.enterprise_id.is_(None),
                _columns.expires_at > now,
            )
            .order_by(_columns.id)
            .limit(TEAM_MAX)
        )
        with self._transactions.read() as connection:
            return [_invitation(row) for row in connection.execute(query)]

    def revoke(self, invitation_id: str, *, enterprise_id: str) -> None:
        """An invitation holds no longer. Raises NotFound, also for another enterprise's."""
        with self._transactions.change(concerns_calls=False) as connection:
            gone = connection.execute(
                delete(table.enrolment).where(
                    _columns.id == invitation_id,
                    _columns.kind == EnrolmentKind.INVITATION,
                    _columns.enterprise_id == enterprise_id,
                )
            )
            if gone.rowcount == 0:
                raise NotFound("there is no such invitation")

    def _enrol(
        self,
        connection: Connection,
        *,
        kind: EnrolmentKind,
        account: str | None,
        email: str,
        roles: frozenset[Role],
        created_by: str,
        now: datetime,
        phone: str | None = None,
        enterprise_id: str | None = None,
        enterprise_name: str | None = None,
        region: str | None = None,
        regions: frozenset[str] = frozenset(),
    ) -> CreatedInvitation:
        enrolment_id, token = uuid_utils.uuid7().hex, create_token(TOKEN_PREFIX)
        _drop_expired(connection, now)
        _drop_surplus(connection, email, kind, enterprise_id)
        row = {
            "id": enrolment_id,
            "token_hash": hash_token(token),
            "kind": kind,
            "account": account,
            "email": email,
            "phone_encrypted": self._seal_phone(phone, enrolment_id),
            "enterprise_id": enterprise_id,
            "enterprise_name": enterprise_name,
            "region": region,
            "roles": encode_words(roles),
            "regions": encode_words(regions),
            "created_by": created_by,
            "created_at": now,
            "expires_at": now + LINK_LIFE,
        }
        connection.execute(insert(table.enrolment).values(row))
        known = _find_by_email(connection, email)
        if known is None:
            self._letters.send_activation(
                connection, to=email, account=account, token=token, now=now
            )
        else:
            self._letters.send_already_registered(
                connection, to=email, account=known.account, now=now
            )
        invitation = Invitation(
            invitation_id=enrolment_id,
            email=email,
            enterprise_id=enterprise_id,
            roles=roles,
            created_at=now,
            expires_at=now + LINK_LIFE,
        )
        return CreatedInvitation(invitation=invitation, token=token)

    def _seal_phone(self, phone: str | None, row_id: str) -> bytes | None:
        return None if phone is None else self._vault.seal(phone.encode(), phone_place(row_id))

    def _create_person(
        self,
        connection: Connection,
        row: Row[Any],
        account: str,
        phone: str | None,
        password_hash: str,
        now: datetime,
    ) -> Person:
        person_id = uuid_utils.uuid7().hex
        enterprise_id = row.enterprise_id
        if row.kind == EnrolmentKind.REGISTRATION:
            enterprise_id = uuid_utils.uuid7().hex
            insert_enterprise(
                connection,
                enterprise_id,
                name=row.enterprise_name,
                state=EnterpriseState.PROSPECT,
                region=row.region,
            )
        if phone is None and row.phone_encrypted is not None:
            phone = self._vault.open(row.phone_encrypted, phone_place(row.id)).decode()
        values = {
            "id": person_id,
            "account": account,
            "email": row.email,
            "phone_encrypted": self._seal_phone(phone, person_id),
            "enterprise_id": enterprise_id,
            "roles": row.roles,
            "regions": row.regions,
            "state": PersonState.ACTIVE,
            "password_hash": password_hash,
            "is_totp_on": False,
            "totp_step": 0,
            "created_at": now,
        }
        connection.execute(insert(table.person).values(values))
        return person_of(find_row(connection, person_id))


def _find_by_email(connection: Connection, email: str) -> Row[Any] | None:
    query = select(table.person).where(table.person.c.email == email)
    return connection.execute(query).first()


def _find_taken(connection: Connection, account: str, email: str) -> Row[Any] | None:
    """Whoever has the address, before whoever has the account."""
    query = select(table.person).where(table.person.c.account == account)
    return _find_by_email(connection, email) or connection.execute(query).first()


def _find_link(connection: Connection, token: str, now: datetime) -> Row[Any]:
    query = select(table.enrolment).where(
        _columns.token_hash == hash_token(token), _columns.expires_at > now
    )
    row = connection.execute(query).first()
    if row is None:
        raise NotFound("there is no such link")
    return row


def _invitation_subjects(enterprise_id: str, email: str) -> list[Subject]:
    """Not those of registrations: whoever registers an address must not hold up a team."""
    return [
        Subject("invite-from", enterprise_id, MAIL_FROM_ENTERPRISE),
        Subject("invite-to", f"{enterprise_id}:{email}", MAIL_TO_ADDRESS),
    ]


def _require_room(connection: Connection, enterprise_id: str, now: datetime) -> None:
    people = select(func.count()).where(table.person.c.enterprise_id == enterprise_id)
    invited = select(func.count()).where(
        _columns.enterprise_id == enterprise_id, _columns.expires_at > now
    )
    count = connection.execute(people).scalar_one() + connection.execute(invited).scalar_one()
    if count >= TEAM_MAX:
        raise Conflict(worded("a team has at most %(most)s users and invitations", most=TEAM_MAX))


def _drop_surplus(
    connection: Connection, email: str, kind: EnrolmentKind, enterprise_id: str | None
) -> None:
    alike = select(_columns.id).where(
        _columns.email == email, _columns.kind == kind, _columns.enterprise_id == enterprise_id
    )
    surplus = alike.order_by(_columns.id.desc()).offset(LINKS_PER_EMAIL_MAX - 1)
    for enrolment_id in connection.execute(surplus).scalars().all():
        connection.execute(delete(table.enrolment).where(_columns.id == enrolment_id))


def _drop_expired(connection: Connection, now: datetime) -> None:
    """And the oldest where there are too many."""
    connection.execute(delete(table.enrolment).where(_columns.expires_at <= now))
    oldest_to_go = (
        select(_columns.expires_at)
        .order_by(_columns.expires_at.desc())
        .offset(ENROLMENTS_MAX - 1)
        .limit(1)
    )
    last = connection.execute(oldest_to_go).scalar()
    if last is not None:
        connection.execute(delete(table.enrolment).where(_columns.expires_at <= last))


def _invitation(row: Row[Any]) -> Invitation:
    return Invitation(
        invitation_id=row.id,
        email=row.email,
        enterprise_id=row.enterprise_id,
        roles=decode_roles(row.roles),
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
