"""What is wrong with an installation: certificates (RFC 5280), ports, the DNS, the state.

Each judgement is a function from what was seen to findings; `look` sees, and waits for nothing
longer than the resolver does.
"""

import asyncio
import errno
import logging
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from dragoman.app import expiry
from dragoman.app.config import Configuration
from dragoman.app.holder import Holder, holder
from dragoman.app.keeping import DATABASE, SUBSCRIPTIONS
from dragoman.bridge.directory import Side
from dragoman.errors import LocalError, ProtocolError
from dragoman.net.addresses import Addresses
from dragoman.net.certificates import BadPair, CertificateStore, Credentials, load_pair
from dragoman.net.dns import DnsResolver, Resolver, find
from dragoman.net.listen import Place, bind
from dragoman.net.msrp import SCHEMES as MSRP_SCHEMES
from dragoman.net.sip import SCHEMES as SIP_SCHEMES
from dragoman.net.trust import Trust, Use, Verdict
from dragoman.net.xmpp import SCHEMES as XMPP_SCHEMES
from dragoman.records import Answer, DnsFailure, Kind, Question
from dragoman.sip.locate import sources
from dragoman.store import schema
from dragoman.xmpp.locate import locate, to_ascii

MOST_NAMES: Final = 100
"""Names of one certificate that are judged."""
KINDS: Final = {Kind.ADDRESS: "A and AAAA"}
"""What is asked for in a question that is not called as its records are."""
PATIENCE: Final = 10.0
"""Seconds for all questions about one domain."""


class Level(StrEnum):
    """How bad a finding is; an error is what keeps messages from crossing."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of a subject, and what to do, in words."""

    level: Level
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a domain's records of one protocol lead: to us or elsewhere, or why unknown."""

    here: bool = False
    places: tuple[tuple[str, int], ...] = ()
    failure: str = ""
    records: tuple[str, ...] = ()
    """The records that lead there, such as "SRV _sips._tcp.example.com"."""
    asked: tuple[str, ...] = ()
    """All that were looked for."""


def domain_of(word: str) -> str:
    """Return the domain of "domain", "user@domain" or a SIP URI, in A-labels; or LocalError."""
    bare = word
    for scheme in ("sips:", "sip:", "xmpp:"):
        bare = bare.removeprefix(scheme)
    domain = bare.rpartition("@")[2].partition("/")[0].partition(";")[0]
    try:
        name = to_ascii(domain)
    except ProtocolError as error:
        raise LocalError(f"{word!r} is no address and no domain") from error
    labels = name.split(".")
    fine = all(0 < len(each) < 64 and each.replace("-", "a").isalnum() for each in labels)
    if not fine or len(name) > 253:
        raise LocalError(f"{word!r} is no address and no domain")
    return name


def judge_standing(xmpp: Standing, sip: Standing, domain: str) -> Iterator[Finding]:
    """Yield what follows from where a domain's records lead."""
    for side, standing in (("XMPP", xmpp), ("SIP", sip)):
        if standing.failure:
            text = f"{side}: the DNS gave no answer: {standing.failure}; look at dns.servers"
            yield Finding(Level.ERROR, domain, text)
        elif not standing.places:
            asked = f" (looked for: {', '.join(standing.asked)})" if standing.asked else ""
            there = f"; there is {', '.join(standing.records)}" if standing.records else ""
            text = f"{side}: its records lead nowhere{asked}{there}"
            yield Finding(Level.WARNING, domain, text)
        else:
            places = ", ".join(f"{address} port {port}" for address, port in standing.places)
            whose = "the gateway stands for it" if standing.here else "another server's"
            by = f" (by {', '.join(standing.records)})" if standing.records else ""
            yield Finding(Level.OK, domain, f"{side}: {places}: {whose}{by}")
    if xmpp.here and sip.here:
        text = "both its XMPP and its SIP records lead here: its users are nowhere; mend one"
        yield Finding(Level.ERROR, domain, text)
    elif not (xmpp.here or sip.here or xmpp.failure or sip.failure):
        yield Finding(Level.WARNING, domain, "none of its records lead here: it is not served")


def judge_shown(shown: Credentials, verdict: Verdict, domain: str) -> Finding:
    """Return whether the certificate that is shown for a domain satisfies strict peers."""
    name = Path(shown.origin).stem
    if verdict.good:
        return Finding(Level.OK, domain, f"certificate {name} is shown, good for strict peers")
    text = f"certificate {name} is shown, and strict peers refuse it: {verdict.reason}"
    return Finding(Level.WARNING, domain, text)


