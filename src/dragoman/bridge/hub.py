"""The hub: what arrives goes to the services, what they want goes out; the one async file here.

Messages pass through without a task or an await once names are resolved and streams are up.  What
has to wait (for the DNS, for a connection) waits in a task that the hub owns and ends.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Hashable, Iterator, Sequence
from functools import partial
from itertools import count
from logging import getLogger
from random import SystemRandom
from typing import Final

from dragoman.bridge.admission import Admitted
from dragoman.bridge.album import Source
from dragoman.bridge.calls import Calls
from dragoman.bridge.cards import Cards
from dragoman.bridge.chat import Chats
from dragoman.bridge.conference import EVENT as CONFERENCE
from dragoman.bridge.conference import Conferring
from dragoman.bridge.dialling import Dialling
from dragoman.bridge.directory import Directory, Look, Place, Side, Standing
from dragoman.bridge.discovery import Discovery
from dragoman.bridge.external import External
from dragoman.bridge.faults import Timed, Timers, bug, contained, nothing
from dragoman.bridge.federation import Federation
from dragoman.bridge.fence import Pair
from dragoman.bridge.hops import Hops
from dragoman.bridge.intake import PATIENCE, Intake
from dragoman.bridge.link import OurStream
from dragoman.bridge.message import ALLOW, Messages, stanza_key
from dragoman.bridge.naming import Naming
from dragoman.bridge.openings import Openings
from dragoman.bridge.ports import AnyStream, Lookup, MsrpWire, SipWire, XmppWire
from dragoman.bridge.presence import EVENTS, METHODS, WATCHES, Presence
from dragoman.bridge.presentities import Presentities
from dragoman.bridge.publishing import Publications
from dragoman.bridge.rate import Restraint
from dragoman.bridge.settings import Settings
from dragoman.bridge.to_sip import sender_domain
from dragoman.bridge.watchers import Watchers
from dragoman.bridge.ways import Ways
from dragoman.clock import earliest
from dragoman.errors import ProtocolError, RemoteError
from dragoman.log import about
from dragoman.mapping.call import capabilities
from dragoman.mapping.content import TYPES
from dragoman.mapping.encoding import ENCODINGS
from dragoman.mapping.failure import Unreached
from dragoman.media.plane import MediaEvent
from dragoman.msrp import Event as Happening
from dragoman.records import DnsFailure
from dragoman.sip import options
from dragoman.sip.endpoint import (
    AckArrived,
    AckMissing,
    CancelArrived,
    Cause,
    Endpoint,
    Flow,
    RequestArrived,
    RequestFailed,
    ResponseArrived,
    ResponseStranded,
)
from dragoman.sip.guard import Guard
from dragoman.sip.locate import sources
from dragoman.sip.message import Request, Response, response_to
from dragoman.sip.session import METHODS as SESSION_METHODS
from dragoman.sip.session import SDP, SUPPORTED, SessionHandle
from dragoman.sip.uri import Uri
from dragoman.trace import Direction, Tap
from dragoman.trace import Protocol as Seen
from dragoman.xmpp import locate as servers
from dragoman.xmpp.element import Element, to_xml
from dragoman.xmpp.ext.jingle_features import CALLS, TRANSFERS
from dragoman.xmpp.failure import StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.s2s_in import IncomingStream
from dragoman.xmpp.stanza import IQ, MESSAGE, PRESENCE, ends, error_reply

log = getLogger(__name__)

LAST_WORDS: Final = 0.2
"""Part of the time for stopping that is kept for telling who waits, and closing streams."""
PARTING: Final = 0.5
"""Seconds that the answers to BYE are waited for, at least, when the gateway stops."""


class Hub:
    """All of the gateway but its sockets, which `join` brings."""

    def __init__(self, settings: Settings, lookup: Lookup, tap: Tap) -> None:
        """Wire the services; needs a running loop."""
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._lookup = lookup
        self._tap = tap
        self._random = SystemRandom()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._turn = asyncio.Event()
        self._brought: Counter[str] = Counter()
        self._answers = False
        self._msrp: MsrpWire | None = None
        self.hops = Hops(settings, lookup, self, self._failed)
        self.dialling = Dialling(settings, lookup, self)
        self.directory = Directory(settings.ours, settings.trusted, settings.override)
        attachments = [each.name for each in settings.components]
        self.naming = Naming(self._federated, attachments, settings.tel_domain)
        self.intake = Intake(
            self.directory,
            self.naming.attached,
            self._serve,
            self.hops.respond,
            self._loop.time(),
            self._knows,
        )
        self.messages = Messages(
            self.hops,
            self,
            self.naming,
            tap,
            settings.token,
            settings.wall,
            settings.rules,
            settings.store,
        )
        self.discovery = self._discovery()
        self.cards = Cards(self.naming, icons=settings.icons is not None)
        self.cards.install(self.discovery.users)
        self.federation = self.dialling.federation = Federation(
            self.dialling,
            self,
            settings.outgoing,
            self._serves,
            lambda: self._random.uniform(0.5, 1.5),
        )
        self._restraint: Restraint[AnyStream] = Restraint(
            settings.allowance, self.messages.under_way, lambda: self.intake.behind
        )
        asked = {each.name.domain: each.services for each in settings.components if each.services}
        self.external = External(self, asked, settings.services, settings.token, settings.wall)
        numbers = count(1)
        self.openings = self._openings(numbers)
        self.calls = self._calls(numbers)
        self.conferences = None if self.calls is None else self.calls.conferences
        self._dialogs = [each for each in (self.openings, self.calls) if each is not None]
        self.abilities = self._abilities()
        """What SIP is told that we take; what it does not have is refused."""
        self.presence = self._presence()
        self._timers = Timers(self._timed())

    def _discovery(self) -> Discovery:
        """Return what answers for SIP users what they can do."""
        settings = self._settings
        able = CALLS | TRANSFERS if settings.calls.transfer else CALLS
        able = frozenset() if settings.media is None else able
        wall, component = settings.wall, self.naming.is_component
        return Discovery(settings.version, wall, component, lambda _: able)

    def _abilities(self) -> options.Abilities:
        """Return what those services take that there are."""
        methods, extensions = (SESSION_METHODS, SUPPORTED) if self._dialogs else ((), ())
        calls = self.calls
        more, required = ((), ()) if calls is None else (calls.more, calls.extensions)
        return options.Abilities(
            tuple(dict.fromkeys((*ALLOW, *methods, *more))),
            (SDP, *TYPES) if self._dialogs else TYPES,
            EVENTS if calls is None else (*EVENTS, CONFERENCE),
            extensions + required,
            ENCODINGS,
            b"" if calls is None else capabilities().encode(),
        )

    def _timed(self) -> list[Timed]:
        """Return all services that want to be rung."""
        found: list[Timed] = [self.messages, *self.presence.services]
        if self.openings is not None:
            found += [self.openings.chats, self.openings]
        if self.calls is not None:
            found += [self.calls, self.calls.conferences]
        return [*found, self.external, self.federation, self.intake]

    def _openings(self, numbers: Iterator[int]) -> Openings | None:
        """Return what opens sessions, where there is MSRP."""
        settings, found = self._settings, self._settings.msrp
        if found is None:
            return None
        token, ways = settings.token, Ways(found.policy)
        chats = Chats(self.messages, self, ways, token, settings.wall, found.rules)
        self.messages.sessions = chats
        chats.openings = openings = Openings(
            self.hops,
            self.naming,
            chats,
            found.endpoint,
            found.stance,
            self.messages.ends,
            token,
            self._random.uniform,
            settings.rules.host,
            numbers,
        )
        return openings

    def _calls(self, numbers: Iterator[int]) -> Calls | None:
        """Return what makes calls, where something carries their media."""
        settings = self._settings
        if settings.media is None:
            return None
        return Calls(
            self.hops,
            self,
            self.naming,
            settings.media(self._on_media),
            self.messages.ends,
            settings.token,
            self._random.uniform,
            self._loop.time,
            self.settle,
            numbers,
            rules=settings.calls,
            reaches=self._reaches,
            serves=self._serves_sip,
        )

    def _reaches(self, host: str) -> bool | None:
        """Tell whether XMPP users may call users of a SIP domain; None: the DNS is being asked."""
        if self.naming.attached(host):
            return True
        standing = self.directory.stands_for(Side.XMPP, host, self._loop.time())
        return None if standing is Standing.UNKNOWN else standing is Standing.YES

    def _serves_sip(self, host: str) -> bool | None:
        """Tell whether SIP users call users of a domain here; None: the DNS is being asked."""
        now = self._loop.time()
        served = self.directory.stands_for(Side.SIP, host, now)
        if served is not Standing.YES:
            return None if served is Standing.UNKNOWN else False
        loop = self.directory.leads_here(Side.XMPP, host, now)
        return None if loop is Standing.UNKNOWN else loop is Standing.NO

    def _on_media(self, event: MediaEvent) -> None:
        if self.calls is not None:
            contained(nothing, self.calls.on_media, event, self._loop.time())
            self.settle()

    def _presence(self) -> Presence:
        settings, naming = self._settings, self.naming
        store, token, wall = settings.subscriptions, settings.token, settings.wall
        watchers = Watchers(self.hops, self, naming, store, token, wall, settings.rules.host)
        presentities = Presentities(
            self.hops,
            self,
            naming,
            store,
            token,
            wall,
            self._random.uniform,
            self._adorn,
            watchers.sees,
            settings.watchable,
        )
        self.cards.changed = presentities.adorned
        publications = Publications(
            self.hops, self, naming, settings.presence_servers, token, wall, self._random.uniform
        )
        return Presence(presentities, watchers, publications)

    def _adorn(self, contact: Jid) -> Sequence[Element]:
        """Return what goes with all presence of a SIP user."""
        return (self.discovery.caps_of(contact), *self.cards.decoration(contact))

    def join(self, sip: SipWire, xmpp: XmppWire, msrp: MsrpWire | None = None) -> None:
        """Take the sockets, and connect the components."""
        self.hops.wire, self.dialling.wire, self._msrp = sip, xmpp, msrp
        self.presence.start(self._loop.time())
        self.intake.wire = sip
        for component in self._settings.components:
            self.federation.attach(component.name.domain)
        self.settle()

    def watch(self, guard: Guard) -> None:
        """Tell `guard` from now on who is believed and who is not, and log what it sees."""
        self.intake.guard = guard

    async def drain(self, patience: float) -> None:
        """Let what is under way come to its end, for at most `patience` seconds; then close.

        Nothing new is let in meanwhile.  Who waits still after most of that time is told.
        """
        self.intake.closed = True
        end = self._loop.time() + patience
        self._learned()
        contained(nothing, self.presence.give_up, self._loop.time())
        self.settle()
        late = end - patience * LAST_WORDS
        await self._until(self._is_idle, late)
        await self._end_sessions(late)
        contained(nothing, self.messages.give_up)
        contained(nothing, self.federation.shut, self._loop.time())
        await self._until(lambda: self.federation.quiet, end)
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _end_sessions(self, end: float) -> None:
        """Say BYE in all sessions, and wait for the answers."""
        if self.openings is not None:
            contained(nothing, self.openings.chats.give_up, self._loop.time())
        if self.calls is not None:
            contained(nothing, self.calls.give_up, self._loop.time())
        if self._dialogs:
            self.settle()
            quiet = lambda: all(each.quiet for each in self._dialogs)  # noqa: E731
            await self._until(quiet, max(end, self._loop.time() + PARTING))

    def _is_idle(self) -> bool:
        known = self.openings is None or self.openings.chats.quiet
        return self.messages.idle and self.presence.quiet and known

    async def _until(self, holds: Callable[[], bool], end: float) -> None:
        """Wait until `holds()` at the end of a turn, or until the time `end`."""
        while not holds() and self._loop.time() < end:
            self._turn.clear()
            try:
                async with asyncio.timeout_at(end):
                    await self._turn.wait()
            except TimeoutError:
                return

    def describe(self) -> dict[str, object]:
        """Return counts of everything that is under way."""
        return {
            "messages": self.messages.describe(),
            "presence": self.presence.describe(),
            "sessions": self._describe_sessions(),
            "calls": {} if self.calls is None else self.calls.describe(),
            "federation": self.federation.describe(),
            "directory": len(self.directory),
            "parked": len(self.intake),
            "restraint": self._restraint.describe(),
            "cards": self.cards.describe(),
            "tasks": len(self._tasks),
        }

    def _describe_sessions(self) -> dict[str, object]:
        if self.openings is None:
            return {}
        return {"sip": self.openings.describe(), "talks": self.openings.chats.describe()}

    # -- SIP: what arrives --------------------------------------------------------------

    def screen(self, request: Request, flow: Flow) -> int | None:
        """Return the status that refuses a request before any state is made of it."""
        return self.intake.screen(request, flow, self._loop.time())

    def on_sip(self, endpoint: Endpoint) -> None:
        """Handle what the endpoint has to tell."""
        for event in endpoint.events():
            match event:
                case RequestArrived():
                    self.intake.judge(event, self._loop.time())
                case ResponseArrived(handle, response):
                    self._answered(handle, response)
                case ResponseStranded():
                    self.spawn(
                        self.hops.redirect(endpoint, event),
                        partial(endpoint.redirect, event.handle, ()),
                    )
                case RequestFailed(handle, cause):
                    self._failed(handle, cause)
                case AckArrived() | AckMissing() | CancelArrived():
                    self._of_invite(event)
        self.intake.tell_sightings()
        self.settle()

    def _knows(self, request: Request) -> bool:
        """Tell whether a request is of a dialog of ours: nobody else knows its tags."""
        if request.method == "NOTIFY":
            conferences = self.conferences
            if conferences is not None and conferences.knows(request):
                return True
            if self.presence.knows(request):
                return True
        return any(each.knows(request) for each in self._dialogs)

    def _of_invite(self, event: AckArrived | AckMissing | CancelArrived) -> None:
        now = self._loop.time()
        for service in self._dialogs:
            match event:
                case AckArrived():
                    contained(nothing, service.on_ack, event, now)
                case AckMissing():
                    contained(nothing, service.on_missing, event, now)
                case CancelArrived():
                    contained(nothing, service.on_cancel, event, now)

    def on_msrp(self, events: Sequence[Happening]) -> None:
        """Handle what happened in sessions of messages."""
        now = self._loop.time()
        if self.openings is not None:
            chats = self.openings.chats
            for event in events:
                contained(nothing, chats.on_event, event, now)
            contained(nothing, chats.settle, now)
        self.settle()

    def _answered(self, handle: Hashable, response: Response) -> None:
        """Tell a service of a response; where it fails, that there is none."""
        now, failed = self._loop.time(), lambda: self._failed(handle, bug())
        if isinstance(handle, int):
            contained(failed, self.messages.on_response, handle, response, now)
        elif isinstance(handle, SessionHandle):
            for service in self._dialogs:
                if service.has(handle):
                    contained(failed, service.on_response, handle, response, now)
        elif isinstance(handle, Conferring) and self.conferences is not None:
            contained(failed, self.conferences.on_response, handle, response, now)
        else:
            contained(failed, self.presence.on_response, handle, response, now)

    def _failed(self, handle: Hashable, cause: Cause | Unreached | StanzaError) -> None:
        if isinstance(handle, int):
            contained(nothing, self.messages.on_failure, handle, cause, self._loop.time())
        elif isinstance(handle, SessionHandle):
            for service in self._dialogs:
                if service.has(handle):
                    contained(nothing, service.on_failure, handle, cause, self._loop.time())
        elif isinstance(handle, Conferring) and self.conferences is not None:
            contained(nothing, self.conferences.on_failure, handle, cause, self._loop.time())
        else:
            contained(nothing, self.presence.on_failure, handle, cause, self._loop.time())

    def _serve(self, arrived: RequestArrived, admitted: Admitted, now: float) -> None:
        """Have a request done that was let in."""
        request, transaction, sender = arrived.request, arrived.transaction, admitted.sender
        if request.method == "MESSAGE":
            self.cards.heard_in(request, sender, now)
            self.messages.on_request(request, transaction, sender, now, trusted=admitted.trusted)
        elif request.method in METHODS and not self._is_of_call(request):
            if request.method != "NOTIFY":  # which may come from whoever was asked, in any name
                self.cards.heard_in(request, sender, now)
                if self.openings is not None:
                    self.openings.heard(request, sender)
            if self.conferences is not None and self.conferences.takes(request):
                self.conferences.on_request(request, transaction, sender, now)
            else:
                self.presence.on_request(request, transaction, sender, now)
        elif self._is_of_session(request):
            self._serve_session(arrived, sender, now)
        elif request.method == "REFER" and "REFER" in self.abilities.allow:
            self.hops.respond(transaction, response_to(request, 403, "Only Within a Call"))
        elif request.method != "OPTIONS":
            allow = ("Allow", ", ".join(self.abilities.allow))
            self.hops.respond(transaction, response_to(request, 405, headers=[allow]))
        else:
            self.hops.respond(transaction, options.answer(request, self.abilities))

    def _is_of_call(self, request: Request) -> bool:
        """Tell a NOTIFY of what becomes of a REFER."""
        calls = self.calls
        return request.method == "NOTIFY" and calls is not None and calls.knows(request)

    def _is_of_session(self, request: Request) -> bool:
        """Tell whether a request begins a session, or is one of those that go on in one."""
        if not self._dialogs or request.method == "OPTIONS":
            return False
        return request.method in SESSION_METHODS or any(e.knows(request) for e in self._dialogs)

    def _serve_session(self, arrived: RequestArrived, sender: Uri, now: float) -> None:
        """Have the service do a request whose session it is, or is to be."""
        request = arrived.request
        known = next((each for each in self._dialogs if each.knows(request)), None)
        if known is not None:
            known.on_request(arrived, sender, now)
        elif self.calls is not None and (self.openings is None or self.calls.takes(request)):
            self.calls.on_request(arrived, sender, now)
        elif self.openings is not None:
            self.openings.on_request(arrived, sender, now)

    # -- XMPP: what arrives ---------------------------------------------------------------

    def on_stream(self, stream: OurStream | IncomingStream) -> None:
        """Handle what a stream has to tell."""
        if isinstance(stream, IncomingStream):
            self.federation.on_incoming(stream, self._loop.time())
        elif (link := self.dialling.links.get(stream)) is not None:
            self.federation.on_outgoing(link, self._loop.time())
            if link.stream is not stream:
                del self.dialling.links[stream]
        self._restrain(stream)
        self.settle()

    def _restrain(self, stream: AnyStream) -> None:
        """Stop reading a stream whose domain sends more than it may; never our own server's."""
        if not self._brought and not self._answers:
            return
        brought, self._brought = self._brought, Counter()
        self._answers = False
        wire, links = self.dialling.wire, self.dialling.links
        link = links.get(stream) if not isinstance(stream, IncomingStream) else None
        if wire is None or (link is not None and link.component):
            return
        octets, now = wire.taken(stream), self._loop.time()
        stop = False
        for domain, stanzas in brought.items():
            share = octets // len(brought)
            stop = self._restraint.took(stream, domain, stanzas, share, now) or stop
        if stop:
            wire.pause(stream)

    def _release(self) -> None:
        if self.dialling.wire is not None:
            for stream in self._restraint.due(self._loop.time()):
                self.dialling.wire.resume(stream)

    def on_stanza(self, stanza: Element, local: str, remote: str, peer: str) -> None:
        """Take a stanza from a proven domain to one of ours; it is answered whatever happens."""
        failed = partial(self._excuse, stanza, local, remote)
        contained(failed, self._take, stanza, local, remote, peer)

    def _excuse(self, stanza: Element, local: str, remote: str) -> None:
        """Answer a stanza that was not handled for a bug."""
        reply = error_reply(stanza, bug())
        if reply is not None:
            self.send(reply, local, remote)

    def _take(self, stanza: Element, local: str, remote: str, peer: str) -> None:
        if self._tap.readers:
            self._show(Direction.IN, stanza, peer)
        try:
            Jid.parse(stanza.get("from", ""))
            Jid.parse(stanza.get("to", ""))
        except StanzaError as error:
            self._bad_address(stanza, error, local, remote)
            return
        if stanza.name == IQ and stanza.get("type") in {"result", "error"}:
            self._take_answer(stanza, local, remote, peer)
            return
        self._brought[sender_domain(stanza)] += 1
        if self.calls is not None and self.calls.on_stanza(stanza, self._loop.time()):
            return
        if stanza.name == MESSAGE:
            self.messages.on_stanza(stanza, self._loop.time())
            return
        if stanza.name == PRESENCE and self._takes_presence(stanza):
            self._take_presence(stanza)
            return
        routed = self.discovery.route(stanza)
        if routed.reply is not None:
            self.send(routed.reply, local, remote)

    def _take_answer(self, stanza: Element, local: str, remote: str, peer: str) -> None:
        """Give the answer to an iq of ours to who asked."""
        self._answers = True
        now, calls = self._loop.time(), self.calls
        if calls is not None and calls.on_stanza(stanza, now):
            return
        if self.external.on_answer(stanza, now) or self.messages.on_answer(stanza, local, remote):
            return
        log.debug("an answer to nothing", extra=about(remote=remote, peer=peer))
        self._brought[sender_domain(stanza)] += 1

    def _take_presence(self, stanza: Element) -> None:
        if stanza.get("type") == "unavailable" and self.openings is not None:
            self.openings.chats.unavailable(*ends(stanza))
        if self.calls is not None:
            self.calls.unproposed.heard(stanza)
        self.presence.on_stanza(stanza, self._loop.time())

    def _takes_presence(self, stanza: Element) -> bool:
        """Tell whether presence is for a SIP user, or answers us.

        A domain is watched by nobody, but for those whose presence it publishes.
        """
        if Jid.parse(stanza.get("to", "")).local or stanza.get("type") not in WATCHES:
            return True
        return self.presence.publications.takes(Jid.parse(stanza.get("from", "")))

    def _bad_address(self, stanza: Element, error: StanzaError, local: str, remote: str) -> None:
        """Answer a stanza whose address is none, in the name of our domain (RFC 6120 §8.3.3.8)."""
        log.warning(
            "stanza refused",
            extra=about(jid=stanza.get("from"), sip=stanza.get("to"), reason=error.reason),
        )
        reply = error_reply(stanza, error)
        if reply is None:
            return
        try:
            Jid.parse(reply.get("to", ""))
        except StanzaError:
            return  # nobody to tell
        reply.attributes["from"] = local
        self.send(reply, local, remote)

    def undelivered(self, stanza: Element, error: StanzaError) -> None:
        """Take back a stanza of ours that was never handed over."""
        now = self._loop.time()
        if self.calls is not None and self.calls.undelivered(stanza, error, now):
            return
        if stanza.name == PRESENCE:
            contained(nothing, self.presence.undelivered, stanza, error, self._loop.time())
        else:
            contained(nothing, self.messages.undelivered, stanza, error)

    def sent(self, stanza: Element, peer: str) -> None:
        """Learn that a stanza of ours was handed over."""
        if self._tap.readers:
            self._show(Direction.OUT, stanza, peer)

    def lost(self, pair: Pair, unacknowledged: Sequence[Element] | None) -> None:
        """Learn that a stream of ours went away, and what the far server may not have taken."""
        now = self._loop.time()
        contained(nothing, self.messages.lost, pair, unacknowledged, now)
        contained(nothing, self.presence.lost, unacknowledged or (), now)

    # -- XMPP: what services and streams want -----------------------------------------------

    def send(self, stanza: Element, local: str, remote: str) -> None:
        """Send a stanza from our domain `local` to the domain `remote`."""
        self.federation.send(stanza, local, remote, self._loop.time())

    def unacknowledged(self, local: str, remote: str) -> Sequence[Element] | None:
        """Return what the far server may not have taken yet; None where nobody knows."""
        return self.federation.unacknowledged(local, remote)

    def waiting(self, local: str, remote: str) -> Sequence[Element]:
        """Return what was not handed over yet."""
        return self.federation.waiting(local, remote)

    def silent(self, local: str, remote: str) -> None:
        """Give up a stream whose server does not answer."""
        self.federation.silent(local, remote)

    # -- who is served --------------------------------------------------------------------

    def _serves(self, domain: str) -> Standing:
        """Tell whether we stand for a domain, as a stream names it, on XMPP."""
        try:
            name = servers.to_ascii(domain)
        except RemoteError:
            return Standing.NO
        return self.directory.stands_for(Side.XMPP, name, self._loop.time())

    def _federated(self, host: str) -> bool:
        return self.directory.stands_for(Side.XMPP, host, self._loop.time()) is Standing.YES

    async def _look(self, look: Look) -> None:
        """Ask the DNS what the directory wants to know, for no longer than anybody waits."""
        places: frozenset[Place] | None = None
        try:
            async with asyncio.timeout(PATIENCE):
                places = await self._places(look)
        except (DnsFailure, RemoteError) as error:
            log.warning("the DNS does not answer", extra=about(reason=error.reason))
        except TimeoutError:
            log.warning("the DNS takes too long", extra=about(remote=look.domain))
        self._tell(look, places)

    def _tell(self, look: Look, places: frozenset[Place] | None) -> None:
        self.directory.learn(look, places, self._loop.time())
        self._learned(look.domain)

    async def _places(self, look: Look) -> frozenset[Place]:
        if look.side is Side.SIP:
            return await self._lookup.find(sources(look.domain))
        found = await self._lookup.find(servers.locate(look.domain, chance=self._random))
        return frozenset((each.address, each.port) for each in found)

    def _learned(self, domain: str = "") -> None:
        """Judge again, in order, what waited for word of `domain`; "" stands for all."""
        self.intake.learned(domain, self._loop.time())
        self.federation.learned(self._loop.time())
        if self.calls is not None:
            contained(nothing, self.calls.learned, self._loop.time())
        self.settle()

    # -- pictures -------------------------------------------------------------------------

    async def _fetch(self, source: Source) -> None:
        data = None
        try:
            if self._settings.icons is not None:
                data = await self._settings.icons.fetch(source.url, source.domain)
        except ProtocolError as error:
            log.info("no picture", extra=about(remote=source.domain, reason=error.reason))
        self._fetched(source, data)
        self.settle()

    def _fetched(self, source: Source, data: bytes | None) -> None:
        self.cards.fetched(source, data, self._loop.time())

    # -- the turn ---------------------------------------------------------------------------

    def now(self) -> float:
        """Return the time, in seconds, of a clock that only goes forward."""
        return self._loop.time()

    def settle(self) -> None:
        """Ask what is to be asked, and set the alarm for what is next."""
        self._turn.set()
        for look in self.directory.wanted():
            self.spawn(self._look(look), partial(self._tell, look, None))
        for source in self.cards.wanted():
            self.spawn(self._fetch(source), partial(self._fetched, source, None))
        if self._restraint.waiting:
            self._release()
        if self._msrp is not None:
            self._msrp.wake()
        times = (self._restraint.next_timer(), self._timers.next(self._loop.time()))
        when = earliest(times)
        if when is None or (self._timer is not None and self._timer_at <= when):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._loop.call_at(when, self._on_alarm)

    def _on_alarm(self) -> None:
        self._timer = None
        self._timers.ring(self._loop.time())
        self._release()
        self.settle()

    def spawn(self, work: Coroutine[None, None, None], failed: Callable[[], None]) -> None:
        """Run `work` in a task of ours; call `failed` where it comes to no end of its own."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(partial(self._done, failed))

    def _done(self, failed: Callable[[], None], task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task failed: a bug", exc_info=error)
            contained(nothing, failed)
            self.settle()

    def _show(self, direction: Direction, stanza: Element, peer: str) -> None:
        self._tap.saw(Seen.XMPP, direction, peer, stanza_key(stanza), to_xml(stanza))
