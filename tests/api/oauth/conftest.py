"""Fixtures of the authorization server's tests."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol

import pytest
import pytest_asyncio
from litestar import Litestar
from tests.api.oauth.support import (
    APP_ID,
    CLIENT_KEY,
    ISSUER,
    OTHER_APP_ID,
    SECRET,
    TOKEN_URL,
    Clock,
    Rig,
)
from tests.harness.database import DatabaseKind, open_database

from clicktodial.accounts.oauth_client import OauthClients
from clicktodial.accounts.token_key import TokenKeys
from clicktodial.api.oauth.access_token import TokenIssuer, TokenVerifier
from clicktodial.api.oauth.client_authentication import ClientAuthenticator, ClientNeeds
from clicktodial.api.oauth.endpoint import OauthNeeds, create_oauth_handlers
from clicktodial.api.oauth.external_provider import ExternalProvider
from clicktodial.api.oauth.jwks_fetcher import JwksFetcher
from clicktodial.api.oauth.token_directory import TokenDirectory
from clicktodial.api.request_gate import RequestGate
from clicktodial.storage.administration import Administration, NewApplication
from clicktodial.storage.application_directory import ApplicationDirectory
from clicktodial.storage.database import Database
from clicktodial.storage.engine import open_engine
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions
from clicktodial.web.request import peer_address
from clicktodial.web.worker import Worker

LIFETIME_S = 600


class CreateRig(Protocol):
    """Makes an authorization server on the database of the test."""

    async def __call__(
        self, *, takes_secrets: bool = False, external: ExternalProvider | None = None
    ) -> Rig: ...


def furnish(url: str) -> None:
    """Two applications."""
    engine = open_engine(url, "normal")
    administration = Administration(engine, SecretVault(bytes(32)), region="CN")
    for app_id in (APP_ID, OTHER_APP_ID):
        administration.create_application(NewApplication(app_id=app_id, secret=SECRET))
    engine.dispose()


@pytest.fixture
def database_url(database_kind: DatabaseKind, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a furnished database."""
    with open_database(database_kind, request, furnish=furnish) as url:
        yield url


@pytest_asyncio.fixture
async def fetcher() -> AsyncIterator[JwksFetcher]:
    """Fetches JWK sets."""
    fetcher = JwksFetcher()
    yield fetcher
    await fetcher.close()


@pytest_asyncio.fixture
async def create_rig(database_url: str, fetcher: JwksFetcher) -> AsyncIterator[CreateRig]:
    """Makes servers, all on one database."""
    clock, vault = Clock(), SecretVault(bytes(32))
    closing: list[Any] = []

    async def create(
        *, takes_secrets: bool = False, external: ExternalProvider | None = None
    ) -> Rig:
        database = Database(database_url, durability="normal")
        database.open()
        transactions, worker = Transactions(database.engine), Worker()
        administration = Administration(database.engine, vault, region="CN")
        applications = ApplicationDirectory(database, vault)
        directory = TokenDirectory(database, vault, unix_s=clock.unix_s)
        await applications.start()
        await directory.start()
        closing.extend((database, applications, directory, worker))
        clients = OauthClients(transactions, administration)
        # ECDSA: an RSA key for every test would take most of the time.
        keys = TokenKeys(transactions, vault, algorithm="ES256", token_lifetime_s=LIFETIME_S)
        verifier = TokenVerifier(
            directory,
            applications,
            issuer=ISSUER,
            audience=ISSUER,
            external=external,
            unix_s=clock.unix_s,
        )
        authenticator = ClientAuthenticator(
            ClientNeeds(
                applications=applications,
                clients=clients,
                fetcher=fetcher,
                worker=worker,
                audiences=frozenset({ISSUER, TOKEN_URL}),
                takes_secrets=takes_secrets,
                unix_s=clock.unix_s,
            )
        )
        needs = OauthNeeds(
            issuer=ISSUER,
            audience=ISSUER,
            authenticator=authenticator,
            token_issuer=TokenIssuer(
                issuer=ISSUER, audience=ISSUER, lifetime_s=LIFETIME_S, unix_s=clock.unix_s
            ),
            verifier=verifier,
            directory=directory,
            token_keys=keys,
            applications=applications,
            gate=RequestGate(),
            worker=worker,
            client_address=peer_address,
            takes_secrets=takes_secrets,
            utc=clock.utc,
            # Each request has waited long enough.
            now=_seconds_apart(),
        )
        app = Litestar(create_oauth_handlers(needs), openapi_config=None, logging_config=None)
        return Rig(
            app=app,
            clock=clock,
            administration=administration,
            applications=applications,
            clients=clients,
            token_keys=keys,
            directory=directory,
            verifier=verifier,
            database_url=database_url,
            transactions=transactions,
        )

    yield create
    for part in reversed(closing):
        await part.close()


def _seconds_apart() -> Any:
    now = [0.0]

    def read() -> float:
        now[0] += 1.0
        return now[0]

    return read


@pytest_asyncio.fixture
async def rig(create_rig: CreateRig) -> Rig:
    """A server whose one application has a key."""
    rig = await create_rig()
    rig.register(CLIENT_KEY)
    return rig
