"""An authorization server over a database of its own, and clients that sign."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey
from jsonschema import Draft202012Validator
from litestar import Litestar
from sqlalchemy import update

from clicktodial.accounts.oauth_client import ClientKeys, OauthClients
from clicktodial.accounts.token_key import TokenKeys
from clicktodial.api.oauth.access_token import TokenVerifier
from clicktodial.api.oauth.client_authentication import ASSERTION_TYPE
from clicktodial.api.oauth.openapi import create_document
from clicktodial.api.oauth.token_directory import TokenDirectory
from clicktodial.domain.application import EnterpriseStatus
from clicktodial.storage import schema, table
from clicktodial.storage.administration import Administration
from clicktodial.storage.application_directory import ApplicationDirectory
from clicktodial.storage.transaction import Transactions

ISSUER = "https://platform.example"
TOKEN_URL = f"{ISSUER}/oauth/token"
APP_ID = "12345678"
OTHER_APP_ID = "87654321"
SECRET = "S3cret:with:colons+%"
# Made once: RSA keys take a while.
CLIENT_KEY = ECKey.generate_key("P-256", {"kid": "client-1"})
STRANGER_KEY = ECKey.generate_key("P-256", {"kid": "client-1"})
RSA_KEY = RSAKey.generate_key(2048, {"kid": "rsa-1"})


class Clock:
    """Seconds since 1970, which only tests move."""

    def __init__(self) -> None:
        # Whole, so that times of tokens are exact.
        self.now = float(int(time.time()))

    def unix_s(self) -> float:
        return self.now

    def utc(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    def move(self, seconds: float) -> None:
        self.now += seconds


def jwks(*keys: Key) -> str:
    """A JWK set of the public parts."""
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]})


@cache
def load_document() -> dict[str, Any]:
    """Of the authorization server."""
    return create_document(takes_secrets=True, version="0")


def validate_answer(path: str, answer: httpx.Response, method: str = "post") -> None:
    """Raises where the document does not have it."""
    document = load_document()
    told = document["paths"][path][method]["responses"][str(answer.status_code)]
    schema = told["content"][answer.headers["content-type"]]["schema"]
    Draft202012Validator({**schema, **document}).validate(answer.json())
    for name, header in told.get("headers", {}).items():
        assert name in answer.headers or not header.get("required")


@dataclass
class Rig:
    """One authorization server."""

    app: Litestar
    clock: Clock
    administration: Administration
    applications: ApplicationDirectory
    clients: OauthClients
    token_keys: TokenKeys
    directory: TokenDirectory
    verifier: TokenVerifier
    database_url: str
    transactions: Transactions
    http: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        transport = httpx.ASGITransport(app=cast(Any, self.app), client=("192.0.2.1", 1))
        self.http = httpx.AsyncClient(transport=transport, base_url=ISSUER)

    def read_database(self) -> bytes:
        """All that is written, to look for what must not be."""
        written = []
        with self.transactions.read() as connection:
            for each in schema.metadata.sorted_tables:
                query = f"SELECT * FROM {each.name}"
                written += [tuple(row) for row in connection.exec_driver_sql(query)]
        return repr(written).encode()

    def set_enterprise_status(self, status: EnterpriseStatus) -> None:
        """As a work order does in the end."""
        with self.transactions.change() as connection:
            connection.execute(update(table.enterprise).values(status=status.value))

    def register(self, *keys: Key, app_id: str = APP_ID) -> None:
        """Let the application prove itself by these."""
        self.clients.set_keys(app_id, ClientKeys(jwks=jwks(*keys)))

    def assertion(
        self,
        key: Key = CLIENT_KEY,
        *,
        alg: str = "ES256",
        header: Mapping[str, Any] | None = None,
        app_id: str = APP_ID,
        **claims: Any,
    ) -> str:
        """An assertion of the application, right but for what is given; a claim that is None is
        left out."""
        now = int(self.clock.now)
        made = {
            "iss": app_id,
            "sub": app_id,
            "aud": TOKEN_URL,
            "iat": now,
            "exp": now + 60,
            "jti": f"{time.perf_counter_ns()}",
        }
        given = {name: value for name, value in (made | claims).items() if value is not None}
        headers = {"alg": alg, "kid": key.kid} | dict(header or {})
        return jwt.encode(headers, given, key, algorithms=[alg])

    async def ask(self, path: str = "/oauth/token", **form: str) -> httpx.Response:
        """A request with that form, proved by an assertion unless it says otherwise. The answer
        is held against the document."""
        proof = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion()}
        basis = {"grant_type": "client_credentials"} if path == "/oauth/token" else {}
        answer = await self.http.post(path, data=basis | proof | form)
        validate_answer(path.partition("?")[0], answer)
        return answer

    async def ask_with(self, assertion: str, **form: str) -> httpx.Response:
        """The same with that assertion."""
        return await self.ask(client_assertion=assertion, **form)

    async def token(self, **form: str) -> str:
        """An access token."""
        answer = await self.ask(**form)
        assert answer.status_code == 200, answer.text
        text: str = answer.json()["access_token"]
        return text
