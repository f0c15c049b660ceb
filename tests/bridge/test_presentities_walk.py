"""Whatever happens in whatever order, what must always hold of those who watch holds."""

from collections import defaultdict, deque
from collections.abc import Hashable
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from dragoman.bridge.attempts import AT_ONCE, HASTE
from dragoman.bridge.authorization import Key, Stand
from dragoman.mapping.failure import Unreached
from dragoman.sip.endpoint import Cause
from dragoman.sip.message import Request, response_to
from dragoman.sip.route import RouteSet
from dragoman.xmpp.stanza import ends
from tests.bridge.full import Broken
from tests.bridge.test_presentities import World, pidf

if TYPE_CHECKING:
    from dragoman.sip.subscriber import Subscribing
    from dragoman.xmpp.element import Element

STEPS: Final = 120
USERS: Final = ("alice@xmpp.example", "bob@jabber.example")
CONTACTS: Final = ("carol@sip.example", "dave@sip.example")
KINDS: Final = (
    "subscribe",
    "subscribe",
    "unsubscribe",
    "probe",
    "probe",
    None,
    None,
    "unavailable",
)
STATUSES: Final = (200, 200, 200, 200, 202, 403, 404, 423, 481, 489, 500, 503, 603)
STATES: Final = (
    *("active;expires=3600", "active;expires=600", "active", "pending", "active;expires=1"),
    *("terminated", "terminated;reason=timeout", "terminated;reason=deactivated"),
    *("terminated;reason=probation;retry-after=90", "terminated;reason=giveup"),
    *("terminated;reason=invariant", "terminated;reason=rejected", "terminated;reason=noresource"),
)


class Timed(World):
    """A world that knows when each request went out."""

    def __init__(self, store: Broken, now: float) -> None:
        """Know of none yet."""
        self.times: list[float] = []
        super().__init__(store, now=now)

    def request(self, request: Request, handle: Hashable, route: RouteSet | None = None) -> None:
        self.times.append(self.now)
        super().request(request, handle, route)


