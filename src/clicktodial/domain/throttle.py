"""How long attempts must wait, the more often they were made. Pure: time comes in."""

from dataclasses import dataclass

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


# Some 110 attempts a day at most, whatever anybody tries (NIST SP 800-63B-4 3.2.2 wants such a
# bound): a guess at a password that is on no list stays hopeless, and so does one at six digits.
LOGIN_TO_ACCOUNT = Throttle(free=5, first_wait_s=2, wait_s_max=900)
# An office behind one address mistypes more often than one person.
LOGIN_FROM_ADDRESS = Throttle(free=50, first_wait_s=2, wait_s_max=900)
# Mail that anybody can have sent, to an address and from one: nobody's mailbox is filled.
MAIL_TO_ADDRESS = Throttle(free=3, first_wait_s=300, wait_s_max=14_400)
MAIL_FROM_ADDRESS = Throttle(free=20, first_wait_s=60, wait_s_max=3_600)
