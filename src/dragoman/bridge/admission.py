"""Which SIP requests are let in: from whom they claim to be, and where they want to go.

SIP authenticates no sender, and a gateway that carries for everybody is an open relay.  So a
request passes only between two domains whose DNS asks us to carry for them, and only when it
comes from where its sender's domain sends from, or over TLS from who shows that domain's
certificate (RFC 5922 §7.4).
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from dragoman.bridge.directory import Asker, Directory, Side, Standing
from dragoman.mapping.failure import Refused as MappingRefused
from dragoman.mapping.parties import asserted, sender_of
from dragoman.sip.message import Request, SipError
from dragoman.sip.uri import Uri

NOT_FROM_THERE: Final = "does not send from that address"
MOST_IDENTITIES: Final = 2
"""Asserted identities that are looked at: there are no more (RFC 3325 §9.1)."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """The request may pass: `sender` is who it is really from.

    `trusted` says that it came from an address that the configuration trusts, whose word about
    anybody is taken.
    """

    sender: Uri
    trusted: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """The request may not pass: `status` is the answer, `reason` is for the log.

    `stranger` says that its sender's domain does not send from there, whatever it asks for.
    """

    status: int
    reason: str
    stranger: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """The DNS is being asked about `domain`: judge again when it has answered."""

    domain: str


Verdict = Admitted | Refused | Wait
Vouched = Callable[[str], bool]
"""Tells whether the peer's certificate is for a domain; there is none without TLS."""
Check = tuple[Standing, Standing, int, str, str]
"""What is known, what it must be, and else: the answer, and the reason about a domain."""


class Admission:
    """The judge of SIP requests.

    `attached(host)` tells whether users of a SIP domain that has no XMPP records here can be
    given addresses of a component (XEP-0114).
    """

    def __init__(
        self,
        directory: Directory,
        attached: Callable[[str], bool],
        familiar: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Judge by what `directory` knows; `familiar(address)` was let in lately."""
        self._directory = directory
        self._attached = attached
        self._familiar = familiar
        self._last: tuple[Request, Verdict] | None = None

    def screen(
        self, request: Request, address: str, now: float, vouched: Vouched | None = None
    ) -> Refused | None:
        """Return what refuses a request for certain, as cheaply as can be told.

        A request that may have to wait for the DNS gets None here, and its answer from `judge`.
        """
        try:
            verdict = self.judge(request, address, now, vouched)
        except (SipError, MappingRefused) as error:
            return Refused(error.status, error.reason)
        self._last = (request, verdict)
        return verdict if isinstance(verdict, Refused) else None

    def judge(
        self, request: Request, address: str, now: float, vouched: Vouched | None = None
    ) -> Verdict:
        """Return what is to become of a request that came from the IP address `address`.

        A domain that the peer's certificate is `vouched` for is believed from any address.
        Raises SipError or mapping.failure.Refused when the addresses in it cannot be read.
        """
        if self._last is not None and self._last[0] is request:
            verdict, self._last = self._last[1], None
            if isinstance(verdict, Admitted):
                return verdict
        trusted = self._directory.trusted(address)
        asker = None if trusted else Asker(address, self._familiar(address))
        sender = sender_of(request, trusted=True) if trusted else None
        if sender is None:
            found = self._asserted(request, address, now, vouched, asker)
            if isinstance(found, Wait | Refused):
                return found
            sender = found or sender_of(request)
        for known, needed, status, reason, domain in self._checks(
            request.uri, request.method, sender.host, address, now, vouched, asker
        ):
            if known is needed:
                continue
            if known is Standing.UNKNOWN:
                return Wait(domain)
            if known is Standing.UNANSWERED:
                return Refused(504, f"the DNS does not answer for {domain}")
            return Refused(status, f"{domain} {reason}", stranger=reason is NOT_FROM_THERE)
        return Admitted(sender, trusted)

    def _asserted(
        self,
        request: Request,
        address: str,
        now: float,
        vouched: Vouched | None,
        asker: Asker | None,
    ) -> Uri | Wait | Refused | None:
        """Return P-Asserted-Identity where its own domain is who sends (RFC 3325 §9).

        While the DNS does not say whether it is, the request is nobody else's either.
        """
        unanswered = ""
        for uri in asserted(request)[:MOST_IDENTITIES]:
            if not uri.host:
                continue
            if vouched is not None and vouched(uri.host):
                return uri
            believed = self._directory.believes(uri.host, address, now, asker)
            if believed is Standing.YES:
                return uri
            if believed is Standing.UNKNOWN:
                return Wait(uri.host)
            if believed is Standing.UNANSWERED:
                unanswered = unanswered or uri.host
        if unanswered:
            return Refused(504, f"the DNS does not answer for {unanswered}")
        return None

    def _checks(
        self,
        target: Uri,
        method: str,
        origin: str,
        address: str,
        now: float,
        vouched: Vouched | None,
        asker: Asker | None,
    ) -> Iterator[Check]:
        """Yield the questions in order; a later one is asked when the earlier ones hold."""
        directory = self._directory
        if vouched is None or not vouched(origin):
            believed = directory.believes(origin, address, now, asker)
            yield believed, Standing.YES, 403, NOT_FROM_THERE, origin
        if method == "OPTIONS" and target.user is None:
            return
        served = directory.stands_for(Side.SIP, target.host, now, asker)
        yield served, Standing.YES, 403, "has no SIP records that lead here", target.host
        loop = directory.leads_here(Side.XMPP, target.host, now, asker)
        yield loop, Standing.NO, 482, "has both SIP and XMPP records that lead here", target.host
        stands = directory.stands_for(Side.XMPP, origin, now, asker)
        if not (stands is Standing.NO and self._attached(origin)):
            yield stands, Standing.YES, 403, "has no XMPP records that lead here", origin


class Complaints:
    """What was logged lately, so that a flood of the same is one line a minute."""

    def __init__(self, seconds: float = 60.0, most: int = 1024) -> None:
        """Let the same complaint be new again after `seconds`; remember `most` of them."""
        self._seconds = seconds
        self._most = most
        self._until: OrderedDict[str, float] = OrderedDict()

    def is_new(self, text: str, now: float) -> bool:
        """Tell whether `text` is worth a line now."""
        if self._until.get(text, now) > now:
            return False
        self._until.pop(text, None)
        self._until[text] = now + self._seconds
        if len(self._until) > self._most:
            self._until.popitem(last=False)
        return True
