"""TLS contexts from PEM files, read again when the files change: certificates are renewed."""

import os
import ssl
from dataclasses import dataclass, replace

from clicktodial.domain.trunk import TrunkTls


@dataclass(frozen=True, slots=True)
class TlsListener:
    """How we prove who we are to who connects. With `ca_file` they must prove it too."""

    port: int
    certificate_file: str
    key_file: str
    ca_file: str | None = None


# As many as there are trunks with certificates of their own.
_CONTEXTS_MAX = 256


class ClientContexts:
    """Contexts for connections that we open, one for each set of files. Blocks while it reads."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[TrunkTls, tuple[int, ...]], ssl.SSLContext] = {}

    def get(self, tls: TrunkTls) -> ssl.SSLContext:
        """The context for such trunks. Raises OSError (ssl.SSLError among them)."""
        files = (tls.ca_file, tls.certificate_file, tls.key_file)
        ages = tuple(os.stat(file).st_mtime_ns for file in files if file)
        key = replace(tls, server_name=None), ages
        context = self._contexts.get(key)
        if context is None:
            context = ssl.create_default_context(cafile=tls.ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if tls.certificate_file:
                context.load_cert_chain(tls.certificate_file, tls.key_file)
            while len(self._contexts) >= _CONTEXTS_MAX:
                del self._contexts[next(iter(self._contexts))]
            self._contexts[key] = context
        return context


def create_listener_context(listener: TlsListener) -> ssl.SSLContext:
    """For connections that we accept. Raises OSError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=listener.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(listener.certificate_file, listener.key_file)
    if listener.ca_file:
        context.verify_mode = ssl.CERT_REQUIRED
    return context
