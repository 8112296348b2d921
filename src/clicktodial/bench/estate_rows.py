"""The rows of a large estate, as statements that SQLite and PostgreSQL understand alike.

Each is named after its table. `series` has the numbers from 0 on, `given` names of people. What
stands in braces is written for the database: `{id}` an identifier like the platform's own, made of
a time in milliseconds and a number, so that rows lie in the order in which they were made.
"""

from collections.abc import Callable

from sqlalchemy import Connection, text

from clicktodial.domain.enterprise import EnterpriseState, status_of

# A Thursday's hour of work later or earlier is one, too: clocks of support run by the week.
WEEK_MS = 7 * 86_400_000
SPAN_MS = 100 * WEEK_MS

_ACTIVE = f"'{status_of(EnterpriseState.ACTIVE)}', '{EnterpriseState.ACTIVE}'"
_PROSPECT = f"'{status_of(EnterpriseState.PROSPECT)}', '{EnterpriseState.PROSPECT}'"

# What people do, the most common first; the last are rare.
OPERATIONS = (
    *("logIn", "listCalls", "showCall", "logOut", "showCallNumbers", "changeMember", "addMember"),
    *("removeMember", "listenToRecording", "changeOptions", "writeToTicket", "createTicket"),
    *("importMembers", "changeApplication", "assignNumber", "placeNumberOrder", "putPool"),
    *("changePassword", "invite", "changeTeamUser", "exportMembers", "replayMessage"),
    *("writeTemplate", "submitTemplate", "changeProtection", "rotateKey", "setAllowList"),
    *("createApplication", "removeTeamUser", "changeEmail", "revokeOldKey", "rotateSigningKey"),
)

_REGION = "CASE {n} % 4 WHEN 0 THEN 'North' WHEN 1 THEN 'South' WHEN 2 THEN 'East' ELSE 'West' END"
# Every tenth is the largest enterprise's.
_OWNER = "CASE WHEN i % 10 = 0 THEN 0 ELSE i % :enterprises END"


def _made(count: str, *, e: str = _OWNER) -> str:
    """So many rows: number `i`, enterprise `e` and a time that grows with the number."""
    return f"""
        FROM (SELECT i, {e} AS e, :since + i * :span / :{count} AS at
            FROM series WHERE i < :{count}) AS made
    """


