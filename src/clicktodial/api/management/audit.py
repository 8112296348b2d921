"""`/audit`: who did what."""

from functools import partial

from clicktodial.accounts.audit import AuditEntry, AuditLog
from clicktodial.api.management.paging import (
    PAGE_PARAMETERS,
    parse_identifier_cursor,
    parse_limit,
)
from clicktodial.api.management.problem import NOT_FOUND
from clicktodial.api.management.route import Ask, Parameter, Route, require_sight
from clicktodial.api.management.schema import Instant, Strict
from clicktodial.api.management.user_view import EXAMPLE_ID
from clicktodial.api.management.worker import Worker
from clicktodial.domain.principal import Role


class AuditView(Strict, frozen=True):
    """One thing that was done or refused: when, by whom, in which roles, from where, what about
    and whose. `outcome` is `done`, `read` or the code of a problem."""

    audit_id: str
    at: Instant
    principal: str
    roles: list[str]
    address: str
    operation: str
    subjects: dict[str, str]
    enterprise_id: str | None
    outcome: str


class AuditPage(Strict, frozen=True):
    """Entries, the newest first; `next` is the cursor of the page after, null on the last."""

    entries: list[AuditView]
    next: str | None


class AuditResource:
    """The audit log: all of it, or what concerns one's own enterprise."""

    def __init__(self, audit_log: AuditLog, worker: Worker) -> None:
        self._audit_log = audit_log
        self._worker = worker

    async def list_all(self, ask: Ask) -> AuditPage:
        """GET"""
        limit, before = parse_limit(ask.query), parse_identifier_cursor(ask.query)
        enterprise_id = ask.query.get("enterprise_id", ask.principal.enterprise_id)
        if enterprise_id is not None:
            require_sight(ask, enterprise_id)
        entries = await self._worker.run(
            partial(
                self._audit_log.list_entries,
                limit=limit + 1,
                enterprise_id=enterprise_id,
                before=before,
            )
        )
        return AuditPage(
            entries=[_render(each) for each in entries[:limit]],
            next=entries[limit - 1].audit_id if len(entries) > limit else None,
        )

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        return [
            Route(
                name="listAudit",
                method="GET",
                path="/audit",
                tag="Audit",
                roles=frozenset({Role.OPERATOR, Role.OWNER}),
                summary="Read the audit log",
                about="All of it for the operator, or what concerns one enterprise; for an owner, "
                "what concerns their own.",
                handle=self.list_all,
                answer=AuditPage,
                answer_example={"entries": [_EXAMPLE], "next": None},
                query=(
                    *PAGE_PARAMETERS,
                    Parameter("enterprise_id", "Whose.", {"type": "string", "maxLength": 64}),
                ),
                problems=(NOT_FOUND,),
            )
        ]


def _render(entry: AuditEntry) -> AuditView:
    return AuditView(
        audit_id=entry.audit_id,
        at=entry.at,
        principal=entry.principal,
        roles=list(entry.roles),
        address=entry.address,
        operation=entry.operation,
        subjects=dict(entry.subjects),
        enterprise_id=entry.enterprise_id,
        outcome=entry.outcome,
    )


_EXAMPLE = {
    "audit_id": EXAMPLE_ID,
    "at": "2026-03-01T12:00:00Z",
    "principal": EXAMPLE_ID,
    "roles": ["owner"],
    "address": "192.0.2.1",
    "operation": "changeOptions",
    "subjects": {"app_id": "12345678"},
    "enterprise_id": "acme",
    "outcome": "done",
}
