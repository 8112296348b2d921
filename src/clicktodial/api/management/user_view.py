"""Users as the management API answers them, and the values that bodies about them share."""

from typing import Annotated

from msgspec import Meta

from clicktodial.accounts.person import REGIONS_MAX, Person, PersonState
from clicktodial.accounts.token import TOKEN_CHARACTERS_MAX
from clicktodial.api.management.route import Parameter
from clicktodial.api.management.schema import Instant, Strict
from clicktodial.domain.password import PASSWORD_CHARACTERS_MAX, PASSWORD_CHARACTERS_MIN
from clicktodial.domain.principal import PERSON_ROLES, Role
from clicktodial.storage.people_table import EMAIL_CHARACTERS_MAX

Email = Annotated[str, Meta(min_length=3, max_length=EMAIL_CHARACTERS_MAX)]
Account = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        description="1-64 letters, digits, `.`, `_` or `-`; capitals count as small letters.",
    ),
]
# What is too long or too short to be one is refused with words of its own.
NewPassword = Annotated[
    str,
    Meta(
        max_length=1_024,
        description=f"{PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} characters of any "
        "kind, and none of those that everybody tries.",
    ),
]
Password = Annotated[str, Meta(max_length=1_024)]
Token = Annotated[
    str, Meta(max_length=TOKEN_CHARACTERS_MAX, description="Of the link in the mail.")
]
Code = Annotated[
    str,
    Meta(max_length=64, description="Six digits of the authenticator app, or a recovery code."),
]
Roles = Annotated[list[Role], Meta(min_length=1, max_length=len(PERSON_ROLES))]
Regions = Annotated[
    list[str],
    Meta(max_length=REGIONS_MAX, description="Of an account manager's enterprises; none is all."),
]

EXAMPLE_ID = "019a3f6e8b5c7d2e9f00112233445566"
USER_ID = Parameter("user_id", "The user.", {"type": "string", "maxLength": 64}, example=EXAMPLE_ID)


class UserView(Strict, frozen=True):
    """A user. `enterprise_id` is null for the operator's people; `has_totp` says whether there is
    a second factor."""

    user_id: str
    account: str
    email: str
    enterprise_id: str | None
    roles: list[Role]
    regions: list[str]
    state: PersonState
    has_totp: bool
    created_at: Instant
    seen_at: Instant | None


def render_user(person: Person) -> UserView:
    """As answered."""
    return UserView(
        user_id=person.person_id,
        account=person.account,
        email=person.email,
        enterprise_id=person.enterprise_id,
        roles=sorted(person.roles),
        regions=sorted(person.regions),
        state=person.state,
        has_totp=person.has_second_factor,
        created_at=person.created_at,
        seen_at=person.seen_at,
    )


USER_EXAMPLE = {
    "user_id": EXAMPLE_ID,
    "account": "zhang.wei",
    "email": "zhang.wei@example.com",
    "enterprise_id": "019a3f6e8b5c7d2e9f00112233445567",
    "roles": ["owner"],
    "regions": [],
    "state": "active",
    "has_totp": False,
    "created_at": "2026-03-01T12:00:00Z",
    "seen_at": None,
}
EMAIL_EXAMPLE = "zhang.wei@example.com"
PASSWORD_EXAMPLE = "correct horse battery staple"
TOKEN_EXAMPLE = "a_Zm9yIGV4YW1wbGUgb25seSwgbm8gdG9rZW4gYXQgYWxs"
