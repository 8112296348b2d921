"""What people did, and were refused."""

from datetime import timedelta

from tests.portal.world import World

from clicktodial.accounts.audit import DONE, READ, AuditEntry, AuditLog


def seed_audit(world: World, enterprise_id: str) -> dict[str, str]:
    """Two pages of an enterprise's log."""
    ids = world.ids[enterprise_id]
    rows: tuple[tuple[str, dict[str, str], str, str, str], ...] = (
        ("changeOptions", {"app_id": ids["app_id"]}, DONE, ids["user_id"], "owner"),
        ("showCall", {"call_id": ids["call_id"]}, READ, ids["user_id"], "owner"),
        ("beginCall", {"app_id": ids["app_id"]}, DONE, ids["app_id"], "application"),
        ("setUpPool", {"enterprise_id": enterprise_id}, DONE, "operator", "operator"),
        ("logIn", {}, "unauthenticated", "", ""),
    )
    entries = [
        AuditEntry(
            at=world.now - timedelta(hours=12 - hour, minutes=number),
            principal=principal,
            roles=(role,) if role else (),
            address="192.0.2.7",
            operation=operation,
            subjects=subjects,
            enterprise_id=enterprise_id,
            outcome=outcome,
        )
        for hour in range(7)
        for number, (operation, subjects, outcome, principal, role) in enumerate(rows)
    ]
    AuditLog(world.transactions).add(entries)
    return {}
