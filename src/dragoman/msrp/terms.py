"""What the two sides of a session agree on (RFC 4975 §8.6, §8.9; RFC 6135 §4; RFC 6714 §4)."""

from collections.abc import Sequence
from dataclasses import dataclass

from dragoman.sdp.session import Direction


@dataclass(frozen=True, slots=True)
class Terms:
    """What one side's SDP says it takes (RFC 4975 §8.6, §8.9); types as written there."""

    accept_types: Sequence[str] = ("*",)
    accept_wrapped_types: Sequence[str] = ()
    max_size: int | None = None
    direction: Direction = Direction.SENDRECV

    def accepts(self, content_type: str, wrapped: str | None = None) -> bool:
        """Tell whether this may be sent: `*` and `type/*` count; parameters do not.

        `wrapped` is the type inside a container such as message/cpim: it may be listed in either
        list, while `content_type` itself must be in `accept_types`.
        """
        if not listed(content_type, self.accept_types):
            return False
        if wrapped is None:
            return True
        return listed(wrapped, self.accept_types) or listed(wrapped, self.accept_wrapped_types)


@dataclass(frozen=True, slots=True)
class Meeting:
    """Who connects, and to where, as offer and answer have it (RFC 6135 §4, RFC 6714 §4).

    `address` is where to connect instead of the first URI of the path: the c= and m= lines, with
    CEMA. `fingerprints` are those of a=fingerprint ("sha-256 AB:CD..."): where there are any, the
    peer's certificate must have one of them, and its name does not count. A peer that connects to
    us with another certificate does not get the session; one without any does, by its URI.
    """

    active: bool
    address: tuple[str, int] | None = None
    fingerprints: tuple[str, ...] = ()


def listed(content_type: str, types: Sequence[str]) -> bool:
    """Tell whether a media type is among those of a=accept-types."""
    kind = content_type.partition(";")[0].strip()
    if kind in types or "*" in types:
        return True  # as all do who write it alike
    kind = kind.lower()
    whole = kind.partition("/")[0] + "/*"
    return any(each.lower() in {kind, whole} for each in types)
