"""A set that may say "perhaps" and is never wrong when it says "no" (B. H. Bloom, 1970)."""

from collections.abc import Hashable
from typing import Final

BITS: Final = 24
MASK: Final = (1 << BITS) - 1
WAYS: Final = 3


class Sieve:
    """Two MiB for a million members, of which one stranger in a hundred is taken for one.

    One thread adds, any may ask.
    """

    __slots__ = ("_bits",)

    def __init__(self) -> None:
        """Start empty; pages that no bit was set in take no memory."""
        self._bits = bytearray(1 << (BITS - 3))

    def add(self, member: Hashable) -> None:
        """Have it be a member from now on."""
        bits, code = self._bits, hash(member)
        place, step = code & MASK, (code >> BITS) | 1
        for _ in range(WAYS):
            bits[place >> 3] |= 1 << (place & 7)
            place = (place + step) & MASK

    def __contains__(self, member: Hashable) -> bool:
        """Tell whether it may be a member."""
        bits, code = self._bits, hash(member)
        place, step = code & MASK, (code >> BITS) | 1
        for _ in range(WAYS):
            if not bits[place >> 3] >> (place & 7) & 1:
                return False
            place = (place + step) & MASK
        return True
