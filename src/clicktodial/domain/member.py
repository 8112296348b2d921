"""Members of an enterprise: its own people, by the numbers that they call from."""

from dataclasses import dataclass

from clicktodial.domain.protection import NO_CAPS, CallCaps


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberProfile:
    """What an enterprise says of a member; empty is nothing. `department` is a name."""

    e164: str
    name: str = ""
    department: str = ""
    employee_id: str = ""
    note: str = ""
    caps: CallCaps = NO_CAPS

    def __repr__(self) -> str:
        return "MemberProfile(...)"  # a person's; reprs end up in logs
