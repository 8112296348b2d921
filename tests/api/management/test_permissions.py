"""Every route with every role, and nothing of another enterprise for anybody.

All of it is made of the routes themselves: a new one is walked as soon as it is there, and fails
where nobody thought about who may, or where what it names is not seeded (tenancy.py).
"""

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import inspect
from tests.api.management.support import OPERATOR, Management
from tests.api.management.tenancy import Tenant, create_tenants, seed
from tests.api.support import SECRET, Answer, basic

from clicktodial.api.management.route import Route
from clicktodial.domain.principal import CUSTOMER_ROLES, PERSON_ROLES, STAFF_ROLES, Role
from clicktodial.storage import people_table, schema

# Whoever opens another one to anybody, adds it here, and says why in its `about`.
OPEN = {
    "register",
    "activate",
    "logIn",
    "askForPasswordReset",
    "completePasswordReset",
    "completeEmailChange",
}
# What is not one enterprise's, and may be named by all who may ask.
SHARED = {"option", "name", "step", "month"}
# Asking for help changes nothing of the enterprise's: all of its people may.
HELP = {"createTicket", "writeToTicket", "reopenTicket", "closeTicket", "rateTicket"}
# Their body names a phone, which may be anybody's; elsewhere a number is one to be shown.
PHONES = {"addMember", "changeMember", "addDoNotCall", "addAllowedCallee"}
# Written for each request that is refused or changes something, whosever it is about.
NEVER_COMPARED = {people_table.audit, people_table.attempt}
PATH_PARAMETER = re.compile(r"\{(\w+)\}")


def parameters_of(row: Route) -> list[str]:
    """The parameters of its path."""
    return PATH_PARAMETER.findall(row.path)


def fill(row: Route, values: dict[str, str]) -> str:
    """The path with these in place of its parameters, or with their examples."""
    examples = {each.name: each.example for each in row.parameters}
    return PATH_PARAMETER.sub(lambda match: values.get(match[1], examples[match[1]]), row.path)


def fill_body(row: Route, values: dict[str, str]) -> Any:
    """The example of its body, with these."""
    if row.body is bytes or row.media != "application/json":
        return b"none of its kind"
    if not isinstance(row.body_example, dict):
        return row.body_example
    own = {name: value for name, value in values.items() if name in properties_of(row)}
    return row.body_example | own


def properties_of(row: Route) -> set[str]:
    """The properties of its body that name something of an enterprise."""
    properties = set(getattr(row.body, "__struct_fields__", ()))
    return properties - {"number"} if row.name in PHONES else properties


def query_of(row: Route, values: dict[str, str]) -> str:
    """A query of those that it knows, and of what it cannot do without."""
    examples = {each.name: each.example for each in row.query if each.example}
    known = [each.name for each in row.query]
    given = examples | {name: value for name, value in values.items() if name in known}
    return "&".join(f"{name}={value}" for name, value in given.items())


def is_refused_for_who_asks(answer: Answer) -> bool:
    """As against for what they say."""
    return answer.status in (401, 403) and answer.json["code"] in {
        "not-authenticated",
        "not-permitted",
    }


# Each route by itself


def test_each_route_says_who_may(management: Management) -> None:
    """One test for all such rules: it is the making of the routes that takes time."""
    assert {row.name for row in management.routes if row.is_open} == OPEN
    assert {row.name for row in management.routes} >= PHONES | HELP
    for row in management.routes:
        check_who_may(row)
        known = {each.name: each.example for each in row.parameters}
        assert set(parameters_of(row)) == set(known), row.name
        assert all(known.values()), f"{row.name}: an example of each parameter"


def check_who_may(row: Route) -> None:
    """Somebody may; whoever may everything may this too; a reader changes nothing."""
    assert bool(row.roles) != row.is_open, row.name
    assert row.roles <= PERSON_ROLES | {Role.APPLICATION}, row.name
    assert not row.roles & STAFF_ROLES or Role.OPERATOR in row.roles, row.name
    assert not row.roles & CUSTOMER_ROLES or Role.OWNER in row.roles, row.name
    if Role.READER in row.roles:
        is_theirs = row.is_personal or row.name in HELP
        assert not row.is_change or is_theirs, f"{row.name} lets a reader change something"


# Every route with every role


async def test_each_role_may_what_the_route_says_and_nothing_else(
    management: Management,
) -> None:
    mine, _ = create_tenants()
    await seed(management, mine)
    for role in (*sorted(PERSON_ROLES), Role.APPLICATION):
        allowed = await walk(management, mine, role)
        assert len(OPEN) < allowed <= len(management.routes)


