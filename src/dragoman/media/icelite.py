"""The ICE agent that only answers (RFC 8445 §2.5, §7.3): checks in, answers out, a way found.

It is always controlled: a peer that takes itself for controlled, too, is told so (487), whereupon
it controls.
"""

import struct
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any, Final

from aioice.stun import Class, Message, Method, parse_message

from dragoman.media.remote import Credentials, Place
from dragoman.sdp.ice import Candidate

MOST_BELIEVED: Final = 64
"""Sources that have proved themselves, at most; more are not answered."""
_STRANGE: Final = (ValueError, KeyError, struct.error)
"""What aioice raises at STUN that is not as it should be."""
_HOST: Final = 126
"""The type preference of host candidates (RFC 8445 §5.1.2.2)."""
_LOCAL: Final = 65535


def host_candidate(component: int, address: str, port: int) -> Candidate:
    """Return our one candidate for a component, with the priority of RFC 8445 §5.1.2.1."""
    priority = (_HOST << 24) + (_LOCAL << 8) + 256 - component
    return Candidate("1", component, "udp", priority, address, port, "host")


def reachable(candidate: Candidate) -> Place | None:
    """Return where a candidate of a peer is; None where that is a name, or not of UDP.

    Names are mostly those of mDNS, which would ask our own network, and that is not the peer's.
    """
    try:
        address = ip_address(candidate.address)
    except ValueError:
        return None
    usable = candidate.transport.lower() == "udp" and 0 < candidate.port < 65536
    return (str(address), candidate.port) if usable else None


class Lite:
    """What one transport knows of its peer."""

    __slots__ = ("_lite", "_remote", "believed", "components", "credentials", "where")

    def __init__(self, credentials: Credentials, components: int = 1) -> None:
        """Answer who knows `credentials`, which are ours, for RTP, or RTP and RTCP."""
        self.credentials = credentials
        self.components = components
        self.believed: set[Place] = set()
        """Whence a check came that was signed with our password."""
        self.where: list[Place | None] = [None] * components
        """Where the peer wants to be sent to, by component."""
        self._remote: Credentials | None = None
        self._lite = False

    def expect(self, remote: Credentials, *, lite: bool, components: int) -> None:
        """Learn who the peer is, and how many components he has at most.

        `lite`: he only answers, too, and is where he says he is.
        """
        self._remote, self._lite = remote, lite
        del self.where[components:]

    @property
    def only_answers(self) -> bool:
        """Whether the peer is lite, too: he sends no checks, then."""
        return self._lite

    @property
    def selected(self) -> bool:
        """Whether there is a way for each component."""
        return None not in self.where

    def add(self, candidates: Sequence[Candidate]) -> None:
        """Learn where the peer may be: it matters only where he is lite (RFC 8445 §8.2)."""
        if not self._lite:
            return
        for each in candidates:
            index, place = each.component - 1, reachable(each)
            if place and 0 <= index < len(self.where) and self.where[index] is None:
                self.where[index] = place
                self.believed.add(place)

    def receive(self, component: int, data: bytes, source: Place) -> bytes | None:
        """Take STUN from `source`; return what to answer there, None: nothing."""
        try:
            message = parse_message(data)
        except _STRANGE:
            return None
        if message.message_class != Class.REQUEST or message.message_method != Method.BINDING:
            return None
        if not self._signed(message):
            return None
        attributes: dict[str, Any] = message.attributes
        if "ICE-CONTROLLED" in attributes:
            return self._reply(message, Class.ERROR, "ERROR-CODE", (487, "Role Conflict"))
        if source not in self.believed and len(self.believed) >= MOST_BELIEVED:
            return None
        self.believed.add(source)
        if "USE-CANDIDATE" in attributes and component < len(self.where):
            self.where[component] = source
        return self._reply(message, Class.RESPONSE, "XOR-MAPPED-ADDRESS", source)

    def _signed(self, message: Message) -> bool:
        """Tell whether a request is by who knows our password (§7.3, RFC 8489 §9.1.3)."""
        ours, colon, theirs = str(message.attributes.get("USERNAME", "")).partition(":")
        if not colon or ours != self.credentials.ufrag:
            return False
        if self._remote is not None and theirs != self._remote.ufrag:
            return False
        return message.check_message_integrity(self.credentials.password.encode())

    def _reply(self, request: Message, kind: Class, name: str, value: object) -> bytes:
        found = Message(Method.BINDING, kind, request.transaction_id, {name: value})
        found.add_message_integrity(self.credentials.password.encode())
        return bytes(found)
