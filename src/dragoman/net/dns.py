"""DNS look-ups (RFC 1035; SRV, RFC 2782; NAPTR, RFC 3403; TLSA, RFC 6698), cached (RFC 2308)."""

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Final, Protocol, TypeVar

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.rdtypes.ANY.TLSA
import dns.rdtypes.IN.NAPTR
import dns.rdtypes.IN.SRV
import dns.resolver
from dns.rdata import Rdata

from dragoman.errors import LocalError
from dragoman.records import Answer, Authentic, DnsFailure, Kind, Naptr, Question, Srv, Tlsa

T = TypeVar("T")

MOST_RECORDS: Final = 64
"""More records than this of one answer are not looked at: no service has so many hosts."""

LONGEST: Final = 86400.0
LONGEST_NEGATIVE: Final = 300.0
Found = tuple[Sequence[Rdata], float, bool]
"""Records, the seconds for which they may be remembered, and whether they are authentic."""

FAILURE: Final = 5.0
"""How long a failure is remembered (RFC 2308 §7): a dead server is not asked per message."""


class Resolver(Protocol):
    """Whatever answers questions: the DNS, or records held in memory."""

    async def ask(self, question: Question) -> Answer:
        """Return the records asked for, empty when there are none; raise `DnsFailure`."""

    def remembered(self, question: Question) -> Answer | DnsFailure | None:
        """Return what `ask` would at once; None when it would have to ask first."""


class MemoryResolver:
    """Answers from a table, for demonstrations and tests: what is not in it does not exist."""

    def __init__(self, records: Mapping[Question, Answer | DnsFailure] | None = None) -> None:
        """Answer from `records`, where a `DnsFailure` stands for a question that fails."""
        self.records: dict[Question, Answer | DnsFailure] = dict(records or {})
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Answer:
        """Return the records of the table; raise the failure it holds for the question."""
        self.asked = [*self.asked[-999:], question]
        found = self.records.get(question, ())
        if isinstance(found, DnsFailure):
            raise DnsFailure(found.reason)
        return found

    def remembered(self, question: Question) -> Answer | DnsFailure | None:
        """Return the records of the table, or the failure it holds for the question."""
        return self.records.get(question, ())

    def describe(self) -> dict[str, int]:
        """Return how many names the table has."""
        return {"names": len(self.records)}


async def find(search: Generator[Question, Answer, T], resolver: Resolver) -> T:
    """Ask `resolver` what `search` yields until it returns, and return what it returns.

    A `DnsFailure` is thrown into the generator, which may go on; whatever it raises comes out.
    """
    try:
        question = next(search)
        while True:
            try:
                answer = await resolver.ask(question)
            except DnsFailure as failure:
                question = search.throw(failure)
            else:
                question = search.send(answer)
    except StopIteration as end:
        found: T = end.value
        return found


def find_now(search: Generator[Question, Answer, T], resolver: Resolver) -> T | None:
    """Do as `find` does, with what `resolver` remembers; None when that is not enough."""
    try:
        question = next(search)
        while True:
            found = resolver.remembered(question)
            if found is None:
                search.close()
                return None
            question = search.throw(found) if isinstance(found, DnsFailure) else search.send(found)
    except StopIteration as end:
        result: T = end.value
        return result


