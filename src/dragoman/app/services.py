"""A gateway put together from a configuration: sockets, cores, services; and run until a stop."""

import asyncio
import ipaddress
import os
import resource
import secrets
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Generator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from logging import getLogger
from typing import TYPE_CHECKING, Any, Final, TypeVar

from dragoman import __version__
from dragoman.app import media, msrp
from dragoman.app.collection import Collection
from dragoman.app.config import Configuration
from dragoman.app.expiry import ExpiryWatch
from dragoman.app.keeping import DATABASE, SUBSCRIPTIONS, Keeping
from dragoman.app.logs import traffic
from dragoman.app.metrics import Metrics
from dragoman.bridge.directory import Override, Place, Side
from dragoman.bridge.hub import Hub
from dragoman.bridge.link import Link, OurStream
from dragoman.bridge.message import Rules
from dragoman.bridge.naming import Attachment
from dragoman.bridge.rate import Allowance
from dragoman.bridge.settings import Attached, Msrp, Settings
from dragoman.errors import LocalError
from dragoman.log import about
from dragoman.net.addresses import Addresses
from dragoman.net.certificates import CertificateStore
from dragoman.net.dns import DnsResolver, Resolver, find, find_now
from dragoman.net.http import HttpServer, Page
from dragoman.net.icons import Icons
from dragoman.net.listen import Gate
from dragoman.net.listen import Place as Listen
from dragoman.net.msrp import SCHEMES as MSRP_SCHEMES
from dragoman.net.msrp import MsrpSockets
from dragoman.net.sip import SCHEMES as SIP_SCHEMES
from dragoman.net.sip import SipSockets
from dragoman.net.tls import Tls
from dragoman.net.trust import Trust
from dragoman.net.xmpp import SCHEMES, XmppSockets
from dragoman.records import Answer, Question
from dragoman.sip import guard
from dragoman.sip.credentials import Account
from dragoman.sip.endpoint import Endpoint
from dragoman.sip.guard import Answering, Guard
from dragoman.sip.locate import Target, Transport, is_address
from dragoman.sip.route import RouteSet
from dragoman.sip.uri import Uri
from dragoman.store.consent import Consent
from dragoman.store.schema import Unusable
from dragoman.store.sqlite import Sqlite
from dragoman.trace import Tap
from dragoman.xmpp.component import ComponentStream
from dragoman.xmpp.ext.chatstates import State
from dragoman.xmpp.s2s_in import IncomingStream
from dragoman.xmpp.s2s_out import OutgoingStream
from dragoman.xmpp.stream import Policy

if TYPE_CHECKING:
    from dragoman.media.plane import MediaEvent
    from dragoman.msrp import Transport as MsrpTransport
    from dragoman.net.media import Embedded
    from dragoman.net.posh import Posh
    from dragoman.net.rtpengine import Rtpengine

log = getLogger(__name__)

T = TypeVar("T")

UNDER_WAY: Final = 2000
"""Messages of one XMPP domain that may wait for the SIP side before it is no longer read."""
BUSY: Final = 10
"""Requests that wait for an answer when the gateway counts as busy."""
RESERVED: Final = 512
"""File descriptors for all but connections that come in."""
MOST_CONNECTIONS: Final = 4096
"""Connections that may come in on either side, where there are descriptors for them."""
DRAIN: Final = 5.0
"""Seconds that what is under way may take to come to its end on a stop."""
WATCH: Final = 300.0
"""Seconds between looks at what should be warned of."""
TOKEN: Final = 12
"""Random bytes in a branch, tag, stanza id or stream id."""


class Names:
    """Asks the DNS for the hub."""

    def __init__(self, resolver: Resolver) -> None:
        """Ask `resolver`."""
        self._resolver = resolver

    def now(self, search: Generator[Question, Answer, T]) -> T | None:
        """Return what is found among remembered answers; None when one is missing."""
        return find_now(search, self._resolver)

    async def find(self, search: Generator[Question, Answer, T]) -> T:
        """Return what a search finds."""
        return await find(search, self._resolver)


