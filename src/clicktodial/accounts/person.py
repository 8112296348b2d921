"""People: whoever logs in. Each belongs to one enterprise, or to the operator."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, false, select, update

from clicktodial.domain.email import EmailError, parse_email
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.number import NumberError, parse_number
from clicktodial.domain.principal import CUSTOMER_ROLES, STAFF_ROLES, Principal, Role
from clicktodial.domain.wording import worded
from clicktodial.storage import people_table as table
from clicktodial.storage.enterprise_row import read_state
from clicktodial.storage.error import Conflict, NotFound, ValueInvalid
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.table import WORD_CHARACTERS_MAX
from clicktodial.storage.transaction import Transactions
from clicktodial.storage.value import check_identifier

# More people than share one console; a team is read whole.
TEAM_MAX = 200
REGIONS_MAX = 6
LISTED_MAX = 1_000
# What goes with somebody.
_OF_A_PERSON = (table.session, table.password_reset, table.email_change, table.recovery_code)
_columns = table.person.c


class PersonState(StrEnum):
    """Whether somebody may log in."""

    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody, without anything secret."""

    person_id: str
    account: str
    email: str
    enterprise_id: str | None
    roles: frozenset[Role]
    regions: frozenset[str]
    state: PersonState
    has_second_factor: bool
    created_at: datetime
    seen_at: datetime | None

    @property
    def principal(self) -> Principal:
        """As who they ask."""
        return Principal(
            name=self.person_id,
            roles=self.roles,
            enterprise_id=self.enterprise_id,
            regions=self.regions,
        )


def phone_place(row_id: str) -> str:
    """Where a telephone number of somebody stands."""
    return f"person.phone:{row_id}"


def totp_place(person_id: str) -> str:
    """Where the secret of a second factor stands."""
    return f"person.totp_secret:{person_id}"


def check_account(text: str) -> str:
    """The name of an account, in small letters. Raises ValueInvalid."""
    return check_identifier(text, "the account").lower()


def check_email(text: str) -> str:
    """An address of mail. Raises ValueInvalid."""
    try:
        return parse_email(text)
    except EmailError as error:
        raise ValueInvalid("the email is no address that mail can be sent to") from error


def check_phone(text: str, region: str) -> str:
    """A telephone number in E.164. Raises ValueInvalid."""
    try:
        return parse_number(text, region).e164
    except NumberError as error:
        raise ValueInvalid("the phone is not a telephone number") from error


def check_roles(roles: Iterable[Role], *, enterprise_id: str | None) -> frozenset[Role]:
    """Roles of a customer's people, or of the operator's. Raises ValueInvalid."""
    allowed = STAFF_ROLES if enterprise_id is None else CUSTOMER_ROLES
    given = frozenset(roles)
    if not given or not given <= allowed:
        raise ValueInvalid(worded("the roles are one or more of %(names)s", names=sorted(allowed)))
    return given


def check_regions(regions: Iterable[str], *, roles: frozenset[Role]) -> frozenset[str]:
    """Regions of an account manager; none: all. Raises ValueInvalid."""
    given = frozenset(regions)
    if given and Role.ACCOUNT_MANAGER not in roles:
        raise ValueInvalid("regions are for account managers")
    if len(given) > REGIONS_MAX or not all(_is_region(region) for region in given):
        raise ValueInvalid(
            worded(
                "at most %(most)s regions, each of 1-%(characters)s printable characters",
                most=REGIONS_MAX,
                characters=WORD_CHARACTERS_MAX,
            )
        )
    return given


def _is_region(text: str) -> bool:
    return 0 < len(text) <= WORD_CHARACTERS_MAX and text.isprintable() and "," not in text


def encode_words(words: Iterable[str]) -> str:
    """Words as a column keeps them."""
    return ",".join(sorted(words))


def decode_roles(text: str) -> frozenset[Role]:
    """The inverse, for roles."""
    return frozenset(Role(word) for word in text.split(",") if word)


def decode_words(text: str) -> frozenset[str]:
    """The inverse."""
    return frozenset(word for word in text.split(",") if word)


def person_of(row: Row[Any]) -> Person:
    """A row of the table."""
    return Person(
        person_id=row.id,
        account=row.account,
        email=row.email,
        enterprise_id=row.enterprise_id,
        roles=decode_roles(row.roles),
        regions=decode_words(row.regions),
        state=PersonState(row.state),
        has_second_factor=row.is_totp_on,
        created_at=row.created_at,
        seen_at=row.seen_at,
    )


def find_row(connection: Connection, person_id: str) -> Row[Any]:
    """One person's row. Raises NotFound."""
    row = connection.execute(select(table.person).where(_columns.id == person_id)).first()
    if row is None:
        raise NotFound("there is no such user")
    return row


def end_sessions(connection: Connection, person_id: str) -> None:
    """All of somebody's."""
    connection.execute(delete(table.session).where(table.session.c.person_id == person_id))