class DnsResolver:
    """Asks DNS servers; one flight per question, shared by all who ask it meanwhile."""

    def __init__(
        self,
        servers: Sequence[str] = (),
        *,
        names: int = 4096,
        in_flight: int = 128,
        timeout: float = 5.0,
        authentic: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask `servers` ("192.0.2.1", "127.0.0.1:5353", "[::1]:53"), or those of the system.

        At most `names` answers are remembered, and at most `in_flight` questions are asked at
        once; a question that is not answered `timeout` seconds after it was put has failed.
        `authentic` says that the servers look at signatures (DNSSEC), and that they and the way
        to them are to be trusted: what they say is authentic then is so for us.
        Raises LocalError for a server that is not an address, or a system that names none.
        """
        self._resolver = _configured(servers, timeout)
        self._authentic = authentic
        if authentic:
            # without it a server need not tell what it found (RFC 6840 §5.7)
            self._resolver.set_flags(dns.flags.RD | dns.flags.AD)
        self._names = names
        self._timeout = timeout
        self._clock = clock
        self._room = asyncio.Semaphore(in_flight)
        self._flights: dict[Question, asyncio.Task[Answer | DnsFailure]] = {}
        self._most_flights = in_flight * 8
        self._cache: OrderedDict[Question, tuple[float, Answer | DnsFailure]] = OrderedDict()
        self._asked = self._failed = 0

    async def ask(self, question: Question) -> Answer:
        """Return the records asked for, empty when there are none; raise `DnsFailure`."""
        question = _normal(question)
        found = self.remembered(question)
        if found is None:
            found = await asyncio.shield(self._flight(question))
        if isinstance(found, DnsFailure):
            raise DnsFailure(found.reason)
        return found

    def describe(self) -> dict[str, int]:
        """Return counts: answers remembered, questions under way, asked and failed in all."""
        return {
            "cached": len(self._cache),
            "in_flight": len(self._flights),
            "asked": self._asked,
            "failed": self._failed,
        }

    def remembered(self, question: Question) -> Answer | DnsFailure | None:
        """Return what `ask` would at once; None when it would have to ask first."""
        question = _normal(question)
        entry = self._cache.get(question)
        if entry is None:
            return None
        until, found = entry
        if until <= self._clock():
            del self._cache[question]
            return None
        self._cache.move_to_end(question)
        return found

    def _remember(self, question: Question, found: Answer | DnsFailure, seconds: float) -> None:
        self._cache[question] = (self._clock() + seconds, found)
        self._cache.move_to_end(question)
        while len(self._cache) > self._names:
            self._cache.popitem(last=False)

    def _flight(self, question: Question) -> asyncio.Task[Answer | DnsFailure]:
        flight = self._flights.get(question)
        if flight is None:
            if len(self._flights) >= self._most_flights:
                raise DnsFailure(f"too many DNS questions wait; {question.name} was not asked")
            flight = asyncio.get_running_loop().create_task(self._fly(question))
            self._flights[question] = flight
            flight.add_done_callback(lambda _: self._flights.pop(question, None))
        return flight

    async def _fly(self, question: Question) -> Answer | DnsFailure:
        end = asyncio.get_running_loop().time() + self._timeout
        try:
            async with asyncio.timeout_at(end):
                await self._room.acquire()
            try:
                self._asked += 1
                found, seconds = await self._fetch(question, end)
            finally:
                self._room.release()
        except TimeoutError:
            failure = DnsFailure(f"{question.kind} of {question.name}: no answer in time")
        except DnsFailure as error:
            failure = error
        else:
            self._remember(question, found, seconds)
            return found
        self._failed += 1
        self._remember(question, failure, FAILURE)
        return failure

    async def _fetch(self, question: Question, end: float) -> tuple[Answer, float]:
        if question.kind is Kind.ADDRESS:
            return await self._fetch_addresses(question.name, end)
        records, seconds, authentic = await self._query(question.name, question.kind, end)
        found: Answer
        match question.kind:
            case Kind.SRV:
                srv = tuple(_srv(record) for record in records)
                found = Authentic(srv) if authentic else srv
            case Kind.TLSA:
                tlsa = tuple(_tlsa(record) for record in records)
                found = Authentic(tlsa) if authentic else tlsa
            case _:
                found = tuple(_naptr(record) for record in records)
        return found, seconds

    async def _fetch_addresses(self, name: str, end: float) -> tuple[Answer, float]:
        """Ask for AAAA and A at once; either's records are enough, a lone "none" is not."""
        results = await asyncio.gather(
            self._query(name, "AAAA", end), self._query(name, "A", end), return_exceptions=True
        )
        addresses: list[str] = []
        seconds, authentic = LONGEST, True
        failure: BaseException | None = None
        for result in results:
            if isinstance(result, BaseException):
                failure, seconds = result, min(seconds, FAILURE)
            else:
                addresses += [record.to_text() for record in result[0]]
                seconds = min(seconds, result[1])
                authentic = authentic and (result[2] or not result[0])
        if failure is not None and not addresses:
            raise failure
        return (Authentic(addresses) if authentic and addresses else tuple(addresses)), seconds

    async def _query(self, name: str, kind: str, end: float) -> Found:
        """Ask; names without records have none, and what cannot be had is a DnsFailure."""
        try:
            asked = dns.name.from_text(name)
        except (dns.exception.DNSException, ValueError):
            return (), LONGEST_NEGATIVE, False  # such a name cannot exist
        # its own limit, not a cancellation from outside: uvloop may lose a socket that way
        left = max(0.001, end - asyncio.get_running_loop().time())
        try:
            answer = await self._resolver.resolve(
                asked, kind, raise_on_no_answer=False, search=False, lifetime=left
            )
        except dns.resolver.NXDOMAIN as error:
            response: dns.message.QueryMessage = error.response(asked)  # type: ignore[no-untyped-call]
            ttl = response.resolve_chaining().minimum_ttl
            return (), _bounded(ttl, LONGEST_NEGATIVE), False
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise DnsFailure(f"{kind} of {name}: {' '.join(str(error).split())[:300]}") from error
        ttl = answer.chaining_result.minimum_ttl
        if answer.rrset is None:
            return (), _bounded(ttl, LONGEST_NEGATIVE), False
        authentic = self._authentic and bool(answer.response.flags & dns.flags.AD)
        return list(answer.rrset)[:MOST_RECORDS], _bounded(ttl, LONGEST), authentic


def _normal(question: Question) -> Question:
    name = question.name.lower().rstrip(".")
    return question if name == question.name else Question(question.kind, name)


def _bounded(ttl: float, most: float) -> float:
    return max(1.0, min(float(ttl), most))


def _configured(servers: Sequence[str], timeout: float) -> dns.asyncresolver.Resolver:
    """Return a resolver without a cache or a search list that asks `servers`."""
    try:
        resolver = dns.asyncresolver.Resolver(configure=not servers)
    except dns.resolver.NoResolverConfiguration as error:
        raise LocalError(f"the system names no DNS server: {error}") from error
    if servers:
        resolver.nameservers = [
            dns.nameserver.Do53Nameserver(*parse_server(text)) for text in servers
        ]
    resolver.search = []
    resolver.cache = None
    resolver.lifetime = timeout
    resolver.timeout = timeout / 2.5
    resolver.use_edns(0, 0, 1232)
    return resolver


def parse_server(text: str) -> tuple[str, int]:
    """Split "host", "host:port" or "[host]:port"; raise LocalError when it is none."""
    host, port = text, "53"
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        number = int(port)
        address = str(ipaddress.ip_address(host))
    except ValueError:
        number, address = 0, ""
    if not 0 < number < 65536:
        raise LocalError(f"a DNS server is an address, or address:port: {text!r}")
    return address, number


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _srv(record: Rdata) -> Srv:
    assert isinstance(record, dns.rdtypes.IN.SRV.SRV)  # noqa: S101 (narrows a foreign type)
    return Srv(record.priority, record.weight, record.port, _text(record.target))


def _tlsa(record: Rdata) -> Tlsa:
    assert isinstance(record, dns.rdtypes.ANY.TLSA.TLSA)  # noqa: S101 (narrows a foreign type)
    return Tlsa(record.usage, record.selector, record.mtype, bytes(record.cert))


def _naptr(record: Rdata) -> Naptr:
    assert isinstance(record, dns.rdtypes.IN.NAPTR.NAPTR)  # noqa: S101 (narrows a foreign type)
    return Naptr(
        record.order,
        record.preference,
        record.flags.decode("ascii", "replace"),
        record.service.decode("ascii", "replace"),
        _text(record.replacement),
    )