class Gateway:
    """One gateway; `start` it, and `stop` it."""

    def __init__(self, configuration: Configuration, resolver: Resolver, tap: Tap) -> None:
        """Put it together; needs a running loop."""
        loop = asyncio.get_running_loop()
        self._configuration = configuration
        self._secret = secrets.token_bytes(32)
        self._addresses = Addresses()
        self._ports: dict[Side, set[int]] = {Side.SIP: set(), Side.XMPP: set()}
        self._first: dict[Side, tuple[str, int]] = {}
        self._sip_ports: dict[Transport, int] = {}
        self._components = {each.domain: each.secret for each in configuration.xmpp.component}
        self.http_address: tuple[str, int] | None = None
        """Where the operator's pages are, after `start`; None where there are none."""
        self._policy = _policy(configuration)
        self._certificates = CertificateStore(configuration.tls.certificates, configuration.state)
        self._posh = _posh(configuration, resolver)
        self._icons = _icons(configuration, resolver)
        published = self._posh.lists if self._posh is not None else None
        self._trust = Trust(configuration.tls.trust, published=published)
        tls = Tls(self._certificates.pick, self._trust)
        self.store = Sqlite(configuration.state / DATABASE, time.time)
        self.subscriptions = Consent(configuration.state / SUBSCRIPTIONS)
        self._keeping = Keeping(self.store, self.subscriptions)
        most = connections(raise_descriptors())
        self._msrp_places: dict[MsrpTransport, Place] = {}
        self._media: Embedded | Rtpengine | None = None
        settings = self._settings()
        self.hub = Hub(settings, Names(resolver), tap)
        self.endpoint = Endpoint(
            sent_by=self._sent_by,
            allow=self.hub.abilities.allow,
            supported=self.hub.abilities.supported,
            token=token,
            screen=self.hub.screen,
            accounts=[
                Account(each.realm, each.user, each.password, each.domain)
                for each in configuration.sip.account
            ],
            ours=self._names_us,
            quiet=lambda flow: self.guard.quiet(flow.remote[0], loop.time()),
        )
        self.guard = self._guard()
        self.hub.watch(self.guard)
        self.sip = SipSockets(
            self.endpoint,
            self.hub.on_sip,
            tls,
            clock=loop.time,
            tap=tap,
            origins=frozenset(configuration.sip.origins),
            gate=Gate(most),
            guard=self.guard,
        )
        self.xmpp = XmppSockets(self.hub, tls, loop.time, gate=Gate(most))
        self.msrp = self._msrp_sockets(settings.msrp, tls, resolver, loop.time, most)
        pages = {"/metrics": Metrics(self.describe).page, "/healthz": _healthy}
        self.http = HttpServer(pages, loop.time)
        self._expiry = ExpiryWatch(
            self._certificates.reports, self._served, self._certificates.covers
        )
        self._watching: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Listen everywhere; raises LocalError naming address, port and reason.

        Authorities that cannot be read are a LocalError too, and a self-signed certificate that is
        needed and cannot be kept is an OSError: better now than when the first peer comes.  So it
        is with the database, which is a `store.schema.Unusable` where it is none of ours.
        """
        configuration = self._configuration
        self._trust.load()
        self._certificates.pick()
        self.store.open()
        try:
            self.subscriptions.open()
        except (LocalError, OSError):
            self.store.close()
            raise
        self._keeping.start()
        for each in configuration.sip.listen:
            place = Listen.parse(each, SIP_SCHEMES)
            listener = await self.sip.listen(place)
            self._note(Side.SIP, listener.addresses)
            self._sip_ports.setdefault(Transport[place.scheme.upper()], listener.addresses[0][1])
        places = [Listen.parse(each, SCHEMES) for each in configuration.xmpp.listen]
        for listener in await self.xmpp.listen(places, self._accept, self.hub.federation.accepted):
            self._note(Side.XMPP, listener.addresses)
        if self.msrp is not None:
            await self._listen_for_msrp(self.msrp)
        self.hub.join(self.sip, self.xmpp, self.msrp)
        log.info(
            "listening",
            extra=about(
                sip=_printed(self._ports[Side.SIP]),
                xmpp=_printed(self._ports[Side.XMPP]),
                version=__version__,
            ),
        )
        if configuration.http.listen:
            await self._serve_pages(configuration.http.listen)
        self._watch()

    async def stop(self, patience: float = DRAIN) -> None:
        """Take nothing new, let what is under way end, then close everything."""
        self.sip.stop_listening()
        self.xmpp.stop_listening()
        if self.msrp is not None:
            self.msrp.stop_listening()
        await self.hub.drain(patience)
        if self.msrp is not None:
            await self.msrp.close()
        if self._media is not None:
            await self._media.aclose()
        if self._posh is not None:
            await self._posh.close()
        if self._icons is not None:
            await self._icons.close()
        self.xmpp.abort()
        self.http.close()
        if self._watching is not None:
            self._watching.cancel()
        await self.sip.close()
        await self._keeping.stop()

    def _msrp_sockets(
        self,
        settings: Msrp | None,
        tls: Tls,
        resolver: Resolver,
        clock: Callable[[], float],
        most: int,
    ) -> MsrpSockets | None:
        """Return what carries sessions of messages; None where they are not listened for."""
        if settings is None:
            return None
        return MsrpSockets(
            settings.endpoint,
            self.hub.on_msrp,
            tls,
            resolver,
            clock=clock,
            gate=Gate(most),
            origins=frozenset(self._configuration.msrp.origins),
            dials=msrp.dials(self._msrp_places, self._addresses.local_toward),
        )

    async def _listen_for_msrp(self, sockets: MsrpSockets) -> None:
        """Listen for sessions, and know the places by which peers reach us."""
        for each in self._configuration.msrp.listen:
            place = Listen.parse(each, MSRP_SCHEMES)
            listener = await sockets.listen(place)
            host = msrp.public_host(self._configuration, place, self._addresses.local_toward)
            transport = msrp.TRANSPORTS[place.scheme]
            self._msrp_places.setdefault(transport, (host, listener.addresses[0][1]))

    def busy(self) -> bool:
        """Tell whether so many are being served that a pause would be felt."""
        return self.endpoint.waiting > BUSY or not self.hub.messages.idle

    @property
    def sip_address(self) -> tuple[str, int]:
        """The first address and port that SIP is listened for at; after `start`."""
        return self._first[Side.SIP]

    @property
    def xmpp_address(self) -> tuple[str, int]:
        """The first address and port that XMPP is listened for at; after `start`."""
        return self._first[Side.XMPP]

    def describe(self) -> dict[str, object]:
        """Return what there is to know: counts, listeners, certificates."""
        return {
            "hub": self.hub.describe(),
            "sip": self.endpoint.describe(),
            "sip_sockets": self.sip.describe(),
            "xmpp_sockets": self.xmpp.describe(),
            "msrp_sockets": {} if self.msrp is None else self.msrp.describe(),
            "media": {} if self._media is None else self._media.describe(),
            "posh": self._posh.describe() if self._posh is not None else {},
            "guard": self.guard.describe(),
            "certificates": self._certificates.describe(),
            "store": self.store.describe(),
            "subscriptions": self.subscriptions.describe(),
        }

    async def _serve_pages(self, where: str) -> None:
        """Listen for the operator's browser; messages cross without it, so failing is a warning."""
        try:
            listener = await self.http.listen(Listen.parse(f"http:{where}", ("http",)))
        except LocalError as error:
            log.warning("no pages for the operator", extra=about(reason=error.reason))
        else:
            self.http_address = listener.addresses[0]

    def _watch(self) -> None:
        """Warn of what needs attention, now and then."""
        self._expiry.look(datetime.now(UTC))
        self._watching = asyncio.get_running_loop().call_later(WATCH, self._watch)

    def _served(self) -> frozenset[str]:
        """Return the domains that want a certificate: all on XMPP, and on SIP if it has TLS."""
        found = self.hub.directory.served(Side.XMPP)
        if Transport.TLS in self._sip_ports:
            found |= self.hub.directory.served(Side.SIP)
        return found

    def _note(self, side: Side, addresses: Sequence[tuple[str, int]]) -> None:
        self._ports[side].update(port for _, port in addresses)
        self._first.setdefault(side, addresses[0])

    def _ours(self, side: Side, place: Place) -> bool:
        return place[1] in self._ports[side] and place[0] in self._addresses

    def _names_us(self, uri: Uri) -> bool:
        """Tell whether a Route or Request-URI means this gateway rather than a user of it."""
        host, configured = uri.host.strip("[]"), self._configuration
        port = uri.port or (5061 if uri.scheme == "sips" else 5060)
        if is_address(host) and self._ours(Side.SIP, (host, port)):
            return True
        names = {configured.sip.advertise.lower(), *configured.serve.sip} - {""}
        return host in names and port in self._ports[Side.SIP]

    def _sent_by(self, target: Target) -> str:
        """Return the "host:port" to name in Via: where answers to that target reach us.

        With TLS it is followed by `alias` where we show a certificate for the domain that sends:
        requests may then come back over the same connection (RFC 5923 §8.1).
        """
        port = self._sip_ports.get(target.transport, target.transport.port)
        host = self._configuration.sip.advertise or self._addresses.local_toward(target.address)
        name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if target.transport is Transport.TLS and self._certificates.covers(target.local):
            return f"{name};alias"
        return name

    def _accept(self, direct_tls: bool) -> IncomingStream:
        return IncomingStream(
            policy=self._policy, secret=self._secret, token=token, direct_tls=direct_tls
        )

    def _outgoing(self, link: Link, direct_tls: bool) -> OurStream:
        local, remote = link.pair
        if link.component:
            secret = self._components[local].encode()
            return ComponentStream(local, secret, policy=self._policy)
        return OutgoingStream(
            local,
            remote,
            policy=self._policy,
            secret=self._secret,
            direct_tls=direct_tls,
            have_certificate=self._certificates.covers(local),
            verify_only=link.verify_only,
            past=link.session,
        )

    def _guard(self) -> Guard:
        sip, endpoint = self._configuration.sip, self.endpoint
        rules = guard.Rules(Answering(sip.unbelieved), Answering(sip.scanners), sip.rate)
        return Guard(
            rules,
            _trusted(sip.trusted),
            endpoint.refusal_tag,
            endpoint.pending,
            endpoint.asked,
        )

    def _settings(self) -> Settings:
        configuration = self._configuration
        xmpp = configuration.xmpp
        return Settings(
            rules=self._rules(),
            ours=self._ours,
            trusted=_trusted(configuration.sip.trusted),
            outgoing=self._outgoing,
            token=token,
            wall=time.time,
            version=__version__,
            override=Override(configuration.serve.xmpp, configuration.serve.sip),
            components=[
                _attached(each.domain, each.sip_domain, each.server, each.services)
                for each in configuration.xmpp.component
            ],
            tel_domain=configuration.sip.tel_domain,
            proxy=RouteSet.outbound(configuration.sip.outbound_proxy),
            proofs=self._posh,
            dane=xmpp.dane,
            needs_certificate=self._policy.require_certificate,
            store=self.store,
            subscriptions=self.subscriptions,
            watchable=_watchable(configuration.presence.watchers),
            presence_servers={
                each.domain: RouteSet.outbound(each.server)
                for each in configuration.presence.publish
            },
            allowance=Allowance(xmpp.rate, xmpp.byte_rate, UNDER_WAY),
            icons=self._icons,
            media=None if configuration.media.plane == "none" else self._plane,
            calls=media.rules(configuration.media),
            services=lambda offered: media.learn(self._media, offered),
            msrp=msrp.settings(configuration, self._msrp_places, token, self._certificates.pick),
        )

    def _plane(self, heard: "Callable[[MediaEvent], None]") -> "Embedded | Rtpengine":
        """Make what carries the media of calls."""
        self._media = media.plane(self._configuration, self._addresses.local_toward, heard)
        return self._media

    def _rules(self) -> Rules:
        configuration = self._configuration
        outside = Target(Transport.UDP, "192.0.2.1", 5060)
        # Toward another address the name may be longer: such a request then goes by TCP.
        added = f"Via: SIP/2.0/UDP {self._sent_by(outside)};rport;branch=z9hG4bK{token()}\r\n"
        for hop in RouteSet.outbound(configuration.sip.outbound_proxy).hops:
            added += f"Route: {hop}\r\n"
        return Rules(
            host=configuration.sip.advertise or self._addresses.local_toward(outside.address),
            chat=configuration.message.type == "chat",
            strict_7247=configuration.strict_7247,
            limit=configuration.sip.max_message,
            via=len(added),
            split=configuration.message.long == "split",
            receipt_on_200=configuration.message.receipt_on_200,
            idle_as=State(configuration.message.idle_as),
        )