async def walk(management: Management, mine: Tenant, role: Role) -> int:
    """All routes, by somebody of that role alone; returns how many let them in."""
    credential = basic(mine.app_id, SECRET)
    if role is not Role.APPLICATION:
        enterprise_id = mine.enterprise_id if role in CUSTOMER_ROLES else None
        credential = management.sessions.log_in(role, enterprise_id=enterprise_id)
    allowed = 0
    for row in management.routes:
        answer = await management.ask(
            row.method,
            fill(row, {}),
            fill_body(row, {}) if row.body is not None else None,
            credential=credential,
            query=query_of(row, mine.ids),
        )
        if row.is_open or role in row.roles:
            allowed += 1
            assert not is_refused_for_who_asks(answer), f"{row.name} refuses {role}"
        else:
            assert answer.status == 403, f"{row.name} lets {role} in"
            assert answer.json["code"] == "not-permitted"
    return allowed


async def test_whoever_proves_nothing_gets_in_nowhere(management: Management) -> None:
    for row in management.routes:
        body = fill_body(row, {}) if row.body is not None else None
        for credential in (None, b"Bearer s_nobody", basic("nobody", SECRET)):
            answer = await management.ask(row.method, fill(row, {}), body, credential=credential)
            if row.is_open:
                assert not is_refused_for_who_asks(answer), row.name
            else:
                assert (answer.status, answer.json["code"]) == (401, "not-authenticated"), row.name


async def test_what_is_personal_is_nothing_for_the_token(management: Management) -> None:
    personal = [row for row in management.routes if row.is_personal]
    assert personal
    for row in personal:
        body = fill_body(row, {}) if row.body is not None else None
        answer = await management.ask(row.method, fill(row, {}), body, credential=OPERATOR)
        assert (answer.status, answer.json["code"]) == (403, "not-permitted"), row.name


async def test_people_of_an_enterprise_that_has_ended_read_ask_for_help_and_change_nothing(
    management: Management,
) -> None:
    mine, _ = create_tenants()
    await seed(management, mine)
    before, asked = rows_of(management, mine), 0
    for role in sorted(CUSTOMER_ROLES):
        credential = management.sessions.log_in(
            role, enterprise_id=mine.enterprise_id, is_former=True
        )
        for row in management.routes:
            if role not in row.roles or row.is_personal or row.name in HELP:
                continue
            answer = await management.ask(
                row.method,
                fill(row, mine.ids),
                fill_body(row, mine.ids) if row.body is not None else None,
                credential=credential,
                query=query_of(row, mine.ids),
            )
            asked += row.is_change
            if row.is_change:
                assert (answer.status, answer.json["code"]) == (403, "enterprise-inactive")
            else:
                assert answer.status not in (401, 403), row.name
    assert asked > 50
    assert rows_of(management, mine) == before
    assert {row.name for row in management.routes if row.is_help} == HELP


# What the path names


async def test_path_with_nul_names_nothing_anywhere(management: Management) -> None:
    # PostgreSQL takes no such text, so that none may come to a query or the audit log.
    of_operator = [row for row in management.routes if Role.OPERATOR in row.roles]
    rows = [row for row in of_operator if row.parameters and not row.is_personal]
    assert len(rows) > 50
    for row in rows:
        body = fill_body(row, {}) if row.body is not None else None
        for name in parameters_of(row):
            path = fill(row, {name: "a\0b"})
            answer = await management.ask(row.method, path, body, query=query_of(row, {}))
            assert (answer.status, answer.json["code"]) == (404, "not-found"), row.name
    told = management.audit_log.list_entries(limit=1_000)
    assert told
    assert not [each for each in told if "\0" in (each.enterprise_id or "")]


async def test_audit_log_is_told_of_no_enterprise_that_cannot_be(management: Management) -> None:
    longest = "x" * 64
    for credential in (OPERATOR, None):
        for enterprise_id in ("x" * 65, "x" * 9_000, "a b", "a\0b", longest):
            path = f"/enterprises/{enterprise_id}/limits"
            await management.ask("PATCH", path, {}, credential=credential)
    told = management.audit_log.list_entries(limit=100)[::-1]
    assert [each.enterprise_id for each in told] == [None, None, None, None, longest] * 2


# Nothing of another enterprise


def is_of_one_enterprise(row: Route) -> bool:
    """Whether somebody may ask who sees one enterprise alone."""
    return bool(row.roles & (CUSTOMER_ROLES | {Role.APPLICATION, Role.ACCOUNT_MANAGER}))


