"""Indexes of what people look through, and a member's text to search."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_OPEN_TICKET = sa.text("state NOT IN ('resolved', 'closed')")
_UNDELIVERED = sa.text("state <> 'delivered'")
# As accounts.member writes it from now on.
_CHARACTERS_MAX = 300
_LINE = "'\n'"
_SEARCH_TEXT = (
    f"substr(e164 || {_LINE} || {{lower}}(employee_id) || {_LINE} || {{lower}}(name),"
    f" 1, {_CHARACTERS_MAX})"
)


def upgrade() -> None:
    """Fill the column, and put indexes in the place of those that did not serve."""
    op.add_column(
        "member",
        sa.Column("search_text", sa.String(_CHARACTERS_MAX), nullable=False, server_default=""),
    )
    op.execute(f"UPDATE member SET search_text = {_SEARCH_TEXT.format(lower=_find_lower())}")
    op.drop_index("member_in_order", "member")
    op.create_index("member_in_order", "member", ["enterprise_id", "id", "search_text"])
    op.drop_index("member_of_department", "member")
    op.create_index("member_of_department", "member", ["department_id", "id"])
    op.drop_index("audit_by_enterprise", "audit")
    op.create_index("audit_by_time", "audit", ["at"])
    op.create_index("audit_by_enterprise", "audit", ["enterprise_id", "at"])
    op.create_index("audit_by_principal", "audit", ["principal", "at"])
    op.create_index("audit_by_operation", "audit", ["operation", "at"])
    op.create_index("audit_by_both", "audit", ["principal", "operation", "at"])
    op.create_index("audit_by_enterprise_operation", "audit", ["enterprise_id", "operation", "at"])
    for name, columns in (
        ("message_by_state", ["state", "id"]),
        ("message_of_application_by_state", ["app_id", "state", "id"]),
    ):
        op.create_index(
            name,
            "message",
            columns,
            sqlite_where=_UNDELIVERED,
            postgresql_where=_UNDELIVERED,
        )
    op.create_index(
        "ticket_pressing",
        "ticket",
        ["due_at", "id"],
        sqlite_where=_OPEN_TICKET,
        postgresql_where=_OPEN_TICKET,
    )


def _find_lower() -> str:
    """The function of small letters: SQLite's own knows those of ASCII alone."""
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return "lower"
    driver = connection.connection.driver_connection
    assert driver is not None  # the connection is open
    driver.create_function("lower_of_unicode", 1, str.lower, deterministic=True)
    return "lower_of_unicode"