def raise_descriptors() -> int:
    """Have as many file descriptors as we may; return how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return soft
    return hard


def connections(descriptors: int) -> int:
    """Return how many connections either side may have come in, with so many descriptors.

    A third is kept for those that we open, and `RESERVED` for everything else.
    """
    if descriptors < 0:  # no limit at all
        return MOST_CONNECTIONS
    return max(64, min(MOST_CONNECTIONS, (descriptors - RESERVED) // 3))


def token() -> str:
    """Return an identifier that nobody can guess, of letters and digits."""
    return secrets.token_hex(TOKEN)


def serve(configuration: Configuration) -> int:
    """Run a gateway until SIGTERM or SIGINT; return the exit code of the process."""
    try:
        return run_loop(_serve(configuration))
    except Unusable as error:
        print(f"dragoman: state: {error.reason}", file=sys.stderr)
        return 2
    except LocalError as error:
        print(f"dragoman: {error.reason}", file=sys.stderr)
    except OSError as error:
        print(f"dragoman: {error.filename or ''}: {error.strerror}", file=sys.stderr)
    return 1


async def _serve(configuration: Configuration) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    tap = Tap(time.time, f"{os.getpid():x}-")
    if configuration.log.level == "debug":
        tap.readers.append(traffic)
    gateway = Gateway(configuration, resolver_for(configuration), tap)
    collection = Collection(gateway.busy)
    try:
        await gateway.start()
        collection.start()
        await stopping.wait()
        log.info("stopping")
    finally:
        collection.stop()
        await gateway.stop()
    return 0


def resolver_for(configuration: Configuration) -> DnsResolver:
    """Return what asks the DNS: it takes the servers' word for signatures where DANE is on."""
    return DnsResolver(configuration.dns.servers, authentic=configuration.xmpp.dane)


