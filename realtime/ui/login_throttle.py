"""Throttle: whoever guesses passwords waits longer and longer."""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from realtime.stream.clock import monotonic_s

FREE = 5
"""Wrong answers in a row without a wait: people mistype, and browsers ask again."""
LONGEST_S = 60.0
FORGIVEN_S = 600.0
"""After so long without a wrong answer, earlier ones no longer count. A right one changes nothing:
who guesses may share the address of who knows."""
KEPT = 4096
"""Addresses that are remembered; the oldest make room."""


class Throttle:
    """Counts wrong answers by address; of IPv6 by the network of 64 bits that one household has.
    One thread, an event loop's."""

    def __init__(self, now: Callable[[], float] = monotonic_s) -> None:
        self._now = now
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """How long `address` has to wait until another answer is looked at; 0: not at all."""
        _, until_s = self._wrong.get(network(address), (0, 0.0))
        return max(0.0, until_s - self._now())

    def count(self, address: str) -> None:
        """A wrong answer came from `address`."""
        household = network(address)
        before, until_s = self._wrong.pop(household, (0, 0.0))
        wrong = 1 if self._now() - until_s > FORGIVEN_S else before + 1
        pause_s = min(LONGEST_S, 2.0 ** min(wrong - FREE, 16)) if wrong >= FREE else 0.0
        self._wrong[household] = wrong, self._now() + pause_s
        while len(self._wrong) > KEPT:
            self._wrong.popitem(last=False)


def network(address: str) -> str:
    """What one household has: an address, of IPv6 64 bits of it."""
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:  # a socket of this machine
        return address
    if isinstance(known, IPv6Address) and known.ipv4_mapped is None:
        return known.exploded[:19]
    return str(known)
