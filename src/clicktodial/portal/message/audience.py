"""Who reads messages and templates, and what their states look like."""

from collections.abc import Mapping

from clicktodial.domain.message import MessageState, TemplateState
from clicktodial.domain.principal import Role

WRITERS = frozenset({Role.OPERATOR, Role.OWNER, Role.DEVELOPER})
READERS = WRITERS | {Role.READER, Role.ACCOUNT_MANAGER, Role.REVIEWER, Role.SUPPORT}
REPLAYERS = WRITERS | {Role.SUPPORT}
# Those for whom the page of a call is, too.
CALL_READERS = frozenset({Role.OPERATOR, Role.OWNER, Role.DEVELOPER, Role.READER, Role.SUPPORT})

MESSAGE_TONES: Mapping[MessageState, str] = {
    MessageState.PLANNED: "calm",
    MessageState.SKIPPED: "calm",
    MessageState.QUEUED: "busy",
    MessageState.SENT: "busy",
    MessageState.DELIVERED: "good",
    MessageState.FAILED: "bad",
    MessageState.EXPIRED: "warn",
}
TEMPLATE_TONES: Mapping[TemplateState, str] = {
    TemplateState.DRAFT: "calm",
    TemplateState.IN_REVIEW: "busy",
    TemplateState.APPROVED: "good",
    TemplateState.REJECTED: "bad",
    TemplateState.RETIRED: "calm",
}
