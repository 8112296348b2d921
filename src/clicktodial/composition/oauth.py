"""The authorization server, and who knows which access tokens are good."""

import asyncio
from dataclasses import dataclass

import structlog
from litestar.handlers import HTTPRouteHandler

from clicktodial.accounts.oauth_client import REMOVED_AT_ONCE_MAX, OauthClients
from clicktodial.accounts.token_key import TokenKeys
from clicktodial.api.oauth.access_token import TokenIssuer, TokenVerifier
from clicktodial.api.oauth.client_authentication import ClientAuthenticator, ClientNeeds
from clicktodial.api.oauth.endpoint import OauthNeeds, create_oauth_handlers
from clicktodial.api.oauth.external_provider import create_external_provider
from clicktodial.api.oauth.jwks_fetcher import JwksFetcher
from clicktodial.api.oauth.path import TOKEN_PATH
from clicktodial.api.oauth.token_directory import TokenDirectory
from clicktodial.api.request_gate import RequestGate
from clicktodial.composition.foundation import Foundation
from clicktodial.config import Settings
from clicktodial.storage.error import StorageError
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions
from clicktodial.web.client_address import ClientAddresses
from clicktodial.web.worker import Worker

log = structlog.get_logger()

_UPKEEP_INTERVAL_S = 600
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Oauth:
    """What others ask of the part that gives out and verifies tokens."""

    clients: OauthClients
    verifier: TokenVerifier
    token_keys: TokenKeys


def create_token_keys(
    transactions: Transactions, vault: SecretVault, settings: Settings
) -> TokenKeys:
    """The keys of access tokens."""
    return TokenKeys(
        transactions,
        vault,
        algorithm=settings.oauth.algorithm,
        token_lifetime_s=settings.oauth.token_lifetime_s,
    )


async def open_oauth(
    base: Foundation, *, gate: RequestGate, addresses: ClientAddresses
) -> tuple[Oauth, list[HTTPRouteHandler]]:
    """Tokens are verified from now on. Raises ConfigError and StoreError."""
    settings, issuer = base.settings.oauth, base.settings.issuer
    audience = settings.audience or issuer
    fetcher, worker = JwksFetcher(), Worker()
    base.stack.push_async_callback(fetcher.close)
    base.stack.push_async_callback(worker.close)
    directory = TokenDirectory(base.database, base.vault)
    external = create_external_provider(settings, fetcher)
    await directory.start()
    base.stack.push_async_callback(directory.close)
    clients = OauthClients(base.transactions, base.administration)
    token_keys = create_token_keys(base.transactions, base.vault, base.settings)
    verifier = TokenVerifier(
        directory, base.applications, issuer=issuer, audience=audience, external=external
    )
    authenticator = ClientAuthenticator(
        ClientNeeds(
            applications=base.applications,
            clients=clients,
            fetcher=fetcher,
            worker=worker,
            audiences=frozenset({issuer, f"{issuer}/", issuer + TOKEN_PATH}),
            takes_secrets=settings.client_secrets,
        )
    )
    handlers = create_oauth_handlers(
        OauthNeeds(
            issuer=issuer,
            audience=audience,
            authenticator=authenticator,
            token_issuer=TokenIssuer(
                issuer=issuer, audience=audience, lifetime_s=settings.token_lifetime_s
            ),
            verifier=verifier,
            directory=directory,
            token_keys=token_keys,
            applications=base.applications,
            gate=gate,
            worker=worker,
            client_address=addresses.describe,
            takes_secrets=settings.client_secrets,
        )
    )
    base.background.run("oauth_upkeep", _keep_up(base, clients, token_keys))
    return Oauth(clients, verifier, token_keys), handlers


async def _keep_up(base: Foundation, clients: OauthClients, token_keys: TokenKeys) -> None:
    """Replace keys that are old, and remove what has ended."""
    older_than_s = base.settings.oauth.key_rotation_days * _DAY_S

    def keep_up() -> int:
        now = base.clock.utc()
        # The first key is made when the first token is asked for.
        if token_keys.list_keys() and token_keys.rotate(now, older_than_s=older_than_s):
            log.info("oauth.key_rotated")
        return max(clients.forget_assertions(now), token_keys.remove_ended(now))

    while True:
        removed = 0
        try:
            removed = await asyncio.to_thread(keep_up)
        except StorageError as error:
            log.error("oauth.upkeep_failed", error=str(error))
        if removed < REMOVED_AT_ONCE_MAX:
            await asyncio.sleep(_UPKEEP_INTERVAL_S)
