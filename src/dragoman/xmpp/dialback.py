"""Server Dialback: keys and elements (XEP-0220 §2, XEP-0185 §2)."""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest, new
from typing import Final

from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import StanzaError

NS: Final = "jabber:server:dialback"
FEATURE: Final = "urn:xmpp:features:dialback"
RESULT: Final = f"{{{NS}}}result"
VERIFY: Final = f"{{{NS}}}verify"
OFFER: Final = f"{{{FEATURE}}}dialback"
ERRORS: Final = f"{{{FEATURE}}}errors"


class Verdict(StrEnum):
    """What an answer says; a request has no `type` at all (XEP-0220 §2.2)."""

    VALID = "valid"
    INVALID = "invalid"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class VerifyQuery:
    """What is asked of the authoritative server (XEP-0220 §2.1.2).

    `local` is the domain of the receiving server, `remote` the one that claims to be sending,
    `id` the identifier of the stream on which it claims, `key` what it showed.
    """

    local: str
    remote: str
    id: str
    key: str

    def element(self) -> Element:
        """Return the `<db:verify/>` that asks it (step 2)."""
        addressed = {"from": self.local, "to": self.remote, "id": self.id}
        return Element(VERIFY, addressed, (self.key,))


def key(secret: bytes, receiving: str, originating: str, stream_id: str) -> str:
    """Return the key that shows who opened a stream (XEP-0185 §2): 64 hexadecimal digits."""
    hashed = sha256(secret).hexdigest().encode()
    return new(hashed, f"{receiving} {originating} {stream_id}".encode(), sha256).hexdigest()


def holds(secret: bytes, query: VerifyQuery) -> bool:
    """Tell whether the key of `query` was made with `secret`, by whichever process of ours."""
    expected = key(secret, query.local, query.remote, query.id)
    return compare_digest(expected.encode(), query.key.encode())


def request(local: str, remote: str, shown: str) -> Element:
    """Return the `<db:result/>` that asks to be let in (step 1)."""
    return Element(RESULT, {"from": local, "to": remote}, (shown,))


def answer(request: Element, outcome: Verdict | StanzaError) -> Element:
    """Return the answer to a `<db:result/>` or `<db:verify/>`: addresses swapped, `id` kept.

    A `StanzaError` is told as type "error" with the error inside (XEP-0220 §2.5).
    """
    attributes = {"from": request.get("to", ""), "to": request.get("from", "")}
    if (identifier := request.get("id")) is not None:
        attributes["id"] = identifier
    if isinstance(outcome, StanzaError):
        return Element(request.name, attributes | {"type": Verdict.ERROR}, (outcome.element(),))
    return Element(request.name, attributes | {"type": outcome})


def offer() -> Element:
    """Return the stream feature: dialback, with errors told gracefully (XEP-0220 §2.4)."""
    return Element(OFFER, None, (Element(ERRORS),))