def certificates(
    configuration: Configuration, store: CertificateStore, now: datetime
) -> Iterator[Finding]:
    """Yield a finding or more for each pair of the directory."""
    trust = Trust(configuration.tls.trust)
    reports = store.reports()
    if not any(not each.problem for each in reports):
        where = configuration.tls.certificates
        text = f"none of use in {where}: a self-signed one is shown, which strict peers refuse"
        yield Finding(Level.WARNING, "certificates", text)
    for report in reports:
        subject = f"certificate {expiry.name_of(report)}"
        found = expiry.judge(report, now)
        if found is not None:
            level = Level.ERROR if found.level >= logging.ERROR else Level.WARNING
            yield Finding(level, subject, f"{found.text}; renew or replace it")
        else:
            text = f"for {', '.join(report.names)}, until {report.expires:%Y-%m-%d}"
            yield Finding(Level.OK, subject, text)
        yield from _pair(Path(report.origin), subject, trust, now)


def _pair(path: Path, subject: str, trust: Trust, now: datetime) -> Iterator[Finding]:
    key = path.with_suffix(".key")
    if key.is_file() and key.stat().st_mode & 0o007:
        yield Finding(Level.ERROR, subject, f"everybody may read its key: chmod o= {key}")
    try:
        pair = load_pair(path, now)
    except BadPair:
        return
    why: dict[str, list[str]] = {}
    for name in pair.names[:MOST_NAMES]:
        verdict = trust.judge(pair.chain, name.replace("*", "any", 1), now, Use.XMPP)
        if not verdict.good:
            why.setdefault(verdict.reason, []).append(name)
    for reason, names in why.items():
        text = f"{', '.join(names)}: {reason}; NAME.crt wants the whole chain to a known authority"
        yield Finding(Level.WARNING, subject, text)


def ports(configuration: Configuration) -> Iterator[Finding]:
    """Yield whether each place that is listened at is free."""
    for text in configuration.sip.listen:
        yield _port(Place.parse(text, SIP_SCHEMES))
    for text in configuration.xmpp.listen:
        yield _port(Place.parse(text, XMPP_SCHEMES))
    for text in configuration.msrp.listen:
        yield _port(Place.parse(text, MSRP_SCHEMES))
    if configuration.http.listen:
        yield _port(Place.parse(f"http:{configuration.http.listen}", ("http",)))


def _port(place: Place) -> Finding:
    try:
        for each in bind(place):
            each.close()
    except LocalError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE:
            return taken(place, holder(place), error.reason)
        return Finding(Level.ERROR, str(place), error.reason)
    return Finding(Level.OK, str(place), "free: no gateway listens there now")


def taken(place: Place, by: Holder | None, reason: str) -> Finding:
    """Return what follows from a place that somebody listens at, and from who that is."""
    if by is None:
        text = f"{reason} (a gateway that runs already is such a program)"
        return Finding(Level.WARNING, str(place), text)
    if by.ours:
        return Finding(Level.OK, str(place), f"a gateway listens there (process {by.pid})")
    text = f"{by.name} listens there (process {by.pid}): stop it, or change the port"
    return Finding(Level.ERROR, str(place), text)


def state(directory: Path) -> Finding:
    """Return whether state can be kept."""
    there = directory
    while not there.exists() and there != there.parent:
        there = there.parent
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Finding(Level.OK, "state", f"{directory} can be written")
    text = f"{directory} cannot be written: let the gateway's user write there"
    return Finding(Level.ERROR, "state", text)


class Listening:
    """A resolver that notes which records were asked for, and which there were."""

    def __init__(self, resolver: Resolver) -> None:
        """Ask `resolver`; `found` has what led on, such as "SRV _sip._udp.example.com".

        `asked` has all, addresses too, in the order of asking.
        """
        self._resolver = resolver
        self.found: set[str] = set()
        self.asked: dict[str, None] = {}

    async def ask(self, question: Question) -> Answer:
        """Return the answer."""
        named = f"{KINDS.get(question.kind, question.kind)} {question.name}"
        self.asked[named] = None
        answer = await self._resolver.ask(question)
        if answer and question.kind is not Kind.ADDRESS:
            self.found.add(named)
        return answer

    def remembered(self, question: Question) -> Answer | DnsFailure | None:
        """Return what is known already."""
        return self._resolver.remembered(question)


def databases(state: Path) -> list[Finding]:
    """Return what can be said of the databases in the state directory."""
    messages = database(state / DATABASE, schema.MESSAGES, "messages that it remembers")
    return [messages, database(state / SUBSCRIPTIONS, schema.PRESENCE, "subscriptions to presence")]


def database(path: Path, form: schema.Form, rows: str) -> Finding:
    """Return whether a database can be read, all of it; `rows` are what it has."""
    if not path.exists():
        return Finding(Level.OK, "database", f"{path} is made at the first start")
    try:
        count = schema.examine(path, form)
    except LocalError as error:
        return Finding(Level.ERROR, "database", error.reason)
    return Finding(Level.OK, "database", f"{path} is whole; {rows}: {count}")