STATEMENTS: dict[str, str] = {
    "enterprise": f"""
        INSERT INTO enterprise (id, name, status, state, region, account_manager, state_since)
        SELECT 'e-' || i, given.name || ' ' || i || ' Limited', {_ACTIVE},
            {_REGION.format(n="i")}, 'manager-' || (i % 8), :since
        FROM series JOIN given ON given.k = (i * 7919 + 3) % :given WHERE i < :enterprises
        ON CONFLICT (id) DO UPDATE SET name = excluded.name, region = excluded.region,
            account_manager = excluded.account_manager, state_since = excluded.state_since
    """,
    "prospect": f"""
        INSERT INTO enterprise (id, name, status, state, region, account_manager, state_since)
        SELECT 'p-' || i, given.name || ' ' || i || ' Company', {_PROSPECT},
            {_REGION.format(n="i")}, 'manager-' || (i % 8), :since + i * :span / :intentions
        FROM series JOIN given ON given.k = (i * 7919 + 5) % :given WHERE i < :intentions
    """,
    "person": """
        INSERT INTO person (id, account, email, enterprise_id, roles, regions, state,
            password_hash, is_totp_on, totp_step, created_at, seen_at)
        SELECT 'person-' || i, 'person-' || i, 'person-' || i || '@example.com', 'e-' || e,
            CASE i / :enterprises WHEN 0 THEN 'owner' WHEN 1 THEN 'developer' WHEN 2 THEN 'finance'
                ELSE 'reader' END,
            '', CASE WHEN i > :enterprises AND i % 19 = 0 THEN 'disabled' ELSE 'active' END,
            :password_hash, false, 0, at, :now - i * 60000
    """
    + _made("people", e="i % :enterprises"),
    "staff": f"""
        INSERT INTO person (id, account, email, roles, regions, state, password_hash, is_totp_on,
            totp_step, created_at, seen_at)
        SELECT name || '-' || n, name || '-' || n, name || '-' || n || '@operator.example', roles,
            regions, 'active', :password_hash, false, 0, :since, :now - i * 60000
        FROM (SELECT i, i / 4 AS n,
                CASE i % 4 WHEN 0 THEN 'operator' WHEN 1 THEN 'support' WHEN 2 THEN 'reviewer'
                    ELSE 'manager' END AS name,
                CASE i % 4 WHEN 0 THEN 'operator' WHEN 1 THEN 'support' WHEN 2 THEN 'reviewer'
                    ELSE 'account-manager' END AS roles,
                CASE WHEN i % 4 = 3 THEN {_REGION.format(n="(i / 4)")} ELSE '' END AS regions
            FROM series WHERE i < 40) AS made
    """,
    "department": """
        INSERT INTO department (id, enterprise_id, name, calls_per_day, created_at)
        SELECT {department}, 'e-' || e, 'Branch ' || {d4}, CASE WHEN d % 50 = 7 THEN 5000 END,
            :since
        FROM (SELECT i, d, e FROM (
                SELECT i, CASE WHEN i < :departments_of_largest THEN i
                        ELSE (i - :departments_of_largest) % :departments END AS d,
                    CASE WHEN i < :departments_of_largest THEN 0
                        ELSE 1 + (i - :departments_of_largest) / :departments END AS e
                FROM series
                WHERE i < :departments_of_largest + (:enterprises - 1) * :departments
            ) AS numbered) AS made
    """,
    "member": """
        INSERT INTO member (id, enterprise_id, e164, name, department_id, employee_id, note,
            calls_per_day, created_at, search_text)
        SELECT {id}, 'e-' || e, '+8613' || (100000000 + i), given.name || ' ' || m,
            CASE WHEN i % 11 = 5 THEN NULL ELSE {department} END, 'S' || (1000000 + m), '',
            CASE WHEN i % 100 = 7 THEN 200 END, at,
            '+8613' || (100000000 + i) || :line || 's' || (1000000 + m) || :line
                || lower(given.name) || ' ' || m
        FROM (SELECT i, m, e, :since + i * 1000 AS at,
                m * 31 % CASE WHEN e = 0 THEN :departments_of_largest ELSE :departments END AS d
            FROM (
                SELECT i, CASE WHEN i < :members_of_largest THEN i
                        ELSE (i - :members_of_largest) % :members END AS m,
                    CASE WHEN i < :members_of_largest THEN 0
                        ELSE 1 + (i - :members_of_largest) / :members END AS e
                FROM series WHERE i < :members_of_largest + (:enterprises - 1) * :members
            ) AS numbered) AS made
        JOIN given ON given.k = i * 7919 % :given ORDER BY i
    """,
    "sponsor_number": f"""
        INSERT INTO sponsor_number (e164, kind, city, region, state, enterprise_id, order_id, until,
            added_at, version)
        SELECT '+8610' || (52000000 + i), 'fixed', 'City ' || (i % 40), {_REGION.format(n="i")},
            CASE WHEN i < :decided THEN 'assigned' WHEN i < :orders THEN 'reserved'
                WHEN i % 7 = 0 THEN 'cooling-off' WHEN i % 31 = 0 THEN 'retired' ELSE 'free' END,
            CASE WHEN i < :orders THEN 'e-' || e END,
            CASE WHEN i < :orders THEN {{order}} END,
            CASE WHEN i >= :decided AND i < :orders THEN {{ordered_at}} + 432000000
                WHEN i >= :orders AND i % 7 = 0 THEN :now + (i % 90 - 45) * 86400000 END,
            at, 3
    """
    + _made("numbers", e="i % :enterprises"),
    "work_order": """
        INSERT INTO work_order (id, kind, enterprise_id, subject_id, state, outcome, assignee,
            opened_by, opened_at, decided_by, decided_at, reason, archived_at, details)
        SELECT {work_order}, 'number-order', 'e-' || e, {order},
            CASE WHEN i >= :decided THEN 'open' ELSE 'archived' END,
            CASE WHEN i < :decided THEN 'approved' END,
            CASE WHEN i % 3 = 0 THEN 'reviewer-' || (i % 10) END, 'person-' || e, {ordered_at},
            CASE WHEN i < :decided THEN 'reviewer-' || (i % 10) END,
            CASE WHEN i < :decided THEN {ordered_at} + 7200000 END,
            CASE WHEN i < :decided THEN '' END,
            CASE WHEN i < :decided THEN {ordered_at} + 7200000 END,
            '{{"numbers":"1","cities":"City ' || (i % 40) || ': 1"}}'
    """
    + _made("orders", e="i % :enterprises"),
    "work_order_step": """
        INSERT INTO work_order_step (work_order_id, seq, action, at, "by", why)
        SELECT {work_order}, seq, CASE seq WHEN 1 THEN 'open' WHEN 2 THEN 'approve'
                ELSE 'archive' END, {ordered_at} + (CASE WHEN seq = 1 THEN 0 ELSE 7200000 END),
            CASE WHEN seq = 1 THEN 'person-' || e ELSE 'reviewer-' || (i % 10) END, ''
        FROM (SELECT i % :orders AS i, i % :orders % :enterprises AS e, 1 + i / :orders AS seq
            FROM series WHERE i < 3 * :orders) AS made
        WHERE seq = 1 OR i < :decided
    """,
    "number_order": """
        INSERT INTO number_order (id, enterprise_id, work_order_id, channel, state, placed_by,
            placed_at, reserved_until)
        SELECT {order}, 'e-' || e, {work_order}, 'online',
            CASE WHEN i >= :decided THEN 'open' ELSE 'approved' END, 'person-' || e,
            {ordered_at}, {ordered_at} + 432000000
    """
    + _made("orders", e="i % :enterprises"),
    "number_order_line": """
        INSERT INTO number_order_line (order_id, e164)
        SELECT {order}, '+8610' || (52000000 + i) FROM series WHERE i < :orders
    """,
    "application_number": """
        INSERT INTO application_number (app_id, e164)
        SELECT 'app-' || (i % :enterprises), '+8610' || (52000000 + i)
        FROM series WHERE i < :decided
    """,
    "customer_record": """
        INSERT INTO customer_record (enterprise_id, customer_number, created_by, created_at)
        SELECT 'e-' || i, 'C' || (1000000 + i), 'manager-' || (i % 8), :since
        FROM series WHERE i < :enterprises
    """,
    "product_subscription": """
        INSERT INTO product_subscription (enterprise_id, product, ordered_by, ordered_at)
        SELECT 'e-' || (i / 2), CASE i % 2 WHEN 0 THEN 'basic-capability'
            ELSE 'click-to-dial' END, 'manager-0', :since
        FROM series WHERE i < 2 * :enterprises
    """,
    # Switched off, or the platform would ask each whether it lives.
    "trunk": """
        INSERT INTO trunk (name, host, port, transport, priority, answer_timeout_s, enabled)
        SELECT 'trunk-' || i, '192.0.2.' || (i + 1), 5060, 'udp', i, 5, false
        FROM series WHERE i < 30
    """,
    "message_template": """
        INSERT INTO message_template (id, app_id, recipient, version, state, channel, subject,
            text, fixed_values, only_connected, picture_bytes, created_at, created_by, decided_at,
            decided_by)
        SELECT {template}, 'app-' || (i / 5), 'both', 1 + i % 5,
            CASE i % 5 WHEN 4 THEN 'draft' WHEN 3 THEN 'approved' ELSE 'retired' END, 'sms', '',
            'You were called from {{sponsor}} at {{time}}.', '{{}}', false, 0, :since + i,
            'person-' || (i / 5), CASE WHEN i % 5 < 4 THEN :since + i END,
            CASE WHEN i % 5 < 4 THEN 'reviewer-0' END
        FROM series WHERE i < 5 * :enterprises
    """,
    "call": """
        INSERT INTO call (id, node_id, app_id, sponsor_e164, sponsor_written, caller_e164,
            caller_written, callee_e164, callee_written, begun_at, state, connected_at, ended_at,
            duration_s, reason, ended_by, stage, event_count)
        SELECT {id}, 'node-0', 'app-' || e, '+861052680000', '01052680000',
            '+8613' || (100000000 + i), '13' || (100000000 + i), '+8613810268653', '13810268653',
            at, 'ended', at + 9000, at + 69000, 60, 'HangUp', 'caller', 'connected', 1
    """
    + _made("calls"),
    "call_event": """
        INSERT INTO call_event (call_id, seq, app_id, status, occurred_at, payload, delivery_state,
            attempts, delivered_at, last_error)
        SELECT {id}, 1, 'app-' || e, 'Disconnected', at + 69000, '{{}}',
            CASE WHEN i % 4 = 3 THEN 'given_up' ELSE 'delivered' END, 1,
            CASE WHEN i % 4 <> 3 THEN at + 69100 END,
            CASE WHEN i % 4 = 3 THEN 'the server answered 503' END
    """
    + _made("calls"),
    "message": """
        INSERT INTO message (id, call_id, app_id, side, template_id, only_connected, state,
            created_at, queued_at, channel, subject, text, gateway, attempts, sent_at, settled_at,
            last_error)
        SELECT {message}, {id}, 'app-' || e, side, {template_of_application},
            false,
            CASE WHEN i % 50 = 7 THEN 'failed' WHEN i % 97 = 3 THEN 'expired'
                ELSE 'delivered' END,
            at, at + 69000, 'sms', '', 'You were called from +861052680000 at 2026-05-07 12:00.',
            'gateway', 1, at + 70000, at + 71000,
            CASE WHEN i % 50 = 7 THEN 'the gateway refused it: 0x0000000b' END
        FROM (SELECT i, side, e, at, e * 5 + 3 AS t, i * 2 + two AS m
            FROM (SELECT i / 2 AS i, i % 2 AS two,
                    CASE i % 2 WHEN 0 THEN 'caller' ELSE 'callee' END AS side,
                    CASE WHEN i / 2 % 10 = 0 THEN 0 ELSE i / 2 % :enterprises END AS e,
                    :since + i / 2 * :span / :calls AS at
                FROM series WHERE i < 2 * :calls) AS halves) AS made
    """,
    "message_part": """
        INSERT INTO message_part (message_id, number, gateway, gateway_id, state, sent_at)
        SELECT id, 1, gateway, id, state, sent_at FROM message WHERE state <> 'failed'
    """,
    "message_report": """
        INSERT INTO message_report (id, gateway, gateway_id, state, received_at, message_id)
        SELECT id, gateway, id, state, settled_at, id FROM message WHERE state <> 'failed'
    """,
    "blacklist": """
        INSERT INTO blacklist (number, is_prefix, reason, added_by, added_at)
        SELECT '+8670' || (10000000 + i), false, 'Complaints', 'operator-0', at
    """
    + _made("blacklisted", e="0"),
    "enrolment": """
        INSERT INTO enrolment (id, token_hash, kind, email, enterprise_id, roles, regions,
            created_by, created_at, expires_at)
        SELECT {id}, 'no hash of a token ' || i, 'invitation', 'invited-' || i || '@example.com',
            'e-' || e, 'reader', '', 'person-' || e, :now - 3600000, :now + 86400000
        FROM (SELECT i, i % :enterprises AS e, :now - 3600000 AS at
            FROM series WHERE i < :enterprises) AS made
    """,
    "import_job": """
        INSERT INTO import_job (id, node_id, scope, kind, state, is_all_or_nothing, rows_read,
            added, changed, unchanged, refused, created_by, created_at, finished_at)
        SELECT {id}, 'node-0', 'e-' || e, CASE i % 2 WHEN 0 THEN 'members' ELSE 'do-not-call' END,
            'done', false, 100, 98, 0, 0, 2, 'person-' || e, at, at + 2000
    """
    + _made("imports"),
    "audit": """
        INSERT INTO audit (id, at, principal, roles, address, operation, subjects, enterprise_id,
            outcome)
        SELECT {id}, at, CASE WHEN i % 20 = 1 THEN 'operator-' || (i / 20 % 10)
                WHEN i % 3 = 0 THEN 'person-' || (e + :enterprises) ELSE 'person-' || e END,
            CASE WHEN i % 20 = 1 THEN 'operator' ELSE 'owner' END, '192.0.2.' || (i % 250),
            operation.name, '{{"app_id":"app-' || e || '"}}',
            CASE WHEN i % 20 <> 1 THEN 'e-' || e END,
            CASE WHEN i % 83 = 0 THEN 'forbidden' ELSE 'done' END
        FROM (SELECT i, at, e, (i * 7919 % 1009) * (i * 104729 % 1013) * :operations
                / (1009 * 1013) AS o
            FROM (SELECT i, CASE WHEN i % 4 = 0 THEN 0 ELSE i % :enterprises END AS e,
                :since + i * :span / :audited AS at
            FROM series WHERE i < :audited) AS numbered) AS made
        JOIN operation ON operation.k = o ORDER BY i
    """,
}
# From templates of tickets, whose every time is moved by whole weeks and some milliseconds.
COPY_TICKETS = """
    INSERT INTO ticket (id, enterprise_id, subject, channel, category, opened_by, opened_at, steps,
        priority, state, queue, assignee, level, due_at, responded_at, resolved_at,
        is_response_late, is_resolution_late, satisfaction)
    SELECT {id}, 'e-' || e, subject, channel, category, 'person-' || e, at, steps, priority, state,
        queue, assignee, level, due_at + by_ms, responded_at + by_ms, resolved_at + by_ms,
        is_response_late, is_resolution_late, satisfaction
    FROM (SELECT i, e, by_ms, opened_at + by_ms AS at, ticket.*
        FROM copy JOIN ticket ON ticket.id = copy.template_id) AS made
"""
COPY_STEPS = """
    INSERT INTO ticket_step (ticket_id, seq, action, at, "by", is_staff, text, details)
    SELECT {id}, seq, action, step_at + by_ms,
        CASE WHEN is_staff THEN step_by ELSE 'person-' || e END, is_staff, text, details
    FROM (SELECT i, e, by_ms, opened_at + by_ms AS at, seq, action, ticket_step.at AS step_at,
            ticket_step."by" AS step_by, is_staff, text, details
        FROM copy JOIN ticket ON ticket.id = copy.template_id
        JOIN ticket_step ON ticket_step.ticket_id = copy.template_id) AS made
"""
MAKE_COPIES = f"""
    CREATE TEMPORARY TABLE copy AS
    SELECT i, {_OWNER} AS e, template.id AS template_id,
        i - CASE WHEN template.is_open = 1 THEN 0 ELSE (1 + i % 99) * {WEEK_MS} END AS by_ms
    FROM series JOIN template ON template.k = i % :templates WHERE i < :tickets
"""


