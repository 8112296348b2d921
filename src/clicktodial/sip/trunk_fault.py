"""Whether a leg's end was the trunk's fault, so that another trunk may be asked.

Nobody may be rung twice: a party who is busy, declined or did not answer has been asked. So only
what says that the call never came as far as the party is a trunk's fault. A Q.850 cause that the
network told (RFC 3326) is worth more than the SIP status, which RFC 3398 7.2.4.1 makes of it.
"""

from clicktodial.domain.cause import LegCause

# No circuit, network out of order, temporary failure, switching congestion, channel not
# available, resource unavailable: ITU-T Q.850 2.2.7.1.4 and 2.2.7.2.
_NETWORK_Q850 = frozenset({34, 38, 41, 42, 44, 47})
# 401 and 407: our credentials are not the trunk's. 500, 502, 503, 504, 505: its servers.
# Not 403 (a party's barring, Q.850 21), not 480 and 408 (nobody answered), not 404, 410, 484 and
# 604 (the number), not 488 and 606 (what we offer, which others would be offered too).
_TRUNK_STATUSES = frozenset({401, 407, 500, 502, 503, 504, 505})


def is_trunk_fault(cause: LegCause) -> bool:
    """Of an end before any sign of ringing, early media or an answer."""
    # Without one the cause is our own, made of the status.
    if "q.850" in cause.reason_header.lower():
        return cause.q850 in _NETWORK_Q850
    return cause.sip_status in _TRUNK_STATUSES
