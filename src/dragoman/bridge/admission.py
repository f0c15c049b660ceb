"""Which SIP requests are let in: from whom they claim to be, and where they want to go.

SIP authenticates no sender, and a gateway that carries for everybody is an open relay.  So a
request passes only between two domains whose DNS asks us to carry for them, and only when it
comes from where its sender's domain sends from.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dragoman.bridge.directory import Directory, Side, Standing
from dragoman.sip.header import NameAddress
from dragoman.sip.message import Request, SipError
from dragoman.sip.uri import Uri


@dataclass(frozen=True, slots=True)
class Admitted:
    """The request may pass; `sender` is who it is really from, `asserted` if that is not From."""

    sender: NameAddress
    asserted: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """The request may not pass: `status` is the answer, `reason` is for the log."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """The DNS is being asked: judge again when it has answered."""


Verdict = Admitted | Refused | Wait
Check = tuple[Standing, Standing, int, str, str]
"""What is known, what it must be, and else: the answer, and the reason about a domain."""


class Admission:
    """The judge of SIP requests.

    `attached(host)` tells whether users of a SIP domain that has no XMPP records here can be
    given addresses of a component (XEP-0114).
    """

    def __init__(self, directory: Directory, attached: Callable[[str], bool]) -> None:
        """Judge by what `directory` knows."""
        self._directory = directory
        self._attached = attached

    def screen(self, request: Request, address: str, now: float) -> int | None:
        """Return the status that refuses a request for certain, as cheaply as can be told.

        A request that may have to wait for the DNS gets None here, and its answer from `judge`.
        """
        try:
            verdict = self.judge(request, address, now)
        except SipError as error:
            return error.status
        return verdict.status if isinstance(verdict, Refused) else None

    def judge(self, request: Request, address: str, now: float) -> Verdict:
        """Return what is to become of a request that came from the IP address `address`.

        Raises SipError when the addresses in it cannot be read.
        """
        sender, asserted = self._sender(request, address, now)
        for known, needed, status, reason, domain in self._checks(request, sender, address, now):
            if known is needed:
                continue
            if known is Standing.UNKNOWN:
                return Wait()
            if known is Standing.UNANSWERED:
                return Refused(504, f"the DNS does not answer for {domain}")
            return Refused(status, f"{domain} {reason}")
        return Admitted(sender, asserted)

    def _sender(self, request: Request, address: str, now: float) -> tuple[NameAddress, bool]:
        """Return P-Asserted-Identity where its own domain sends from `address`, else From."""
        text = request.get("P-Asserted-Identity")
        if text is None:
            return request.from_, False
        for identity in NameAddress.parse_list(text):
            believed = self._directory.believes(identity.uri.host, address, now)
            if identity.uri.scheme in {"sip", "sips"} and believed is Standing.YES:
                return identity, True
        return request.from_, False

    def _checks(
        self, request: Request, sender: NameAddress, address: str, now: float
    ) -> Iterator[Check]:
        """Yield the questions in order; a later one is asked when the earlier ones hold."""
        directory, origin, target = self._directory, sender.uri.host, request.uri.host
        believed = directory.believes(origin, address, now)
        yield believed, Standing.YES, 403, "does not send from that address", origin
        if request.method == "OPTIONS" and request.uri.user is None:
            return
        served = directory.stands_for(Side.SIP, target, now)
        yield served, Standing.YES, 403, "has no SIP records that lead here", target
        loop = directory.leads_here(Side.XMPP, target, now)
        yield loop, Standing.NO, 482, "has both SIP and XMPP records that lead here", target
        stands = directory.stands_for(Side.XMPP, origin, now)
        if not (stands is Standing.NO and self._attached(origin)):
            yield stands, Standing.YES, 403, "has no XMPP records that lead here", origin