async def look(
    configuration: Configuration, domain: str, resolver: Resolver, ours: Callable[[str], bool]
) -> tuple[Standing, Standing]:
    """Return where the XMPP and the SIP records of a domain lead; `ours` tells our addresses."""
    xmpp = locate(domain, chance=random.SystemRandom())

    async def of_xmpp(asked: Resolver) -> set[tuple[str, int]]:
        return {(each.address, each.port) for each in await find(xmpp, asked)}

    async def of_sip(asked: Resolver) -> set[tuple[str, int]]:
        return set(await find(sources(domain), asked))

    async def seen(side: Side) -> Standing:
        ask, asked = of_xmpp if side is Side.XMPP else of_sip, Listening(resolver)
        try:
            async with asyncio.timeout(PATIENCE):
                places = await ask(asked)
        except TimeoutError:
            return Standing(failure="no answer in time")
        except ProtocolError as error:
            return Standing(failure=error.reason)
        known = _ports(configuration, side)
        listed = configuration.serve.xmpp if side is Side.XMPP else configuration.serve.sip
        leads = any(port in known and ours(address) for address, port in places)
        here = domain in listed if listed else leads
        records = tuple(sorted(asked.found))
        return Standing(here, tuple(sorted(places)), records=records, asked=tuple(asked.asked))

    found = await asyncio.gather(seen(Side.XMPP), seen(Side.SIP))
    return found[0], found[1]


def _ports(configuration: Configuration, side: Side) -> set[int]:
    if side is Side.XMPP:
        return {Place.parse(each, XMPP_SCHEMES).port for each in configuration.xmpp.listen}
    return {Place.parse(each, SIP_SCHEMES).port for each in configuration.sip.listen}


async def of_domain(
    configuration: Configuration,
    domain: str,
    resolver: Resolver,
    store: CertificateStore,
    now: datetime,
) -> list[Finding]:
    """Return what there is to say of a domain."""
    addresses = Addresses()
    xmpp, sip = await look(configuration, domain, resolver, addresses.__contains__)
    found = list(judge_standing(xmpp, sip, domain))
    for here, use in ((xmpp.here, Use.XMPP), (sip.here, Use.SIP)):
        if here and store.covers(domain):
            shown = store.pick(domain)
            verdict = Trust(configuration.tls.trust).judge(shown.chain, domain, now, use)
            found.append(judge_shown(shown, verdict, domain))
        elif here:
            text = "no certificate is for it: strict peers refuse what is shown"
            found.append(Finding(Level.WARNING, domain, text))
    if xmpp.here:
        found += await published(configuration, domain, resolver, store)
    return found


async def published(
    configuration: Configuration, domain: str, resolver: Resolver, store: CertificateStore
) -> list[Finding]:
    """Return what the domain's web server says of the certificate that is shown (RFC 7711)."""
    if not configuration.xmpp.posh:
        return []
    from dragoman.net.posh import Posh  # the HTTP client is loaded where it is used only

    networks, trust = configuration.xmpp.posh_networks, configuration.tls.trust
    posh = Posh(resolver, trust, allowed=networks, timeout=PATIENCE)
    try:
        await posh.learn(domain)
        if not posh.publishes(domain):
            return [Finding(Level.OK, domain, "POSH: its web server publishes no certificates")]
        if posh.lists(domain, store.pick(domain).chain[0]):
            return [Finding(Level.OK, domain, "POSH: its web server lists the certificate shown")]
    finally:
        await posh.close()
    text = "POSH: its web server lists other certificates than the one that is shown; add it there"
    return [Finding(Level.WARNING, domain, text)]


async def answers(resolver: Resolver) -> Finding:
    """Return whether the DNS answers at all."""
    try:
        async with asyncio.timeout(PATIENCE):
            await resolver.ask(Question(Kind.ADDRESS, "example.com"))
    except TimeoutError:
        reason = "no answer in time"
    except ProtocolError as error:
        reason = error.reason
    else:
        return Finding(Level.OK, "dns", "it answers")
    return Finding(Level.ERROR, "dns", f"it does not answer: {reason}; look at dns.servers")


async def examine(configuration: Configuration, domains: Sequence[str]) -> list[Finding]:
    """Return what there is to say of `domains`; where there is none, of the installation."""
    now = datetime.now(UTC)
    store = CertificateStore(configuration.tls.certificates, configuration.state)
    try:
        resolver = DnsResolver(configuration.dns.servers)
        if not domains:
            found = [*certificates(configuration, store, now), *ports(configuration)]
            found += [state(configuration.state), *databases(configuration.state)]
            return [*found, await answers(resolver)]
        asked = (of_domain(configuration, each, resolver, store, now) for each in domains)
        return [each for some in await asyncio.gather(*asked) for each in some]
    except LocalError as error:
        return [Finding(Level.ERROR, "configuration", error.reason)]
