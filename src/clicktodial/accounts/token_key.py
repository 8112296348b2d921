"""The keys that access tokens are signed with, and the tokens that were revoked.

A key is *signing* from its making until another takes its place; from then on it is *retired* and
only verifies, for as long as tokens that it signed may live. Both, and each revocation, count up
the one version in `oauth_state`, by which every node takes them up.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import msgspec
import structlog
from joserfc.jwk import ECKey, Key, RSAKey, import_key
from sqlalchemy import Connection, delete, insert, select, update

from clicktodial.accounts.oauth_client import REMOVED_AT_ONCE_MAX
from clicktodial.storage.error import AlreadyExists, SecretUnreadable
from clicktodial.storage.oauth_table import oauth_key, oauth_revocation, oauth_state
from clicktodial.storage.secret import SecretVault, token_key_place
from clicktodial.storage.transaction import Transactions

log = structlog.get_logger()

Algorithm: TypeAlias = Literal["RS256", "ES256"]
# RFC 7518 3.3 wants 2048 at least; more would cost every request.
_RSA_BITS = 2_048
# A node may sign with the old key until it has heard of the new one, and clocks differ.
_HANDOVER_S = 60
_BUMP = update(oauth_state).values(version=oauth_state.c.version + 1)
_columns = oauth_key.c


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key of access tokens, private part included; `verifies_until` is None while it signs."""

    kid: str
    algorithm: str
    key: Key = field(repr=False)
    created_at: datetime
    verifies_until: datetime | None

    @property
    def is_signing(self) -> bool:
        return self.verifies_until is None


@dataclass(frozen=True, slots=True)
class TokenState:
    """What a node must know to verify tokens. `revoked` has when each would have ended, in seconds
    since 1970: all of them, or those since the version that was asked about."""

    version: int
    keys: tuple[TokenKey, ...]
    revoked: dict[str, float]


class TokenKeys:
    """All methods raise AdministrationError and DatabaseUnavailable."""

    def __init__(
        self,
        transactions: Transactions,
        vault: SecretVault,
        *,
        algorithm: Algorithm,
        token_lifetime_s: int,
    ) -> None:
        self._transactions = transactions
        self._vault = vault
        self._algorithm = algorithm
        self._lifetime = timedelta(seconds=token_lifetime_s + _HANDOVER_S)

    def ensure(self, now: datetime) -> None:
        """Have a key that signs."""
        self._replace(now, lambda signing: signing is None)

    def rotate(self, now: datetime, *, older_than_s: int = 0, revokes_old: bool = False) -> bool:
        """Sign with a new key, where the one that signs is so old; returns whether it was.

        The old one goes on verifying until its tokens have ended; one that `revokes_old` ends all
        tokens of every old key at once.
        """
        limit = now - timedelta(seconds=older_than_s)
        return self._replace(
            now,
            lambda signing: signing is None or signing <= limit,
            revokes_old=revokes_old,
        )

    def list_keys(self) -> list[TokenKey]:
        """All that verify, the newest first."""
        with self._transactions.read() as connection:
            return list(read_token_state(connection, self._vault, since=None).keys)

    def revoke(self, jti: str, expires_at: datetime) -> None:
        """That token is refused from now on; nothing happens where it is already."""
        try:
            with self._transactions.change(concerns_calls=False) as connection:
                connection.execute(_BUMP)
                connection.execute(
                    insert(oauth_revocation).values(
                        jti=jti,
                        version=select(oauth_state.c.version).scalar_subquery(),
                        expires_at=expires_at,
                    )
                )
        except AlreadyExists:
            return

    def remove_ended(self, now: datetime) -> int:
        """Remove keys that verify nothing any more, and some revocations of tokens that have
        ended; returns how many of the latter."""
        ended = oauth_revocation.c.expires_at < now
        some = select(oauth_revocation.c.jti).where(ended).limit(REMOVED_AT_ONCE_MAX)
        with self._transactions.change(concerns_calls=False) as connection:
            connection.execute(delete(oauth_key).where(_columns.verifies_until < now))
            found = connection.scalars(some).all()
            connection.execute(delete(oauth_revocation).where(oauth_revocation.c.jti.in_(found)))
        return len(found)

    def _replace(
        self,
        now: datetime,
        is_due: Callable[[datetime | None], bool],
        *,
        revokes_old: bool = False,
    ) -> bool:
        if not revokes_old:
            with self._transactions.read() as connection:
                if not is_due(_signing_since(connection)):
                    return False
        row = self._create_row(now)  # takes a while, and is done before anything is locked
        with self._transactions.change(concerns_calls=False) as connection:
            # Of two nodes that find it due, the second waits here for the first.
            connection.execute(_BUMP)
            if not revokes_old and not is_due(_signing_since(connection)):
                return False
            if revokes_old:
                connection.execute(delete(oauth_key))
            retired = {"retired_at": now, "verifies_until": now + self._lifetime}
            connection.execute(
                update(oauth_key).where(_columns.retired_at.is_(None)).values(retired)
            )
            connection.execute(insert(oauth_key).values(row))
        return True

    def _create_row(self, now: datetime) -> dict[str, object]:
        key: Key = (
            RSAKey.generate_key(_RSA_BITS)
            if self._algorithm == "RS256"
            else ECKey.generate_key("P-256")
        )
        kid = key.thumbprint()
        public = key.as_dict(private=False, kid=kid, use="sig", alg=self._algorithm)
        private = msgspec.json.encode(key.as_dict(private=True))
        return {
            "kid": kid,
            "algorithm": self._algorithm,
            "private_encrypted": self._vault.seal(private, token_key_place(kid)),
            "public_jwk": msgspec.json.encode(public).decode(),
            "created_at": now,
            "retired_at": None,
            "verifies_until": None,
        }


def read_token_version(connection: Connection) -> int:
    """How many changes of keys and revocations there were."""
    version: int = connection.execute(select(oauth_state.c.version)).scalar_one()
    return version


def read_token_state(
    connection: Connection, vault: SecretVault, *, since: int | None
) -> TokenState:
    """What verifies, and what was revoked since that version. A key that cannot be read, as after a
    change of the master key, is left out: the rest of the node has nothing to do with it."""
    version = read_token_version(connection)
    query = select(oauth_key).order_by(_columns.created_at.desc(), _columns.kid)
    keys = []
    for row in connection.execute(query):
        try:
            private = vault.open(row.private_encrypted, token_key_place(row.kid))
            key = import_key(msgspec.json.decode(private))
        except (SecretUnreadable, ValueError) as error:
            log.error("oauth.key_unreadable", kid=row.kid, error=str(error))
            continue
        keys.append(TokenKey(row.kid, row.algorithm, key, row.created_at, row.verifies_until))
    revoked = select(oauth_revocation.c.jti, oauth_revocation.c.expires_at)
    if since is not None:
        revoked = revoked.where(oauth_revocation.c.version > since)
    ends = {row.jti: row.expires_at.timestamp() for row in connection.execute(revoked)}
    return TokenState(version, tuple(keys), ends)


def _signing_since(connection: Connection) -> datetime | None:
    query = select(_columns.created_at).where(_columns.retired_at.is_(None))
    found: datetime | None = connection.execute(query).scalar()
    return found
