"""The audit log: by person, what they did and when."""

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta

from clicktodial.accounts.audit import DONE, READ, AuditEntry, AuditFilter
from clicktodial.accounts.person import TEAM_MAX
from clicktodial.domain.principal import STAFF_ROLES, Role
from clicktodial.portal.audit.operation import OPERATIONS, describe_operation
from clicktodial.portal.form import Form
from clicktodial.portal.moment import read_day
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Answer, Nav, Page, Section, View, Visit
from clicktodial.portal.paging import PAGE_SIZE, parse_identifier
from clicktodial.portal.text import mark
from clicktodial.storage.error import NotFound

READERS = frozenset({Role.OPERATOR, Role.OWNER})
# What entries are about, in the order in which it says most.
_SUBJECT_WORDS: Mapping[str, str] = {
    "app_id": mark("Application"),
    "call_id": mark("Call"),
    "ticket_id": mark("Ticket"),
    "user_id": mark("User"),
    "invitation_id": mark("Invitation"),
    "template_id": mark("Template"),
    "message_id": mark("Message"),
    "package_id": mark("Package"),
    "cap_id": mark("Cap"),
    "member": mark("Member"),
    "number": mark("Number"),
    "trunk": mark("Trunk"),
    "work_order_id": mark("Work order"),
    "document_id": mark("Document"),
    "attachment_id": mark("File"),
    "export_order_id": mark("Export"),
    "calls": mark("Calls"),
    "oldest_call_id": mark("Oldest call"),
    "newest_call_id": mark("Newest call"),
    "month": mark("Month"),
    "side": mark("Side"),
}
# Whose it is stands in a column of its own.
_LEFT_OUT = frozenset({"enterprise_id"})


class AuditPages:
    """GET /audit"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """A page of the log, the newest first."""
        needs, principal = self._needs, visit.principal
        form = Form(visit.words, {name: [value] for name, value in visit.query.items()})
        which, own = self._read_filter(visit, form), principal.enterprise_id
        before = parse_identifier(visit.query.get("before"))

        def read() -> tuple[list[AuditEntry], Mapping[str, str], Mapping[str, str], list[str]]:
            person = _find_person(needs, form, own)
            found: list[AuditEntry] = []
            if form.is_valid:
                found = needs.audit_log.list_entries(
                    limit=PAGE_SIZE + 1,
                    enterprise_id=own,
                    before=before,
                    which=AuditFilter(
                        principal=person,
                        operation=which.operation,
                        since=which.since,
                        until=which.until,
                    ),
                )
            ids = [each.principal for each in found]
            names = dict(needs.names.accounts(principal, ids))
            for application in needs.call_search.list_applications(principal):
                names.setdefault(application.app_id, application.name)
            enterprises = needs.names.enterprises(
                principal, [each.enterprise_id for each in found if each.enterprise_id]
            )
            team: list[str] = []
            if own is not None:
                people = needs.people.list_people(limit=TEAM_MAX, enterprise_id=own)
                team = [each.account for each in people]
            return found, names, enterprises, team

        found, names, enterprises, team = await needs.worker.run(read)
        words = visit.words
        next_href = ""
        if len(found) > PAGE_SIZE:
            last = found[PAGE_SIZE - 1].audit_id
            next_href = visit.link("audit", **{**visit.query, "before": last})
        operations = {describe_operation(words, each): each for each in OPERATIONS}
        context = {
            "form": form,
            "lines": [_line(visit, each, names, enterprises) for each in found[:PAGE_SIZE]],
            "team_options": [(each, each) for each in team],
            "operation_options": [(operations[each], each) for each in sorted(operations)],
            "is_own": own is not None,
            "is_filtered": any(
                visit.query.get(each) for each in ("person", "operation", "since", "until")
            ),
            "is_first": before is None,
            "first_href": visit.link("audit", **{**visit.query, "before": None}),
            "next_href": next_href,
        }
        return View("audit/list.html", context, 200 if form.is_valid else 422)

    def _read_filter(self, visit: Visit, form: Form) -> AuditFilter:
        """What of the filter is no question to the database."""
        zone = visit.local.zone
        operation = form.text("operation", is_required=False, characters_max=64) or None
        since = read_day(form, "since", is_required=False)
        until = read_day(form, "until", is_required=False)
        return AuditFilter(
            operation=operation,
            since=None if since is None else datetime.combine(since, time(), zone),
            until=None
            if until is None
            else datetime.combine(until + timedelta(days=1), time(), zone),
        )

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="audit",
                path="/audit",
                title=mark("Audit log"),
                roles=READERS,
                show=self.show,
                operations=("listAudit",),
                nav=Nav(Section.SETTINGS, 40, "scroll-text"),
            )
        ]


def _find_person(needs: ConsoleNeeds, form: Form, own: str | None) -> str | None:
    """The identifier of whoever the filter names; noted in the form where there is nobody."""
    written = form.text("person", is_required=False, characters_max=254)
    if not written:
        return None
    try:
        person = needs.people.find(written)
    except NotFound:
        person = None
    if person is None or (own is not None and person.enterprise_id != own):
        form.fail("person", mark("There is nobody of that account."))
        return None
    return person.person_id


def _line(
    visit: Visit,
    entry: AuditEntry,
    names: Mapping[str, str],
    enterprises: Mapping[str, str],
) -> dict[str, object]:
    """An entry as somebody reads it."""
    is_refused = entry.outcome not in (DONE, READ)
    whose = entry.enterprise_id or ""
    return {
        "at": entry.at,
        "who": _who(visit, entry, names),
        "what": describe_operation(visit.words, entry.operation),
        "about": _about(visit, entry.subjects),
        "whose": enterprises.get(whose, whose),
        "address": entry.address,
        "is_read": entry.outcome == READ,
        "is_refused": is_refused,
        "outcome": entry.outcome,
    }


def _who(visit: Visit, entry: AuditEntry, names: Mapping[str, str]) -> str:
    if not entry.principal:
        return visit.gettext("Somebody unknown")
    if entry.principal == visit.principal.name:
        return visit.gettext("You")
    if entry.principal in names:
        return names[entry.principal]
    if visit.principal.enterprise_id is not None and _is_staff(entry.roles):
        return visit.gettext("The operator's people")
    return entry.principal


def _is_staff(roles: Sequence[str]) -> bool:
    return any(role in STAFF_ROLES for role in roles)


def _about(visit: Visit, subjects: Mapping[str, str]) -> list[tuple[str, str]]:
    """Names and values, those first that say most."""
    order = list(_SUBJECT_WORDS)
    named = sorted(
        (name for name in subjects if name not in _LEFT_OUT),
        key=lambda name: order.index(name) if name in _SUBJECT_WORDS else len(order),
    )
    word = visit.words.look_up
    return [(word(_SUBJECT_WORDS.get(name, "")) or name, subjects[name]) for name in named]
