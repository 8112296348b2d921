"""`private_key_jwt` (RFC 7523): a client signs an assertion with a key that never leaves it."""

import time
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, OKPKey, RSAKey

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# An assertion is used at once; the platform takes none that lives for more than an hour.
_LIFETIME_S = 120
_CURVE_ALGORITHMS = {"P-256": "ES256", "Ed25519": "Ed25519"}


class PrivateKey:
    """A client that proves itself by a key; its public part is registered at the platform."""

    def __init__(
        self,
        client_id: str,
        key: str | bytes | Mapping[str, Any],
        *,
        kid: str | None = None,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        """`key` is PEM or a private JWK: RSA, P-256 or Ed25519. `kid` names it in the registered
        set; a JWK's own is the default. Raises ValueError."""
        self._client_id = client_id
        self._key, self._algorithm = _import_key(key)
        own = key.get("kid") if isinstance(key, Mapping) else None
        self._kid = kid or (own if isinstance(own, str) else None)
        self._unix_s = unix_s

    @property
    def client_id(self) -> str:
        """The APPID."""
        return self._client_id

    def prove(self, audience: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """See authority.Proof. An assertion is taken once: each request has its own."""
        from joserfc import jwt

        now = int(self._unix_s())
        header = {"alg": self._algorithm} | ({} if self._kid is None else {"kid": self._kid})
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": audience,
            "iat": now,
            "exp": now + _LIFETIME_S,
            "jti": str(uuid.uuid4()),
        }
        assertion = jwt.encode(header, claims, self._key, algorithms=[self._algorithm])
        return {}, {
            "client_id": self._client_id,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": assertion,
        }


def _import_key(key: str | bytes | Mapping[str, Any]) -> "tuple[RSAKey | ECKey | OKPKey, str]":
    # Cryptography is loaded by those only who sign.
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    kinds: dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]]
    kinds = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    imported: RSAKey | ECKey | OKPKey
    try:
        if isinstance(key, Mapping):
            imported = kinds[key["kty"]].import_key(dict(key))
        else:
            pem = key.encode() if isinstance(key, str) else key
            match load_pem_private_key(pem, None):
                case rsa.RSAPrivateKey():
                    imported = RSAKey.import_key(pem)
                case ec.EllipticCurvePrivateKey():
                    imported = ECKey.import_key(pem)
                case ed25519.Ed25519PrivateKey():
                    imported = OKPKey.import_key(pem)
                case _:
                    raise ValueError("another kind of key")
        if not imported.is_private:
            raise ValueError("a public key")
        if isinstance(imported, RSAKey):
            return imported, "RS256"
        return imported, _CURVE_ALGORITHMS[imported.curve_name]
    except (JoseError, KeyError, TypeError, ValueError) as error:
        raise ValueError("the key is no private key of RSA, P-256 or Ed25519") from error
