"""What the pages of members share: who may what, whose they are, and caps of calls."""

from clicktodial.domain.principal import Role
from clicktodial.domain.protection import CALL_CAP_MAX, CallCaps
from clicktodial.portal.form import Form
from clicktodial.portal.page import Visit

EDITORS = frozenset({Role.OWNER, Role.DEVELOPER})
READERS = EDITORS | {Role.READER}


def own_enterprise(visit: Visit) -> str:
    """The enterprise of who asks: the roles are a customer's."""
    own = visit.principal.enterprise_id
    assert own is not None
    return own


def read_caps(form: Form) -> CallCaps:
    """The two caps of a form; what is wrong is noted there."""
    return CallCaps(
        per_day=form.whole("per_day", least=1, most=CALL_CAP_MAX, is_required=False),
        per_month=form.whole("per_month", least=1, most=CALL_CAP_MAX, is_required=False),
    )
