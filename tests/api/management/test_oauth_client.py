"""Keys and scopes of access tokens over the management API."""

from typing import Any

import pytest
from joserfc.jwk import ECKey
from tests.api.management.support import APPLICATION, Management
from tests.api.support import APP_ID

from clicktodial.domain.access import ALL_SCOPES

PATH = f"/applications/{APP_ID}/oauth"
KEY = ECKey.generate_key("P-256", {"kid": "first"})
JWKS = {"keys": [KEY.as_dict(private=False)]}


async def test_keys_and_scopes_change_as_they_are_given(management: Management) -> None:
    scopes = sorted(ALL_SCOPES)
    none = {"jwks": None, "jwks_uri": None, "scopes": scopes}
    assert (await management.ask("GET", PATH)).json == none
    assert (await management.ask("PATCH", PATH, {"jwks": JWKS})).json == none | {"jwks": JWKS}
    uri = {"jwks_uri": "https://app.example/jwks.json"}
    assert (await management.ask("PATCH", PATH, uri)).json == none | uri
    answer = await management.ask("PATCH", PATH, {"scopes": scopes[:2]})
    assert answer.json == none | uri | {"scopes": scopes[:2]}
    assert (await management.ask("PATCH", PATH, {"scopes": scopes})).json == none | uri
    assert (await management.ask("PATCH", PATH, {"jwks": None})).json == none


@pytest.mark.parametrize(
    "change",
    [
        {"jwks": {"keys": []}},
        {"jwks": {"keys": [KEY.as_dict(private=True)]}},
        {"jwks": JWKS, "jwks_uri": "https://app.example/jwks.json"},
        {"jwks_uri": "http://app.example/jwks.json"},
        {"scopes": ["openid"]},
    ],
)
async def test_what_is_not_usable_changes_nothing(
    management: Management, change: dict[str, Any]
) -> None:
    before = (await management.ask("GET", PATH)).json
    answer = await management.ask("PATCH", PATH, change)
    assert (answer.status, answer.json["code"]) == (400, "invalid-value")
    assert (await management.ask("GET", PATH)).json == before


async def test_applications_do_not_change_their_own_keys(management: Management) -> None:
    answer = await management.ask("PATCH", PATH, {"jwks": JWKS}, credential=APPLICATION)
    assert (answer.status, answer.json["code"]) == (403, "not-permitted")
