"""Locating SIP servers (RFC 3263, RFC 2782): questions out, answers in, targets at the end."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Final, TypeAlias, cast

from dragoman.records import Answer, Chance, DnsFailure, Kind, Naptr, Question, Srv, in_order
from dragoman.sip.uri import Uri

MAX_QUESTIONS: Final = 40
"""How many questions one search may ask, whatever the answers say."""

MAX_TARGETS: Final = 32
"""How many targets one search may find."""

DATAGRAM_LIMIT: Final = 1300
"""The largest request that may go by UDP where the path's MTU is unknown (RFC 3261 §18.1.1)."""


class Transport(StrEnum):
    """How SIP messages travel, spelt as in a Via header field."""

    UDP = "UDP"
    TCP = "TCP"
    TLS = "TLS"
    WS = "WS"
    WSS = "WSS"

    @property
    def reliable(self) -> bool:
        """Whether the transport itself repeats what was lost."""
        return self is not Transport.UDP

    @property
    def port(self) -> int:
        """The port where none is named (RFC 3261 §18.1.1, RFC 7118 §5.5)."""
        return _PORTS.get(self, 5060)


_PORTS: Final = {Transport.TLS: 5061, Transport.WS: 80, Transport.WSS: 443}

SECURE: Final = frozenset({Transport.TLS, Transport.WSS})
"""The transports whose peers may have shown a certificate."""

DIALLED: Final = (Transport.UDP, Transport.TCP, Transport.TLS)
"""The transports by which a server is sought; a WebSocket only ever comes to us (RFC 7118 §5)."""


@dataclass(frozen=True, slots=True)
class Target:
    """One place to send a request to: an IP literal without brackets, and how to get there.

    `domain` is the host of the URI that was looked up: the name a certificate must bear. `local`
    is the domain of ours that sends: the name on the certificate that we show (RFC 5922 §5).
    """

    transport: Transport
    address: str
    port: int
    domain: str = ""
    local: str = ""


Search: TypeAlias = Generator[Question, Answer, list[Target]]

_SRV_LABELS: Final = {
    Transport.UDP: "_sip._udp",
    Transport.TCP: "_sip._tcp",
    Transport.TLS: "_sips._tcp",
}
_SERVICES: Final = {
    "SIP+D2U": Transport.UDP,
    "SIP+D2T": Transport.TCP,
    "SIPS+D2T": Transport.TLS,
}
_PARAMETERS: Final = {transport.lower(): transport for transport in Transport}


def locate(uri: Uri, *, supported: tuple[Transport, ...], size: int = 0, random: Chance) -> Search:
    """Find where a request for `uri` may be sent, best place first (RFC 3263 §4).

    Yields questions and takes answers; a question without answer is thrown in as DnsFailure.
    `supported` is in our order of preference, which decides where the domain leaves the choice;
    a request of more than 1300 bytes (`size`) prefers streams there. Returns no target where the
    URI names no host, a transport that we lack, or a domain without SIP service. Raises
    DnsFailure when nothing was found and some question went unanswered.
    """
    host = (uri.param("maddr") or uri.host).strip("[]").rstrip(".")
    usable = _usable(uri, supported, large=size > DATAGRAM_LIMIT)
    if not host or not usable:
        return []
    search = _Search(uri.host.strip("[]").rstrip("."), random)
    usual = _usual(usable, size)
    if is_address(host) or uri.port is not None:
        yield from search.host(usual, host, uri.port)
    else:
        if not uri.param("transport"):
            yield from search.named(usable, host)
        if search.empty:
            yield from search.services(usable, host, usual)
    return search.outcome()


def locate_sent_by(transport: Transport, host: str, port: int | None, *, random: Chance) -> Search:
    """Find where a response may be sent whose own way is gone, best place first (RFC 3263 §5).

    `host` and `port` are sent-by. An address is its own place; a name with a port has those of
    its addresses; one without has those of its SRV records for `transport`, or of the name where
    there are none. No other transport will do. Raises DnsFailure as `locate` does.
    """
    name = host.strip("[]").rstrip(".")
    if not name or transport not in DIALLED:
        return []
    search = _Search(name, random)
    if is_address(name) or port is not None:
        yield from search.host((transport,), name, port)
    else:
        yield from search.services((transport,), name, (transport,))
    return search.outcome()


def sources(domain: str) -> Generator[Question, Answer, frozenset[tuple[str, int]]]:
    """Find every address, with its port, at which the domain's own SIP servers are.

    These are the places behind its NAPTR records and its SRV records of each transport; those
    of the bare name only where it has neither. Raises DnsFailure as `locate` does.
    """
    host = domain.strip("[]").rstrip(".")
    search = _Search(host, _NoChance(), limit=MAX_QUESTIONS * MAX_TARGETS)
    if is_address(host):
        return frozenset({(host, Transport.UDP.port)})
    yield from search.named(DIALLED, host, every=True)
    yield from search.services(DIALLED, host, (Transport.UDP,))
    return frozenset((target.address, target.port) for target in search.outcome())


