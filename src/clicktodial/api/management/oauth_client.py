"""`/applications/{app_id}/oauth`: by which keys an application gets access tokens, for what."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from clicktodial.accounts.oauth_client import ClientDetail, ClientKeys, OauthClientDesk
from clicktodial.accounts.public_key import KEYS_MAX
from clicktodial.api.management.application import APP_ID, CHANGING, READING
from clicktodial.api.management.problem import INVALID_VALUE, NOT_FOUND
from clicktodial.api.management.route import Ask, Route
from clicktodial.api.management.schema import Strict
from clicktodial.api.management.worker import Worker
from clicktodial.domain.access import AccessScope
from clicktodial.storage.table import URL_CHARACTERS_MAX

_Jwks = Annotated[
    dict[str, Any],
    Meta(description=f"Its public keys (RFC 7517), 1 to {KEYS_MAX}: RSA, P-256 or Ed25519."),
]
_Uri = Annotated[
    str,
    Meta(min_length=1, max_length=URL_CHARACTERS_MAX, description="Where it keeps that set."),
]
_Scopes = Annotated[
    tuple[AccessScope, ...],
    Meta(
        max_length=len(AccessScope),
        description="What its tokens allow at most; the list is given whole.",
    ),
]


class OauthClientView(Strict, frozen=True):
    """By which keys the application proves itself to the token endpoint, or where they are, and
    what its tokens allow at most. Both null: by none."""

    jwks: _Jwks | None
    jwks_uri: _Uri | None
    scopes: list[AccessScope]


class OauthClientChange(Strict, frozen=True):
    """What changes. A JWK set takes the place of a URI, and the other way round; null takes both
    away."""

    jwks: _Jwks | UnsetType | None = UNSET
    jwks_uri: _Uri | UnsetType | None = UNSET
    scopes: _Scopes | UnsetType = UNSET


class OauthClientResource:
    """Applications as clients of the authorization server."""

    def __init__(self, desk: OauthClientDesk, worker: Worker) -> None:
        self._desk = desk
        self._worker = worker

    async def show(self, ask: Ask) -> OauthClientView:
        """GET"""
        app_id = ask.path["app_id"]
        return _render(await self._worker.run(lambda: self._desk.show(ask.principal, app_id)))

    async def change(self, ask: Ask) -> OauthClientView:
        """PATCH"""
        body = await ask.read(OauthClientChange)
        app_id, desk, who = ask.path["app_id"], self._desk, ask.principal
        keys = _keys_of(body)

        def change() -> ClientDetail:
            ask.notes.enterprise_id = desk.enterprise_of(who, app_id)
            if keys is not None:
                desk.set_keys(who, app_id, keys)
            if not isinstance(body.scopes, UnsetType):
                desk.set_scopes(who, app_id, frozenset(body.scopes))
            return desk.show(who, app_id)

        return _render(await self._worker.run(change))

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        shared: dict[str, Any] = {
            "path": "/applications/{app_id}/oauth",
            "tag": "Applications",
            "parameters": (APP_ID,),
            "answer": OauthClientView,
            "answer_example": _EXAMPLE,
        }
        return [
            Route(
                name="showOauthClient",
                method="GET",
                summary="Read the keys and scopes of access tokens",
                about="The public keys whose assertions are answered with a token.",
                roles=READING,
                handle=self.show,
                problems=(NOT_FOUND,),
                **shared,
            ),
            Route(
                name="changeOauthClient",
                method="PATCH",
                summary="Change the keys and scopes of access tokens",
                about="Only what is given changes. Keys hold for tokens to come: those that were "
                "given out end by themselves, or are revoked. Scopes hold at once for all.",
                roles=CHANGING,
                handle=self.change,
                body=OauthClientChange,
                body_example={"jwks_uri": "https://app.example/jwks.json"},
                problems=(NOT_FOUND, INVALID_VALUE),
                **shared,
            ),
        ]


def _keys_of(body: OauthClientChange) -> ClientKeys | None:
    """The keys that take the place of those before; None where none are given."""
    if isinstance(body.jwks, UnsetType) and isinstance(body.jwks_uri, UnsetType):
        return None
    jwks = None if isinstance(body.jwks, UnsetType) else body.jwks
    uri = None if isinstance(body.jwks_uri, UnsetType) else body.jwks_uri
    return ClientKeys(None if jwks is None else msgspec.json.encode(jwks).decode(), uri)


def _render(detail: ClientDetail) -> OauthClientView:
    jwks = detail.keys.jwks
    return OauthClientView(
        jwks=None if jwks is None else msgspec.json.decode(jwks),
        jwks_uri=detail.keys.jwks_uri,
        scopes=sorted(detail.scopes),
    )


_EXAMPLE = {
    "jwks": None,
    "jwks_uri": "https://app.example/jwks.json",
    "scopes": ["click-to-dial:calls:create", "click-to-dial:calls:read"],
}
