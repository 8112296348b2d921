"""Applications as clients of the authorization server: their public keys, and assertions used."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import delete, insert, select

from clicktodial.accounts.application import ApplicationDesk
from clicktodial.accounts.public_key import PublicKeys, parse_jwks
from clicktodial.domain.access import ALL_SCOPES, AccessScope
from clicktodial.domain.principal import Principal
from clicktodial.domain.wording import worded
from clicktodial.storage import oauth_table, table
from clicktodial.storage.administration import Administration
from clicktodial.storage.error import AlreadyExists, NotFound, ValueInvalid
from clicktodial.storage.statement import upsert
from clicktodial.storage.table import URL_CHARACTERS_MAX
from clicktodial.storage.transaction import Transactions

# Of a table that is looked through: one transaction holds the write lock no longer than this takes.
REMOVED_AT_ONCE_MAX = 500


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """How an application proves itself: by keys that it registered, or keeps at a URI; by neither
    of them where both are None."""

    jwks: str | None = None
    jwks_uri: str | None = None

    def parse(self) -> PublicKeys:
        """The registered keys. Raises ValueInvalid."""
        return PublicKeys() if self.jwks is None else parse_jwks(self.jwks)


@dataclass(frozen=True, slots=True)
class ClientDetail:
    """What an application's access tokens are given for, and may allow."""

    keys: ClientKeys
    scopes: frozenset[AccessScope] = ALL_SCOPES


class OauthClients:
    """All methods raise AdministrationError and DatabaseUnavailable."""

    def __init__(self, transactions: Transactions, administration: Administration) -> None:
        self._transactions = transactions
        self._administration = administration

    def keys(self, app_id: str) -> ClientKeys:
        """Of any application; none where it registered none."""
        columns = oauth_table.oauth_client.c
        query = select(columns.jwks, columns.jwks_uri).where(columns.app_id == app_id)
        with self._transactions.read() as connection:
            row = connection.execute(query).first()
        return ClientKeys() if row is None else ClientKeys(row.jwks, row.jwks_uri)

    def show(self, app_id: str) -> ClientDetail:
        """One application. Raises NotFound."""
        detail = self._administration.show_application(app_id)
        return ClientDetail(self.keys(app_id), detail.scopes)

    def set_keys(self, app_id: str, keys: ClientKeys) -> None:
        """By these alone it proves itself from now on. Tokens that were given out go on."""
        checked = self._check(app_id, keys)
        with self._transactions.change(concerns_calls=False) as connection:
            found = select(table.application.c.app_id).where(table.application.c.app_id == app_id)
            if connection.scalar(found) is None:
                raise NotFound(worded("there is no application %(app_id)s", app_id=app_id))
            row = {"app_id": app_id, "jwks": checked.jwks, "jwks_uri": checked.jwks_uri}
            connection.execute(upsert(oauth_table.oauth_client, connection.dialect, row))

    def set_scopes(self, app_id: str, scopes: frozenset[AccessScope]) -> None:
        """What its tokens allow at most, those that were given out included."""
        self._administration.set_scopes(app_id, scopes)

    def use_assertion(self, app_id: str, jti: str, expires_at: datetime) -> bool:
        """Whether it is used for the first time; from now on it was."""
        try:
            with self._transactions.change(concerns_calls=False) as connection:
                connection.execute(
                    insert(oauth_table.oauth_assertion).values(
                        app_id=app_id, jti_hash=_hash(jti), expires_at=expires_at
                    )
                )
        except AlreadyExists:
            return False
        return True

    def forget_assertions(self, now: datetime) -> int:
        """Remove some that have ended, which nobody takes any more; returns how many."""
        columns = oauth_table.oauth_assertion.c
        some = (
            select(columns.app_id, columns.jti_hash)
            .where(columns.expires_at < now)
            .limit(REMOVED_AT_ONCE_MAX)
        )
        with self._transactions.change(concerns_calls=False) as connection:
            rows = connection.execute(some).all()
            for row in rows:
                connection.execute(
                    delete(oauth_table.oauth_assertion).where(
                        columns.app_id == row.app_id, columns.jti_hash == row.jti_hash
                    )
                )
        return len(rows)

    def _check(self, app_id: str, keys: ClientKeys) -> ClientKeys:
        if keys.jwks is not None and keys.jwks_uri is not None:
            raise ValueInvalid("give a JWK set or the URI of one, not both")
        if keys.jwks is not None:
            return ClientKeys(jwks=parse_jwks(keys.jwks).encode())
        if keys.jwks_uri is not None:
            detail = self._administration.show_application(app_id)
            uri = check_jwks_uri(keys.jwks_uri, allows_http=detail.allow_private_addresses)
            return ClientKeys(jwks_uri=uri)
        return ClientKeys()


class OauthClientDesk:
    """The same for people, who see only what is theirs: NotFound also for what is another's."""

    def __init__(self, clients: OauthClients, desk: ApplicationDesk) -> None:
        self._clients = clients
        self._desk = desk

    def enterprise_of(self, principal: Principal, app_id: str) -> str:
        """Whose the application is."""
        return self._desk.enterprise_of(principal, app_id)

    def show(self, principal: Principal, app_id: str) -> ClientDetail:
        """One application."""
        self._desk.enterprise_of(principal, app_id)
        return self._clients.show(app_id)

    def set_keys(self, principal: Principal, app_id: str, keys: ClientKeys) -> None:
        """See OauthClients."""
        self._desk.enterprise_of(principal, app_id)
        self._clients.set_keys(app_id, keys)

    def set_scopes(self, principal: Principal, app_id: str, scopes: frozenset[AccessScope]) -> None:
        """See OauthClients."""
        self._desk.enterprise_of(principal, app_id)
        self._clients.set_scopes(app_id, scopes)


def check_jwks_uri(text: str, *, allows_http: bool) -> str:
    """Where a JWK set is. Raises ValueInvalid. Whoever answers there decides who gets tokens: so
    only over TLS, but for applications that may be on this machine."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueInvalid("the JWKS URI cannot be read") from error
    is_plain = text.isascii() and text.isprintable() and " " not in text
    if len(text) > URL_CHARACTERS_MAX or not is_plain or "#" in text or "@" in parts.netloc:
        raise ValueInvalid("the JWKS URI is too long, or holds what no such URI does")
    schemes = ("https", "http") if allows_http else ("https",)
    if parts.scheme not in schemes or not parts.hostname or port == 0:
        raise ValueInvalid(
            worded("the JWKS URI must be %(names)s://HOST[:PORT]/PATH", names=" or ".join(schemes))
        )
    return text


def _hash(jti: str) -> str:
    return hashlib.sha256(jti.encode("utf-8", "replace")).hexdigest()
