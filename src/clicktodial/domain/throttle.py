"""How long attempts must wait, the more often they were made. Pure: time comes in."""

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

# Whoever has not tried for so long begins anew.
FORGOTTEN_AFTER_S = 86_400


@dataclass(frozen=True, slots=True)
class Throttle:
    """`free` attempts need not wait; after that each wait is twice the one before, up to
    `wait_s_max`. Nobody is locked out for good, or whoever knows a name could do it to them."""

    free: int
    first_wait_s: int
    wait_s_max: int

    def wait_s(self, count: int) -> int:
        """How long after the attempt of that number the next one must wait."""
        if count < self.free:
            return 0
        doublings = min(count - self.free, 32)
        return min(self.wait_s_max, self.first_wait_s << doublings)


def network_of(address: str) -> str:
    """What attempts from an address are counted of: of IPv6 the 64 bits that are one customer's,
    who has as many addresses within them as they like."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> 64 << 64))


# Some 110 attempts a day at most at each of an account's names, its own and its email, whatever
# anybody tries (NIST SP 800-63B-4 3.2.2 wants such a bound; one for both would tell which belong
# together): a guess at a password that is on no list stays hopeless, and so does one at six digits.
LOGIN_TO_ACCOUNT = Throttle(free=5, first_wait_s=2, wait_s_max=900)
# An office behind one address mistypes more often than one person.
LOGIN_FROM_ADDRESS = Throttle(free=50, first_wait_s=2, wait_s_max=900)
# Mail that anybody can have sent, to an address and from one: nobody's mailbox is filled.
MAIL_TO_ADDRESS = Throttle(free=3, first_wait_s=300, wait_s_max=14_400)
MAIL_FROM_ADDRESS = Throttle(free=20, first_wait_s=60, wait_s_max=3_600)
# Whoever registers is somebody who invites. A whole team comes at once, and no more.
MAIL_FROM_ENTERPRISE = Throttle(free=200, first_wait_s=60, wait_s_max=3_600)
