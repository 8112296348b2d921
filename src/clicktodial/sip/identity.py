"""Who calls, as an INVITE tells it.

    header               says                             where
    From                 the number shown, or Anonymous   always (RFC 3323 4.1.1)
    P-Asserted-Identity  the number shown                 always (RFC 3325 9.1)
    Privacy              that it is not to be passed on   numbers that are hidden (RFC 3323 4.2)
    P-Charging-Vector    this leg, and who sent it        trunks into an IMS (RFC 7315 5.6)
    Identity, Date       a signature over both numbers    nodes with a certificate (RFC 8224 4)

A hidden number is not signed: a PASSporT names it in clear, and goes all the way to the party.
"""

from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from uuid import UUID, uuid4

import structlog

from clicktodial.control.port import LegPlan
from clicktodial.domain.number import mask_number
from clicktodial.domain.trunk import Trunk
from clicktodial.sip.error import PassportError
from clicktodial.sip.passport import PassportSigner
from clicktodial.sip.uri import bracket_host

log = structlog.get_logger()

# RFC 3323 4.1.1.2 and 4.1.1.3
ANONYMOUS_NAME = "Anonymous"
ANONYMOUS_URI = "sip:anonymous@anonymous.invalid"
# RFC 3323 4.2: whoever cannot keep the number from the party is to refuse the call.
_CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller of one INVITE. `from_name` is "" for none."""

    from_uri: str
    from_name: str
    headers: tuple[tuple[str, str], ...]


class IdentityWriter:
    """Tells the number shown as each trunk wants it; signs where there is a signer."""

    __slots__ = ("_create_uuid", "_signer", "_unix_s")

    def __init__(
        self,
        signer: PassportSigner | None = None,
        *,
        unix_s: Callable[[], float] | None = None,
        create_uuid: Callable[[], UUID] = uuid4,
    ) -> None:
        """A signer needs `unix_s`, the seconds since 1970."""
        if signer is not None and unix_s is None:
            raise ValueError("a signer needs a clock")
        self._signer = signer
        self._unix_s = unix_s
        self._create_uuid = create_uuid

    def create(self, plan: LegPlan, trunk: Trunk) -> Identity:
        """The identity of a leg on that trunk."""
        host = trunk.domain or bracket_host(trunk.host)
        shown = f"sip:{trunk.format_number(plan.shown)}@{host};user=phone"
        headers = [("P-Asserted-Identity", _create_asserted(plan, trunk, shown))]
        if plan.hides_number:
            headers += _create_privacy(trunk)
        if trunk.charging_vector:
            # TS 24.229 5.7.3: an application server that begins a session makes the identifier,
            # anew for each dialog, and says whose network it is.
            vector = f"icid-value={self._create_uuid().hex};orig-ioi={host}"
            headers.append(("P-Charging-Vector", vector))
        if plan.hides_number:
            return Identity(ANONYMOUS_URI, ANONYMOUS_NAME, tuple(headers))
        if trunk.signs_calls and self._signer is not None:
            headers += self._sign(self._signer, plan)
        return Identity(shown, "", tuple(headers))

    def _sign(self, signer: PassportSigner, plan: LegPlan) -> list[tuple[str, str]]:
        assert self._unix_s is not None
        now_s = int(self._unix_s())
        try:
            identity = signer.create_identity(
                shown=plan.shown,
                destinations=[plan.destination],
                issued_at_s=now_s,
                origination_id=self._create_uuid(),
            )
        except PassportError as error:
            # An unsigned call still rings; RFC 8224 leaves what it is worth to whoever verifies.
            log.warning("sip.call_unsigned", number=mask_number(plan.shown), error=str(error))
            return []
        # RFC 8224 4.1: a verifier compares both instants.
        return [("Date", formatdate(now_s, usegmt=True)), ("Identity", identity)]


def _create_asserted(plan: LegPlan, trunk: Trunk, shown: str) -> str:
    """P-Asserted-Identity; into an IMS both forms of a public identity (RFC 3325 9.1)."""
    return f"<{shown}>, <tel:{plan.shown}>" if trunk.charging_vector else f"<{shown}>"


def _create_privacy(trunk: Trunk) -> list[tuple[str, str]]:
    """The trunk must know who calls; RFC 3325 9.3 forbids it to pass that on."""
    headers = [("Privacy", ";".join(trunk.privacy))]
    if _CRITICAL in trunk.privacy:
        # RFC 3323 4.3: or a proxy that knows nothing of privacy would just send the call on.
        headers.append(("Proxy-Require", "privacy"))
    return headers