def is_address(host: str) -> bool:
    """Tell whether `host` is an IP address without brackets rather than a name."""
    if not (":" in host or host[-1:].isdigit()):
        return False
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _usable(uri: Uri, supported: tuple[Transport, ...], *, large: bool) -> tuple[Transport, ...]:
    """Return the transports that URI and size allow, best first."""
    named = uri.param("transport")
    if uri.scheme == "sips":
        wanted = {None, "tcp", "tls"}
        return tuple(t for t in supported if t is Transport.TLS and _lower(named) in wanted)
    if named:
        return tuple(t for t in supported if t is _PARAMETERS.get(named.lower()))
    return tuple(sorted(supported, key=lambda t: not t.reliable)) if large else supported


def _usual(usable: tuple[Transport, ...], size: int) -> tuple[Transport, ...]:
    """Return what a SIP URI without any hint stands for: UDP, or TCP first for large requests."""
    if Transport.UDP not in usable:
        return usable[:1]
    if size > DATAGRAM_LIMIT and Transport.TCP in usable:
        return (Transport.TCP, Transport.UDP)
    return (Transport.UDP,)


def _lower(text: str | None) -> str | None:
    return text.lower() if text else None


class _NoChance:
    """Chance for those who want every record and care for no order."""

    def randint(self, a: int, b: int) -> int:
        """Return the lower bound."""
        return a


class _Search:
    """One search: what was found, what went unanswered, how much may still be asked."""

    def __init__(self, domain: str, chance: Chance, limit: int = MAX_TARGETS) -> None:
        self._domain = domain
        self._chance = chance
        self._limit = limit
        self._failure: DnsFailure | None = None
        self._asked: dict[Question, Answer | None] = {}
        self._found: dict[Target, None] = {}

    @property
    def empty(self) -> bool:
        """Whether nothing was found so far."""
        return not self._found

    def outcome(self) -> list[Target]:
        """Return what was found; a failure counts only when that is nothing."""
        if not self._found and self._failure is not None:
            raise self._failure
        return list(self._found)

    def named(
        self, usable: tuple[Transport, ...], host: str, *, every: bool = False
    ) -> Generator[Question, Answer, None]:
        """Follow the NAPTR records of `host`: those of the lowest order that leads anywhere.

        A higher order counts only where the lower ones are dead ends (RFC 3403 §4.1), or when
        `every` record is wanted. A record without flags names where to ask for more of them.
        """
        names, seen = [host], set[str]()
        while names and (every or self.empty):
            name = names.pop(0)
            seen.add(name)
            records = cast("tuple[Naptr, ...]", (yield from self._ask(Kind.NAPTR, name)) or ())
            order: int | None = None
            for record in _relevant(records[:MAX_TARGETS], usable):
                if order not in {None, record.order} and not every:
                    break
                replacement = record.replacement.rstrip(".").lower()
                if record.flags:
                    yield from self._service(_SERVICES[record.service.upper()], replacement)
                elif replacement not in seen:
                    names.append(replacement)
                order = None if self.empty else record.order

    def services(
        self, usable: tuple[Transport, ...], host: str, usual: tuple[Transport, ...]
    ) -> Generator[Question, Answer, None]:
        """Follow the SRV records of each transport; where there are none, the name's addresses.

        A question that went unanswered does not say that there are none, and a target of "."
        says that there is no service: neither leads to the addresses.
        """
        some = False
        for transport in usable:
            some |= yield from self._service(transport, f"{_SRV_LABELS[transport]}.{host}")
        if not some and self.empty:
            yield from self.host(usual, host, None)

    def host(
        self, transports: tuple[Transport, ...], host: str, port: int | None
    ) -> Generator[Question, Answer, None]:
        """Add the addresses of `host` itself, by each of the transports (§4.2)."""
        for transport in transports:
            yield from self._addresses(transport, host, port or transport.port)

    def _service(self, transport: Transport, name: str) -> Generator[Question, Answer, bool]:
        """Follow the SRV records of `name`; tell whether there are any, or may be."""
        answer = yield from self._ask(Kind.SRV, name)
        records = cast("tuple[Srv, ...]", answer or ())
        for record in in_order(records[:MAX_TARGETS], self._chance):
            target = record.target.rstrip(".")
            if target:
                yield from self._addresses(transport, target, record.port)
        return answer != ()

    def _addresses(
        self, transport: Transport, host: str, port: int
    ) -> Generator[Question, Answer, None]:
        literals: Sequence[str] = (host,)
        if not is_address(host):
            literals = cast("tuple[str, ...]", (yield from self._ask(Kind.ADDRESS, host)) or ())
        for address in literals:
            if len(self._found) < self._limit:
                self._found[Target(transport, address, port, self._domain)] = None

    def _ask(self, kind: Kind, name: str) -> Generator[Question, Answer, Answer | None]:
        """Ask each question once, and none when they are used up; None: it went unanswered."""
        question = Question(kind, name)
        if question not in self._asked:
            if len(self._asked) == MAX_QUESTIONS:
                return None
            try:
                self._asked[question] = yield question
            except DnsFailure as failure:
                self._failure = failure
                self._asked[question] = None
        return self._asked[question]


def _relevant(records: Sequence[Naptr], usable: tuple[Transport, ...]) -> list[Naptr]:
    """Keep the records that lead to a usable transport, the most wanted first."""
    kept = [
        record
        for record in records
        if _SERVICES.get(record.service.upper()) in usable
        and record.flags.lower() in {"s", ""}
        and record.replacement.rstrip(".")
    ]
    return sorted(kept, key=lambda record: (record.order, record.preference))
