"""Throttle: whoever guesses passwords must wait longer and longer."""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from realtime.stream.clock import monotonic_s

FREE = 5
"""The first wrong passwords cost no wait: people mistype, and browsers try again."""
MAX_WAIT_S = 60.0
FORGIVEN_S = 600.0
"""After this long without a wrong password, earlier ones no longer count. A right one changes
nothing: a guesser may share the address of someone who knows the password."""
KEPT = 4096
"""The most addresses remembered; then the oldest is dropped."""


class Throttle:
    """Counts wrong passwords by address; for IPv6, by the 64-bit network of a household. Use it in
    one thread, that of an event loop."""

    def __init__(self, now: Callable[[], float] = monotonic_s) -> None:
        self._now = now
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Return how long `address` must wait before its next password is checked."""
        _, until_s = self._wrong.get(find_household(address), (0, 0.0))
        return max(0.0, until_s - self._now())

    def count(self, address: str) -> None:
        """Count a wrong password from `address`."""
        household = find_household(address)
        before, until_s = self._wrong.pop(household, (0, 0.0))
        wrong = 1 if self._now() - until_s > FORGIVEN_S else before + 1
        pause_s = min(MAX_WAIT_S, 2.0 ** min(wrong - FREE, 16)) if wrong >= FREE else 0.0
        self._wrong[household] = wrong, self._now() + pause_s
        while len(self._wrong) > KEPT:
            self._wrong.popitem(last=False)


def find_household(address: str) -> str:
    """Return what one household shares: an IPv4 address, or the first 64 bits of an IPv6 one."""
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:  # a socket of this machine
        return address
    if isinstance(known, IPv6Address) and known.ipv4_mapped is None:
        return known.exploded[:19]
    return str(known)