class People:
    """What is done with people who exist. All methods block; they raise AdministrationError and
    DatabaseUnavailable, and then nothing was changed."""

    def __init__(self, transactions: Transactions, vault: SecretVault, *, region: str) -> None:
        self._transactions = transactions
        self._vault = vault
        self._region = region

    def show(self, person_id: str) -> Person:
        """Somebody. Raises NotFound."""
        with self._transactions.read() as connection:
            return person_of(find_row(connection, person_id))

    def find(self, account: str) -> Person:
        """Somebody by the account or the address. Raises NotFound."""
        query = select(table.person).where(is_named(account))
        with self._transactions.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound("there is no such user")
        return person_of(row)

    def phone(self, person_id: str) -> str | None:
        """Somebody's telephone number. Raises NotFound."""
        with self._transactions.read() as connection:
            sealed = find_row(connection, person_id).phone_encrypted
        return None if sealed is None else self._vault.open(sealed, phone_place(person_id)).decode()

    def set_phone(self, person_id: str, phone: str) -> None:
        """Another number. Raises NotFound or ValueInvalid."""
        number = check_phone(phone, self._region)
        sealed = self._vault.seal(number.encode(), phone_place(person_id))
        with self._transactions.change(concerns_calls=False) as connection:
            find_row(connection, person_id)
            _update(connection, person_id, {"phone_encrypted": sealed})

    def list_people(
        self, *, limit: int, enterprise_id: str | None = None, after: str | None = None
    ) -> list[Person]:
        """By age, at most LISTED_MAX; of one enterprise alone; those `after` somebody."""
        query = select(table.person).order_by(_columns.id).limit(min(limit, LISTED_MAX))
        if enterprise_id is not None:
            query = query.where(_columns.enterprise_id == enterprise_id)
        if after is not None:
            query = query.where(_columns.id > after)
        with self._transactions.read() as connection:
            return [person_of(row) for row in connection.execute(query)]

    def list_staff(self) -> Sequence[Person]:
        """The operator's people who may be given a ticket, by account."""
        workers = frozenset({Role.SUPPORT, Role.OPERATOR})
        with self._transactions.read() as connection:
            found = active_people_with(connection, enterprise_id=None, roles=workers)
        return sorted(found, key=lambda person: person.account)

    def change(
        self,
        person_id: str,
        *,
        within: str | None = None,
        roles: Iterable[Role] | None = None,
        regions: Iterable[str] | None = None,
        state: PersonState | None = None,
    ) -> Person:
        """What is given. Whoever is disabled, or loses a role, is logged out.

        `within` an enterprise: others are not there. Raises NotFound, ValueInvalid, and Conflict
        where the enterprise would be left without an owner.
        """
        with self._transactions.change(concerns_calls=False) as connection:
            person = _find_within(connection, person_id, within)
            new_roles = (
                person.roles
                if roles is None
                else check_roles(roles, enterprise_id=person.enterprise_id)
            )
            new_regions = person.regions if regions is None else frozenset(regions)
            new_regions = check_regions(new_regions, roles=new_roles)
            new_state = person.state if state is None else state
            if not (Role.OWNER in new_roles and new_state is PersonState.ACTIVE):
                _require_another_owner(connection, person)
            values = {
                "roles": encode_words(new_roles),
                "regions": encode_words(new_regions),
                "state": new_state,
            }
            _update(connection, person_id, values)
            if new_state is PersonState.DISABLED or not new_roles >= person.roles:
                end_sessions(connection, person_id)
            return person_of(find_row(connection, person_id))

    def remove(self, person_id: str, *, within: str | None = None) -> None:
        """Somebody goes, with all that is theirs; the audit log keeps their identifier. Raises
        NotFound or Conflict, as `change` does."""
        with self._transactions.change(concerns_calls=False) as connection:
            person = _find_within(connection, person_id, within)
            _require_another_owner(connection, person)
            for other in _OF_A_PERSON:
                connection.execute(delete(other).where(other.c.person_id == person_id))
            connection.execute(delete(table.person).where(_columns.id == person_id))


def is_named(name: str) -> Any:
    """A condition: it is their account, or their address."""
    lowered = name.lower()
    if "\0" in lowered:
        return false()  # nobody's, and PostgreSQL would refuse to look
    return (_columns.account == lowered) | (_columns.email == lowered)


def active_people_with(
    connection: Connection, *, enterprise_id: str | None, roles: frozenset[Role]
) -> Sequence[Person]:
    """Those of an enterprise (None: of the operator) who may log in and have one of these roles;
    for whoever has to tell them something."""
    return [
        person
        for person in map(person_of, connection.execute(_team(enterprise_id)))
        if person.state is PersonState.ACTIVE and not person.roles.isdisjoint(roles)
    ]


def _team(enterprise_id: str | None) -> Select[Any]:
    query = select(table.person).order_by(_columns.id).limit(LISTED_MAX)
    if enterprise_id is None:
        return query.where(_columns.enterprise_id.is_(None))
    return query.where(_columns.enterprise_id == enterprise_id)


def _find_within(connection: Connection, person_id: str, enterprise_id: str | None) -> Person:
    person = person_of(find_row(connection, person_id))
    if enterprise_id is not None and person.enterprise_id != enterprise_id:
        raise NotFound("there is no such user")
    return person


def _require_another_owner(connection: Connection, person: Person) -> None:
    """An enterprise that nobody could let anybody into were lost, but for one that has ended."""
    if person.enterprise_id is None or Role.OWNER not in person.roles:
        return
    if read_state(connection, person.enterprise_id) is EnterpriseState.CANCELLED:
        return
    # Two owners who remove each other at once must not both succeed.
    team = connection.execute(_team(person.enterprise_id).with_for_update())
    others = [each for each in map(person_of, team) if each.person_id != person.person_id]
    if person.state is PersonState.ACTIVE and not any(
        Role.OWNER in each.roles and each.state is PersonState.ACTIVE for each in others
    ):
        raise Conflict("the enterprise would be left without an owner")


def _update(connection: Connection, person_id: str, values: Mapping[str, object]) -> None:
    connection.execute(update(table.person).where(_columns.id == person_id).values(**values))