async def test_whatever_a_customer_s_route_names_is_seeded(management: Management) -> None:
    mine, _ = create_tenants()
    await seed(management, mine)
    missing = {
        name
        for row in management.routes
        if is_of_one_enterprise(row)
        for name in parameters_of(row)
        if name not in mine.ids.keys() | SHARED
    }
    assert missing == set(), "seed them in tenancy.py"


def credentials(management: Management, mine: Tenant) -> Iterator[tuple[Role, bytes]]:
    """Whoever sees one enterprise alone, or one region."""
    for role in sorted(CUSTOMER_ROLES):
        yield role, management.sessions.log_in(role, enterprise_id=mine.enterprise_id)
    region = frozenset({mine.region})
    yield (
        Role.ACCOUNT_MANAGER,
        management.sessions.log_in(Role.ACCOUNT_MANAGER, regions=region),
    )
    yield Role.APPLICATION, basic(mine.app_id, SECRET)


def named_by(row: Route, tenant: Tenant) -> list[str]:
    """What of a tenant's the request can name: in its path, its query and its body."""
    in_query = {each.name for each in row.query}
    named = {*parameters_of(row), *in_query, *properties_of(row)}
    return sorted(named & tenant.ids.keys())


def mixtures(row: Route, mine: Tenant, other: Tenant) -> Iterator[dict[str, str]]:
    """One's own values, with one of the other's among them, and with all of the other's."""
    names = named_by(row, other)
    for name in names:
        yield mine.ids | {name: other.ids[name]}
    if len(names) > 1:
        yield mine.ids | {name: other.ids[name] for name in names}


def rows_of(management: Management, tenant: Tenant) -> dict[str, list[tuple[Any, ...]]]:
    """Whatever the database has of a tenant: every row that names it, or something of its."""
    theirs = set(tenant.ids.values()) | {tenant.marker}
    found: dict[str, list[tuple[Any, ...]]] = {}
    with management.engine.connect() as connection:
        for each in schema.metadata.sorted_tables:
            if each in NEVER_COMPARED:
                continue
            order = list(inspect(each).primary_key)
            rows = [tuple(row) for row in connection.execute(each.select().order_by(*order))]
            found[each.name] = [row for row in rows if any(_is_one_of(theirs, v) for v in row)]
    return found


def _is_one_of(theirs: set[str], value: Any) -> bool:
    return isinstance(value, str) and any(each in value for each in theirs)


async def test_nobody_gets_or_changes_anything_of_another_enterprise(
    management: Management,
) -> None:
    mine, other = create_tenants()
    await seed(management, mine)
    await seed(management, other)
    before = rows_of(management, other)
    assert len([name for name, rows in before.items() if rows]) >= 6
    asking = list(credentials(management, mine))
    for role, credential in asking:
        for row in management.routes:
            if role in row.roles:
                await check_own(management, row, role, credential, mine, other)
    checked = 0
    for role, credential in asking:
        for row in management.routes:
            if role not in row.roles:
                continue
            for values in mixtures(row, mine, other):
                answer = await management.ask(
                    row.method,
                    fill(row, values),
                    fill_body(row, values) if row.body is not None else None,
                    credential=credential,
                    query=query_of(row, values),
                )
                assert answer.status == 404, f"{row.name} answers {role} about {values}"
                checked += 1
    assert checked > 50
    assert rows_of(management, other) == before


async def check_own(
    management: Management,
    row: Route,
    role: Role,
    credential: bytes,
    mine: Tenant,
    other: Tenant,
) -> None:
    """About what is one's own there is an answer, and nothing of the other's in it."""
    if row.method != "GET":
        return
    if row.is_personal:
        if role is not Role.OWNER:
            return
        credential = b"Bearer " + mine.ids["own_token"].encode()
    values = mine.ids
    answer = await management.ask(
        row.method, fill(row, values), credential=credential, query=query_of(row, values)
    )
    assert answer.status == 200, f"{row.name} answers {role} {answer.body!r}"
    for theirs in (other.marker, *other.ids.values()):
        assert theirs.encode() not in answer.body, f"{row.name} tells {role} of another"


async def test_changes_of_one_s_own_leave_the_other_as_it_was(management: Management) -> None:
    mine, other = create_tenants()
    await seed(management, mine)
    await seed(management, other)
    before = rows_of(management, other)
    for role, credential in credentials(management, mine):
        for row in management.routes:
            if role in row.roles and row.is_change and not row.is_personal:
                values = mine.ids
                answer = await management.ask(
                    row.method,
                    fill(row, values),
                    fill_body(row, values) if row.body is not None else None,
                    credential=credential,
                    query=query_of(row, values),
                )
                assert not is_refused_for_who_asks(answer), row.name
    assert rows_of(management, other) == before