class Walk:
    """One of many ways that things can go."""

    def __init__(self, seed: int) -> None:
        """Begin with nobody watching."""
        self.random = Random(seed)  # noqa: S311 - no secret
        few = 1 + seed % 2
        self.users, self.contacts = USERS[:few], CONTACTS[:few]
        self.patience = self.random.choice((1, 5, 15))
        self.store = Broken()
        self.dialogs: deque[Request] = deque(maxlen=12)
        self.dying: set[str] = set()
        self.view: defaultdict[Key, set[str]] = defaultdict(set)
        self.told: deque[Element] = deque(maxlen=5)
        self.begin(1000.0)

    def begin(self, now: float) -> None:
        """Have another process, which knows what is in the store."""
        self.world = Timed(self.store, now)
        self.waiting: list[tuple[Request, Subscribing]] = []
        self.begun: defaultdict[Key, list[float]] = defaultdict(list)

    def step(self) -> None:
        """Have something happen, and see that all is well."""
        happenings = (self.says, self.answers, self.notifies, self.passes)
        self.random.choices(
            (*happenings, self.comes_back, self.restarts, self.fills),
            (30, 25, 25, self.patience, 3, 1, 1),
        )[0]()
        self.look()
        self.check()

    # -- what may happen ---------------------------------------------------------------------

    def says(self) -> None:
        kind, user = self.random.choice(KINDS), self.random.choice(self.users)
        resource = self.random.choice(("", "/home", "/work"))
        self.world.says(kind, user + resource, self.random.choice(self.contacts))

    def answers(self) -> None:
        if not self.waiting:
            return
        request, handle = self.waiting.pop(self.random.randrange(len(self.waiting)))
        if not self.random.randrange(8):
            cause = self.random.choice((Cause.TIMEOUT, Unreached.NO_ADDRESS))
            self.world.service.on_failure(handle, cause, self.world.now)
            return
        headers = [
            ("Expires", self.random.choice(("3600", "20", "0"))),
            ("Retry-After", "300"),
            ("Min-Expires", "7200"),
        ]
        response = response_to(request, self.random.choice(STATUSES), headers=headers, to_tag="far")
        self.world.service.on_response(handle, response, self.world.now)

    def notifies(self) -> None:
        if not self.dialogs:
            return
        self.world.last = self.random.choice(self.dialogs)
        names = self.random.sample(("a", "b", "c"), 2)
        document = pidf(*[(f"ID-{each}", self.random.choice(("open", "closed"))) for each in names])
        body = self.random.choice((document, document, b"", b"<presence"))
        status = self.world.notify(self.random.choice(STATES), body)
        assert status in {200, 400, 481, 500}

    def passes(self) -> None:
        self.world.wait(self.random.choice((0.0, 1.0, 31.0, 90.0, 700.0, 4000.0)))

    def comes_back(self) -> None:
        if self.told:
            self.world.service.undelivered(self.random.choice(self.told), self.world.now)

    def restarts(self) -> None:
        cseq = self.world.cseq
        self.begin(self.world.now + 1)
        self.world.cseq = cseq

    def fills(self) -> None:
        self.store.full = not self.store.full

    # -- what must hold ------------------------------------------------------------------------

    def look(self) -> None:
        """Take in what went out."""
        for stanza in self.world.stanzas:
            contact, watcher = ends(stanza)
            key, kind = (str(watcher), str(contact.bare)), stanza.get("type")
            if kind is None:
                self.view[key].add(contact.resource)
            elif kind == "unavailable" and contact.resource:
                self.view[key].discard(contact.resource)
            if kind != "error":
                self.told.append(stanza)
        self.world.stanzas.clear()
        for (request, handle, _), when in zip(self.world.requests, self.world.times, strict=True):
            self.asked(request, when)
            self.waiting.append((request, handle))
        self.world.requests.clear()
        self.world.times.clear()

    def asked(self, request: Request, when: float) -> None:
        """Look at a SUBSCRIBE."""
        ending = request.get("Expires") == "0"
        assert ending or request.call_id not in self.dying, "it speaks on in a dialog that is dying"
        if request.to.tag is None:
            again = any(each.call_id == request.call_id for each in self.dialogs)  # after 423
            self.dialogs.append(request)
            key = str(request.from_.uri)[4:], str(request.to.uri)[4:]
            if not ending and not again:
                self.begun[key].append(when)
        elif ending:
            self.dying.add(request.call_id)

    def check(self) -> None:
        """See whether all is well."""
        service = self.world.service
        subscriber, pairs = service._subscriber, service._pairs
        assert set(pairs) == {(each.watcher, each.contact) for each in self.store.watching()}
        assert {(w, c) for c, all_ in service._watchers.items() for w in all_} == set(pairs)
        assert len(subscriber._by_call) == len(subscriber._all)
        assert set(subscriber._by_handle.values()) <= set(subscriber._all.values())
        for key, found in subscriber._all.items():
            assert key in subscriber._alarms, "a dialog that nobody looks after"
            assert key in pairs or found.leave or len(key) > 2, "a dialog of nobody"
        for key, pair in pairs.items():
            self.check_pair(key, pair.stand)
            record = pair.record
            assert record.authorized or record.leaving or key in service._unanswered
            kept = self.store.find_watching(key[0], key[1])
            assert kept is not None
            assert pair.record in {kept, replace(kept, leaving=True)}, "the disk may be full"
        assert service._showing.octets == sum(pair.weight for pair in pairs.values())
        for times in self.begun.values():
            assert len(times) <= AT_ONCE + (times[-1] - times[0]) / HASTE, "a flood"
        when = service.next_timer()
        assert (
            when is None or when >= self.world.now or service._inheritance.next_timer() is not None
        )

    def check_pair(self, key: Key, stand: Stand) -> None:
        """See whether somebody looks after a pair, and that clients show nobody who is gone."""
        service = self.world.service
        pair, asked = service._pairs[key], key in service._subscriber._all
        assert stand is not Stand.ACTIVE or asked
        assert stand is not Stand.PENDING or asked or key in service._attempts or pair.stored
        shown = {each.resource for each in pair.shown if each.available} | set(pair.ghosts)
        if not pair.known and (self.dying or service._whereabouts.away(key[0])):
            self.view[key] &= shown  # whoever left is shown nobody
        assert self.view[key] <= shown, "somebody is shown who is gone"


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens(seed: int) -> None:
    """All of it in bounded time: no event makes another without end."""
    walk = Walk(seed)
    for _ in range(STEPS):
        walk.step()