def identifiers(connection: Connection) -> dict[str, str]:
    """How identifiers are written here, by the names that stand in braces."""
    ordered_at = "(:since + i * :span / :orders)"
    make = _sqlite_id if connection.dialect.name == "sqlite" else _postgresql_id
    return {
        "id": make("at", "i"),
        "department": make(":since", "e * 1000 + d"),
        "d4": "(1000 + d)",
        "ordered_at": ordered_at,
        "order": make(ordered_at, "i"),
        "work_order": make(ordered_at, "i"),
        "template": make(":since", "i"),
        "template_of_application": make(":since", "t"),
        "message": make("at", "m"),
    }


def _sqlite_id(at: str, number: str) -> str:
    return f"printf('%012x%020x', {at}, {number})"


def _postgresql_id(at: str, number: str) -> str:
    parts = (
        f"lpad(to_hex(CAST({each} AS BIGINT)), {digits}, '0')"
        for each, digits in ((at, 12), (number, 20))
    )
    return " || ".join(parts)


Run = Callable[[str, dict[str, object]], None]


def runner(connection: Connection) -> Run:
    """Runs statements with what stands in braces filled in."""
    names = identifiers(connection)

    def run(statement: str, values: dict[str, object]) -> None:
        connection.execute(text(statement.format(**names)), values)

    return run