def run_loop(main: Coroutine[Any, Any, int]) -> int:
    """Run on uvloop, or on the standard loop where there is none."""
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    try:
        import uvloop
    except ImportError:
        log.info("uvloop is not installed: messages will cost more")
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


def _healthy() -> Page:
    return Page(b"ok\n")


def _posh(configuration: Configuration, resolver: Resolver) -> "Posh | None":
    """Return what asks web servers about certificates, where that is wanted."""
    if not configuration.xmpp.posh:
        return None
    from dragoman.net.posh import Posh  # the HTTP client is loaded where it is used only

    return Posh(resolver, configuration.tls.trust, allowed=configuration.xmpp.posh_networks)


def _icons(configuration: Configuration, resolver: Resolver) -> Icons | None:
    """Return what fetches the pictures of SIP users, where that is wanted."""
    presence = configuration.presence
    if presence.icons == "never":
        return None
    return Icons(
        resolver,
        configuration.tls.trust,
        allowed=presence.icon_networks,
        anywhere=presence.icons != "domain",
        plain=presence.icons == "http",
    )


def _watchable(domains: Sequence[str]) -> Callable[[str], bool]:
    """Return what tells whether users of an XMPP domain may watch SIP users."""
    allowed = frozenset(each.lower() for each in domains)
    return lambda domain: not allowed or domain in allowed


def _policy(configuration: Configuration) -> Policy:
    wanted = configuration.xmpp.require_certificate
    domains = frozenset(wanted) if isinstance(wanted, list) else frozenset[str]()
    return Policy(
        require_encryption=configuration.xmpp.require_encryption,
        require_certificate=lambda domain: wanted is True or domain in domains,
        max_stanza=configuration.xmpp.max_stanza,
        proofs=configuration.xmpp.posh,
    )


def _trusted(networks: Sequence[str]) -> Callable[[str], bool]:
    """Return whether an address lies in one of the networks."""
    if not networks:
        return lambda _: False
    known = [ipaddress.ip_network(each, strict=False) for each in networks]

    @lru_cache(4096)
    def trusted(address: str) -> bool:
        value = ipaddress.ip_address(address)
        return any(value in each for each in known)

    return trusted


def _attached(domain: str, sip_domain: str, server: str, services: str) -> Attached:
    host, _, port = server.rpartition(":")
    return Attached(Attachment(domain, sip_domain), host.strip("[]"), int(port), services)


def _printed(ports: set[int]) -> str:
    return ",".join(str(port) for port in sorted(ports))
