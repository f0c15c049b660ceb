"""Sessions of a scripted phone: INVITE, ACK, BYE, CANCEL as texts (RFC 3261 §12, §13, §15)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from dragoman.testing.siptext import SipText, parameter

SDP = "application/sdp"
METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "PRACK", "UPDATE", "INFO")
"""What a phone takes that has calls."""


def invite(
    sender: str,
    to: str,
    sdp: bytes,
    contact: str,
    token: Callable[[], str],
    headers: Sequence[tuple[str, str]] = (),
) -> SipText:
    """Return the INVITE of a new call, without its Via; without `sdp` it has no offer."""
    kind = (("Content-Type", SDP),) if sdp else ()
    return SipText(
        f"INVITE {to} SIP/2.0",
        (
            ("Max-Forwards", "70"),
            ("From", f"<{sender}>;tag={token()}"),
            ("To", f"<{to}>"),
            ("Call-ID", token()),
            ("CSeq", "1 INVITE"),
            ("Contact", contact),
            ("Allow", ", ".join(METHODS)),
            *headers,
            *kind,
        ),
        sdp,
    )


@dataclass(slots=True, eq=False)
class Call:
    """One end of a dialog: From and To of our requests with their tags, where they go, by whom."""

    call_id: str
    local: str
    remote: str
    target: str
    contact: str
    route: tuple[str, ...] = ()
    cseq: int = 1
    invite_cseq: int = 1

    @classmethod
    def placed(cls, request: SipText, response: SipText) -> Self:
        """Return the call that a response to our INVITE makes."""
        return cls(
            request.get("Call-ID") or "",
            request.get("From") or "",
            response.get("To") or "",
            _uri(response.get("Contact") or request.target),
            request.get("Contact") or "",
            tuple(_routes(response)[::-1]),
        )

    @classmethod
    def taken(cls, request: SipText, to: str, contact: str) -> Self:
        """Return the call that an INVITE makes which was answered with the To `to`."""
        return cls(
            request.get("Call-ID") or "",
            to,
            request.get("From") or "",
            _uri(request.get("Contact") or ""),
            contact,
            tuple(_routes(request)),
            cseq=0,
        )

    def request(
        self,
        method: str,
        body: bytes = b"",
        headers: Sequence[tuple[str, str]] = (),
        content_type: str = SDP,
    ) -> SipText:
        """Return the next request in the dialog, without its Via."""
        self.cseq += 1
        if method == "INVITE":
            self.invite_cseq = self.cseq
        kind = (("Content-Type", content_type),) if body else ()
        return self._text(method, self.cseq, (*headers, *kind), body)

    def ack(self, body: bytes = b"") -> SipText:
        """Return the ACK for the 2xx to the latest INVITE of ours."""
        kind = (("Content-Type", SDP),) if body else ()
        return self._text("ACK", self.invite_cseq, kind, body)

    def _text(
        self, method: str, number: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> SipText:
        routes = tuple(("Route", each) for each in self.route)
        return SipText(
            f"{method} {self.target} SIP/2.0",
            (
                *routes,
                ("Max-Forwards", "70"),
                ("From", self.local),
                ("To", self.remote),
                ("Call-ID", self.call_id),
                ("CSeq", f"{number} {method}"),
                ("Contact", self.contact),
                *headers,
            ),
            body,
        )


def to_same_hop(request: SipText, method: str, to: str) -> SipText:
    """Return the CANCEL of an INVITE, or the ACK of its refusal (§9.1, §17.1.1.3)."""
    names = {"via", "max-forwards", "from", "call-id", "route"}
    kept = [each for each in request.headers if each[0].lower() in names]
    number = (request.get("CSeq") or "1").split()[0]
    extra = (("To", to), ("CSeq", f"{number} {method}"))
    return SipText(f"{method} {request.target} SIP/2.0", (*kept, *extra))


def tagged(request: SipText) -> str:
    """Return the To of all responses to a request."""
    to = request.get("To") or ""
    if parameter(to, "tag"):
        return to
    return f"{to};tag=t{parameter(request.get('Via') or '', 'branch')}"


def _uri(contact: str) -> str:
    return contact.partition("<")[2].partition(">")[0] or contact.partition(";")[0]


def _routes(message: SipText) -> list[str]:
    return [each.strip() for line in message.get_all("Record-Route") for each in line.split(",")]
