"""What speaks SIP: the endpoint, the trunks, and what signs calls."""

import time
from dataclasses import dataclass
from pathlib import Path

from clicktodial.composition.foundation import Foundation
from clicktodial.config import ConfigError, SipSettings, StirSettings, parse_name_server
from clicktodial.sip.aio.endpoint import Listeners, SipEndpoint
from clicktodial.sip.aio.names import DnsNames
from clicktodial.sip.aio.resolver import TargetResolver
from clicktodial.sip.aio.telephony import TrunkTelephony
from clicktodial.sip.aio.tls import TlsListener
from clicktodial.sip.aio.tracer import SipTracer, TraceOf
from clicktodial.sip.aio.trunk_watch import TrunkWatch
from clicktodial.sip.error import PassportError
from clicktodial.sip.identity import IdentityWriter
from clicktodial.sip.passport import Attestation, PassportSigner
from clicktodial.sip.timer import Timers


@dataclass(frozen=True, slots=True)
class TelephonyParts:
    """Calls go out by `trunks`; `watch` asks these whether they are there."""

    endpoint: SipEndpoint
    trunks: TrunkTelephony
    watch: TrunkWatch


async def open_telephony(base: Foundation) -> TelephonyParts:
    """Listens from now on. Raises ConfigError, OSError."""
    sip, known = base.settings.sip, base.applications.trunks
    tracer = None if sip.trace == "off" else SipTracer(TraceOf(sip.trace))
    identities = IdentityWriter(create_signer(base.settings.stir), unix_s=time.time)
    endpoint = SipEndpoint(
        user_agent=sip.user_agent,
        advertised_host=sip.advertised_host,
        timers=create_timers(sip.t1_ms / 1000),
        on_message=None if tracer is None else tracer.tap,
    )
    await endpoint.start(sip.host, sip.port, listeners=_create_listeners(sip))
    base.stack.push_async_callback(endpoint.close)
    name_servers = [parse_name_server(server) for server in sip.name_servers]
    resolver = TargetResolver(DnsNames(name_servers, speaks=endpoint.speaks))
    trunks = TrunkTelephony(endpoint, known, resolver, identities=identities, tracer=tracer)
    base.stack.push_async_callback(trunks.close)
    watch = TrunkWatch(endpoint, known, trunks.states, trunks.resolve)
    watch.start()
    base.stack.push_async_callback(watch.close)
    return TelephonyParts(endpoint, trunks, watch)


def create_signer(settings: StirSettings) -> PassportSigner | None:
    """What signs calls, where there is a certificate. Raises ConfigError."""
    if settings.key_file is None or settings.certificate_url is None:
        return None
    try:
        key = Path(settings.key_file).read_bytes()
        attestation = Attestation(settings.attestation)
        return PassportSigner(key, settings.certificate_url, attestation)
    except OSError as error:
        raise ConfigError(f"stir.key_file: {error.strerror}") from error
    except PassportError as error:
        raise ConfigError(f"stir: {error}") from error


def create_timers(t1_s: float) -> Timers:
    """T2 shrinks with T1, so that a request has RFC 3261's eleven tries within 64*T1, not seven:
    of a network that loses 40 %, that is one BYE lost for good in 25,000 rather than in 600."""
    standard = Timers()
    ratio = standard.t2_s / standard.t1_s
    return Timers(t1_s=t1_s, t2_s=min(standard.t2_s, ratio * t1_s))


def _create_listeners(settings: SipSettings) -> Listeners:
    tls = None
    if settings.tls_port is not None:
        # That both files are given was checked with the settings.
        assert settings.tls_certificate_file is not None
        assert settings.tls_key_file is not None
        tls = TlsListener(
            settings.tls_port,
            settings.tls_certificate_file,
            settings.tls_key_file,
            settings.tls_ca_file,
        )
    return Listeners(
        has_tcp=settings.tcp,
        tls=tls,
        v6_host=settings.v6_host,
        v6_advertised_host=settings.v6_advertised_host,
    )
