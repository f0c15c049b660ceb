"""XMPP users who watch SIP users: docs/interworking/presence.md §2, row by row."""

from collections.abc import Hashable, Sequence
from itertools import count, pairwise
from typing import cast

import pytest

from dragoman.bridge import presentities
from dragoman.bridge.attempts import AT_ONCE, HASTE, LASTING, LATER
from dragoman.bridge.inheritance import UNDER_WAY
from dragoman.bridge.naming import Naming
from dragoman.bridge.presentities import PROOF_ID, Presentities
from dragoman.mapping.failure import Unreached
from dragoman.sip.endpoint import Cause, ServerTransaction
from dragoman.sip.message import Header, Request, Response, build_request, response_to
from dragoman.sip.route import RouteSet
from dragoman.sip.subscriber import GONE, TIMER_N, Subscribing
from dragoman.store.subscriptions import Memory, Watching
from dragoman.xmpp.element import Element, to_xml
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import PRESENCE, ends, presence
from tests.bridge.full import Broken

ALICE, CAROL = "alice@xmpp.example", "carol@sip.example"
HOME, WORK = f"{ALICE}/home", f"{ALICE}/work"
PROCESSES = count(1)
CAPS = "{http://jabber.org/protocol/caps}c"


def pidf(*tuples: tuple[str, str], note: str = "") -> bytes:
    """Return a document with these tuples: id and basic."""
    inner = "".join(
        f"<tuple id='{id_}'><status><basic>{basic}</basic></status></tuple>"
        for id_, basic in tuples
    )
    note = note and f"<note>{note}</note>"
    return (
        f"<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:{CAROL}'>{inner}{note}"
        "</presence>"
    ).encode()


OPEN = pidf(("ID-orchard", "open"))


class World:
    """The service between two ports that remember, and a clock that is set."""

    def __init__(
        self, store: Memory | None = None, *, allowed: Sequence[str] = (), now: float = 1000.0
    ) -> None:
        """Have nobody watch, unless `store` says so."""
        self.now = now
        self.store = store or Broken()
        self.stanzas: list[Element] = []
        self.requests: list[tuple[Request, Subscribing, RouteSet | None]] = []
        self.responses: list[Response] = []
        self.seen: set[tuple[str, str]] = set()
        self.cseq = 0
        numbers, process = count(1), next(PROCESSES)
        self.service = Presentities(
            self,
            self,
            Naming(lambda _: True),
            self.store,
            lambda: f"t{process}-{next(numbers)}",
            lambda: self.now + 1e9,
            lambda low, high: (low + high) / 2,
            lambda _: (Element(CAPS),),
            lambda contact, watcher: (contact, watcher) in self.seen,
            (lambda domain: domain in allowed) if allowed else (lambda _: True),
        )
        self.service.start(self.now)

    # the ports

    def respond(self, transaction: ServerTransaction, response: Response) -> None:
        assert cast("str", transaction) == "transaction"
        self.responses.append(response)

    def request(self, request: Request, handle: Hashable, route: RouteSet | None = None) -> None:
        assert isinstance(handle, Subscribing)
        self.requests.append((request, handle, route))

    def send(self, stanza: Element, local: str, remote: str) -> None:
        from_, to = ends(stanza)
        assert (from_.domain, to.domain, stanza.name) == (local, remote, PRESENCE)
        self.stanzas.append(stanza)

    # XMPP

    def says(self, kind: str | None, from_: str = ALICE, to: str = CAROL, id_: str = "p1") -> None:
        """Have an XMPP user send presence."""
        stanza = presence(to, from_, id=id_, type=kind)
        self.service.on_stanza(stanza, Jid.parse(from_), Jid.parse(to), self.now)

    def heard(self) -> list[str]:
        """Return what XMPP users were told: type, from which resource, and who if not Alice."""
        found = [_summary(each) for each in self.stanzas]
        self.stanzas.clear()
        return found

    # SIP

    def sent(self) -> Request:
        """Return the one SUBSCRIBE that went out."""
        [(self.last, self.handle, self.route)] = self.requests
        self.requests.clear()
        return self.last

    def answer(self, status: int, *headers: Header) -> None:
        """Answer it."""
        response = response_to(self.last, status, headers=headers, to_tag="far")
        self.service.on_response(self.handle, response, self.now)

    def notify(self, state: str, body: bytes = b"", *headers: Header, tag: str = "far") -> int:
        """Have a NOTIFY arrive; return the status of the answer."""
        self.cseq += 1
        given = [
            ("Via", "SIP/2.0/UDP ps.sip.example;branch=z9hG4bK1"),
            ("From", f"<sip:{CAROL}>;tag={tag}"),
            ("To", f"<sip:{ALICE}>;tag={self.last.from_.tag}"),
            ("Call-ID", self.last.call_id),
            ("CSeq", f"{self.cseq} NOTIFY"),
            ("Contact", "<sip:ps.sip.example>"),
            ("Event", "presence"),
            ("Subscription-State", state),
            *headers,
        ]
        if body and not any(name == "Content-Type" for name, _ in headers):
            given.append(("Content-Type", "application/pidf+xml"))
        request = build_request("NOTIFY", f"sip:{ALICE}", given, body)
        self.service.on_notify(request, cast("ServerTransaction", "transaction"), self.now)
        return self.responses.pop().status

    def wait(self, seconds: float = 0.0) -> None:
        """Let time pass: to the next timer, or so many seconds with all that is due in them."""
        if not seconds:
            self.now = self.service.next_timer() or self.now
            self.service.on_timer(self.now)
            return
        end = self.now + seconds
        while (when := self.service.next_timer()) is not None and when <= end:
            self.now = max(when, self.now)
            self.service.on_timer(self.now)
        self.now = end

    # what most begin with

    def asked(self) -> "World":
        """Have Alice ask."""
        self.says("subscribe")
        self.sent()
        return self

    def active(self, body: bytes = OPEN) -> "World":
        """Have her see Carol."""
        self.asked().answer(200, ("Expires", "3600"))
        assert self.notify("active;expires=3600", body) == 200
        self.stanzas.clear()
        return self

    def waiting_for_alice(self) -> "World":
        """Have Alice be gone, her authorization stay."""
        self.active().says(None, HOME)
        self.says("unavailable", HOME)
        self.sent()
        self.answer(200)
        self.notify("terminated;reason=timeout")
        self.stanzas.clear()
        return self

    def answered_all(self) -> None:
        """Have every request answered 200."""
        while self.requests:
            self.last, self.handle, _ = self.requests.pop(0)
            self.answer(200, ("Expires", "3600"))

    @property
    def record(self) -> Watching | None:
        """What is kept."""
        return self.store.find_watching(ALICE, CAROL)


def _summary(stanza: Element) -> str:
    from_, to = ends(stanza)
    kind = stanza.get("type") or "available"
    error = f" {StanzaError.parse(stanza).condition.value}" if kind == "error" else ""
    resource = f" {from_.resource}" if from_.resource else ""
    who = "" if str(to) == ALICE else f" to {to}"
    return f"{kind}{error}{resource}{who}"


# -- asking --------------------------------------------------------------------------------


@pytest.mark.spec("PRES-01")
@pytest.mark.spec("PRES-41")
def test_subscribe_yields_a_subscribe() -> None:
    """RFC 8048 §5.2.1; the Contact has a `gr` within its brackets (RFC 6665 §4.5.1)."""
    world = World()
    world.says("subscribe")
    request = world.sent()
    assert request.start_line == f"SUBSCRIBE sip:{CAROL} SIP/2.0"
    assert request.get("Event") == "presence"
    assert (request.get("Accept") or "").startswith("application/pidf+xml")
    assert request.get("Expires") == "3600"
    assert str(request.from_.uri) == f"sip:{ALICE}"
    assert request.contacts[0].uri.param("gr")
    assert request.contacts[0].uri.user == "alice"
    assert world.heard() == []
    assert world.record == Watching(ALICE, CAROL, asked=world.now + 1e9)


@pytest.mark.spec("PRES-02")
def test_pending_is_told_to_nobody() -> None:
    """RFC 8048 §5.2.1: neutral, whatever comes with it."""
    world = World().asked()
    world.answer(202, ("Expires", "3600"))
    assert world.notify("pending;expires=3600", OPEN) == 200
    assert world.heard() == []
    assert world.record is not None
    assert not world.record.authorized
    assert world.record.shown == ()


@pytest.mark.spec("PRES-03")
def test_the_first_active_is_told_as_consent_and_then_presence() -> None:
    """RFC 8048 §5.2.1, examples 5 and 6."""
    world = World().asked()
    world.answer(200, ("Expires", "3600"))
    world.notify("active;expires=3600", OPEN)
    assert world.stanzas[1].find(CAPS) is not None
    assert world.heard() == ["subscribed", "available orchard"]
    assert world.record is not None
    assert world.record.authorized


@pytest.mark.spec("PRES-04")
def test_an_active_without_body_is_told_as_unavailable() -> None:
    """RFC 8048 §5.2.1: consent, and nothing to see yet; later emptiness changes nothing."""
    world = World().asked()
    world.answer(200)
    world.notify("active;expires=3600")
    assert world.heard() == ["subscribed", "unavailable"]
    world.notify("active;expires=3600", OPEN)
    world.notify("active;expires=3600")
    assert world.heard() == ["available orchard"]


@pytest.mark.spec("PRES-30")
def test_a_notify_that_overtakes_the_response_counts() -> None:
    """RFC 6665 §4.1.2.4."""
    world = World().asked()
    world.notify("active;expires=3600", OPEN)
    assert world.heard() == ["subscribed", "available orchard"]
    world.answer(200, ("Expires", "3600"))
    assert world.heard() == []


def test_asking_twice() -> None:
    """RFC 6121 §3.1.3: nothing new on the wire; who was authorized hears so again."""
    world = World().asked()
    world.says("subscribe")
    assert (world.requests, world.heard()) == ([], [])
    world.answer(200)
    world.notify("active;expires=3600", OPEN)
    world.heard()
    world.says("subscribe", HOME)
    assert (world.requests, world.heard()) == ([], ["subscribed", "available orchard"])


@pytest.mark.parametrize(
    ("status", "condition"), [(404, "item-not-found"), (480, "recipient-unavailable"), (503, None)]
)
def test_one_who_cannot_be_asked(status: int, condition: str | None) -> None:
    """An error to who asked; the request stays open, and is tried again when somebody looks."""
    world = World().asked()
    world.answer(status)
    [told] = world.heard()
    assert told.startswith("error ")
    assert condition is None or told == f"error {condition}"
    assert world.record == Watching(ALICE, CAROL, asked=world.now + 1e9)
    world.wait(HASTE)
    assert world.requests == []
    world.says("probe", HOME)
    world.sent()
    assert world.heard() == []
    world.answer(200)
    world.notify("active", OPEN)
    assert world.heard() == ["subscribed", "available orchard"]


@pytest.mark.spec("PRES-29")
def test_nobody_notifies() -> None:
    """RFC 6665 §4.1.2.4: timer N ends the attempt."""
    world = World().asked()
    world.answer(200)
    world.wait(TIMER_N - 1)
    assert world.heard() == []
    world.wait(1)
    assert world.heard() == ["error remote-server-timeout"]


@pytest.mark.parametrize(
    ("cause", "condition"),
    [
        (Cause.TIMEOUT, "remote-server-timeout"),
        (Cause.OVERLOAD, "resource-constraint"),
        (Unreached.NO_ADDRESS, "remote-server-not-found"),
        (StanzaError(Condition.ITEM_NOT_FOUND), "item-not-found"),
    ],
)
def test_nobody_answers(cause: Cause | Unreached | StanzaError, condition: str) -> None:
    """The error says why; another attempt is made later by itself, ever less often."""
    world = World().asked()
    world.service.on_failure(world.handle, cause, world.now)
    assert world.heard() == [f"error {condition}"]
    for wait in (LATER, 2 * LATER, 4 * LATER, 8 * LATER, 3600, 3600):
        world.wait(wait - 1)
        assert world.requests == []
        world.wait(1)
        world.sent()
        world.service.on_failure(world.handle, cause, world.now)
    assert world.heard() == []


@pytest.mark.spec("PRES-06")
@pytest.mark.spec("ERR-14")
@pytest.mark.parametrize("status", [403, 489, 603])
def test_a_refusal_for_ever(status: int) -> None:
    """RFC 8048 §5.2.2: the authorization is cancelled, first or later."""
    world = World().asked()
    world.answer(status)
    assert world.heard() == ["unsubscribed"]
    assert world.record is None
    world = World().active()
    world.wait()
    world.sent()
    world.answer(status)
    assert world.heard() == ["unsubscribed", "unavailable orchard"]
    assert world.record is None
    world.wait(10_000)
    assert world.requests == []


@pytest.mark.spec("PRES-32")
def test_users_of_other_domains_may_not_watch() -> None:
    """RFC 8048 §8.1: where the operator says whose users may."""
    world = World(allowed=["jabber.example"])
    world.says("subscribe")
    assert (world.heard(), world.requests, world.record) == (["error forbidden"], [], None)
    world.says("subscribe", "bob@jabber.example")
    world.sent()


def test_one_who_has_no_address() -> None:
    """The error names what is wrong, and nothing is kept."""
    world = World()
    world.says("subscribe", to="\\20x@sip.example")
    assert world.heard() == ["error jid-malformed"]
    assert world.store.describe()["watching"] == 0


def test_no_room() -> None:
    """Nothing is promised that cannot be kept."""
    world = World()
    cast("Broken", world.store).full = True
    world.says("subscribe")
    assert (world.heard(), world.requests) == (["error resource-constraint"], [])


def test_consent_that_cannot_be_kept_is_not_told() -> None:
    """It is told when there is room: with the next NOTIFY."""
    world = World().asked()
    world.answer(200)
    cast("Broken", world.store).full = True
    world.notify("active", OPEN)
    assert world.heard() == []
    cast("Broken", world.store).full = False
    world.notify("active", OPEN)
    assert world.heard() == ["subscribed", "available orchard"]


# -- what is told ---------------------------------------------------------------------------


@pytest.mark.spec("PRES-22")
def test_three_devices() -> None:
    """One presence each; one that is told of no more is unavailable; what stays is not repeated."""
    world = World().asked()
    world.answer(200)
    three = [(f"ID-{name}", "open") for name in ("a", "b", "c")]
    world.notify("active", pidf(*three))
    assert world.heard() == ["subscribed", "available a", "available b", "available c"]
    world.notify("active", pidf(*three[:2]))
    assert world.heard() == ["unavailable c"]
    world.notify("active", pidf(("ID-a", "open"), ("ID-b", "closed")))
    assert world.heard() == ["unavailable b"]
    world.notify("active", pidf(("ID-b", "closed"), ("ID-d", "open")))
    assert world.heard() == ["available d", "unavailable a"], "nobody is to seem gone meanwhile"
    world.notify("active", pidf())
    assert world.heard() == ["unavailable d"]


def test_all_sessions_share_one_dialog() -> None:
    """Presence goes to the bare JID; one who comes later gets what was told from memory."""
    world = World().active()
    world.says("probe", HOME)
    world.says("probe", WORK)
    assert world.requests == []
    assert world.heard() == [f"available orchard to {HOME}", f"available orchard to {WORK}"]


@pytest.mark.spec("PRES-31")
def test_what_one_may_see_is_not_told_to_another() -> None:
    """RFC 8048 §8.2."""
    world = World().active()
    world.says("subscribe", "bob@jabber.example")
    world.sent()
    assert world.heard() == []
    world.says("probe", "bob@jabber.example/x")
    assert world.heard() == []
    world.says("probe", "eve@jabber.example/x")
    assert world.heard() == ["unsubscribed to eve@jabber.example/x"]


@pytest.mark.spec("PRES-37")
@pytest.mark.parametrize(
    "body",
    [
        b"<presence",
        b"<!DOCTYPE p [<!ENTITY a 'b'>]><presence xmlns='urn:ietf:params:xml:ns:pidf'/>",
        b"<other/>",
    ],
)
def test_a_damaged_document_changes_nothing(body: bytes) -> None:
    """400; the subscription goes on as it was."""
    world = World().active()
    assert world.notify("active", body) == 400
    assert world.heard() == []
    assert world.record is not None
    assert world.notify("active", pidf(("ID-orchard", "closed"))) == 200
    assert world.heard() == ["unavailable orchard"]


def test_a_document_of_another_kind_is_refused() -> None:
    """RFC 3856 §6.5: 415 says what is taken."""
    world = World().active()
    kind = ("Content-Type", "application/xpidf+xml")
    assert world.notify("active", b"<presence/>", kind) == 415
    assert world.heard() == []


@pytest.mark.spec("PRES-37")
@pytest.mark.parametrize(("body", "kind"), [(b"<presence", "application/pidf+xml"), (b"x", "x/y")])
def test_a_damaged_document_does_not_keep_a_dialog_alive(body: bytes, kind: str) -> None:
    """The far end has ended it, whatever it sends along: consent that is withdrawn is."""
    given = ("Content-Type", kind)
    world = World().active()
    world.wait(LASTING)
    old = world.last.call_id
    assert world.notify("terminated;reason=timeout", body, given) in {400, 415}
    assert world.sent().call_id != old
    assert world.heard() == []
    world = World().active()
    assert world.notify("terminated;reason=rejected", body, given) in {400, 415}
    assert world.heard() == ["unsubscribed", "unavailable orchard"]
    assert world.record is None


@pytest.mark.spec("PRES-25")
def test_a_notify_of_no_dialog() -> None:
    """RFC 6665 §4.1.3: 481."""
    world = World().active()
    world.says("unsubscribe")
    world.sent()
    world.answer(200)
    assert world.notify("terminated") == 200
    assert world.notify("active") == 481


@pytest.mark.spec("PRES-39")
def test_an_older_notify_changes_nothing() -> None:
    """RFC 3856 §6.8."""
    world = World().active()
    world.cseq = 8
    world.notify("active", pidf(("ID-orchard", "closed")))
    world.cseq = 3
    assert world.notify("active", OPEN) == 500
    assert world.heard() == ["unavailable orchard"]


def test_pending_again_hides() -> None:
    """RFC 6665 §4.1.3: consent withdrawn for now; XMPP's stays."""
    world = World().active()
    world.notify("pending", OPEN)
    world.notify("pending", OPEN)
    assert world.heard() == ["unavailable orchard"]
    world.notify("active", OPEN)
    assert world.heard() == ["available orchard"]


def test_what_is_remembered_of_all_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """Beyond, a contact is shown in brief: by the most available of his devices, without texts."""
    world = World()
    showing = world.service._showing
    showing._room = 20_000
    big = pidf(*[(f"ID-{number}", "open") for number in range(20)], note="x" * 900)
    for number in range(30):
        world.says("subscribe", f"u{number}@xmpp.example")
        world.sent()
        world.answer(200, ("Expires", "3600"))
        world.cseq = 0
        world.notify("active;expires=3600", big)
    assert showing.octets <= 20_000 + 30 * 600
    assert [each.message for each in caplog.records].count(
        "presence of SIP users is shown in brief: there is no room to remember more"
    ) == 1
    told = [each for each in world.stanzas if each.get("to") == "u29@xmpp.example"]
    assert [each.get("type") for each in told] == ["subscribed", None]
    assert told[1].find("{jabber:client}status") is None
    world.stanzas.clear()
    world.notify("active;expires=3600", big)
    world.says("probe", "u29@xmpp.example/x")
    assert world.heard() == ["available 0 to u29@xmpp.example/x"], "what is shown is what is known"
    for number in range(30):
        world.says("unsubscribe", f"u{number}@xmpp.example")
        world.answered_all()
    assert showing.octets == 0
    assert world.service.describe()["octets"] == 0


def test_one_document_is_no_flood() -> None:
    """However much there is in it, and however often that goes into a stanza."""
    name = "&amp;" * 1000
    person = (
        "<p:person xmlns:p='urn:ietf:params:xml:ns:pidf:data-model' id='p'>"
        f"<c:display-name xmlns:c='urn:ietf:params:xml:ns:pidf:cipid'>{name}</c:display-name>"
        "</p:person></presence>"
    ).encode()
    many = pidf(*[(f"ID-{number}", "open") for number in range(64)], note="x" * 2000)
    body = many.replace(b"</presence>", person)
    assert len(body) < 14_000
    world = World().asked()
    assert world.notify("active;expires=3600", body) == 200
    octets = [len(to_xml(each)) for each in world.stanzas]
    assert len(octets) == 65
    assert sum(octets) < 64 * 256 + 6 * 16_384


# -- how it ends ------------------------------------------------------------------------------


@pytest.mark.spec("PRES-28")
@pytest.mark.parametrize("reason", ["rejected", "noresource"])
def test_terminated_for_good(reason: str) -> None:
    """RFC 6665 §4.1.3."""
    world = World().active()
    world.notify(f"terminated;reason={reason}")
    assert world.heard() == ["unsubscribed", "unavailable orchard"]
    assert world.record is None
    world.wait(10_000)
    assert world.requests == []


@pytest.mark.spec("PRES-28")
@pytest.mark.parametrize("reason", [";reason=deactivated", ";reason=timeout", "", ";reason=new"])
def test_terminated_for_now(reason: str) -> None:
    """RFC 6665 §4.1.3: another dialog at once, and nobody is told."""
    world = World().active()
    world.wait(HASTE)
    old = world.last.call_id
    world.notify(f"terminated{reason}")
    assert world.sent().call_id != old
    assert world.heard() == []
    world.answer(200)
    world.cseq = 0
    world.notify("active", OPEN)
    assert world.heard() == []


@pytest.mark.spec("PRES-28")
def test_terminated_again_and_again() -> None:
    """One dialog in half a minute, then in a minute, and so on to an hour."""
    world = World().active()
    world.wait(HASTE)
    began: list[float] = []
    world.notify("terminated;reason=deactivated")
    while len(began) < 10:
        if not world.requests:
            world.wait()
        world.sent()
        began.append(world.now)
        world.answer(200)
        world.cseq = 0
        world.notify("active", OPEN)
        world.notify("terminated;reason=deactivated")
    waits = [later - sooner for sooner, later in pairwise(began)]
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert world.heard()[-2:] == ["available orchard", "unavailable orchard"]
    world.wait(3600)
    world.sent()
    world.answer(200)
    world.cseq = 0
    world.notify("active;expires=3600", OPEN)
    world.wait(LASTING)
    world.notify("terminated;reason=deactivated")
    world.sent()


@pytest.mark.spec("PRES-28")
def test_a_dialog_that_is_lost_again_and_again() -> None:
    """As one that is ended: a server that forgets what it granted is not asked all the time."""
    world = World().active()
    began: list[float] = []
    while len(began) < 5:
        if not world.requests:
            world.says(None, HOME)
            world.wait()
        elif world.sent().to.tag:
            world.answer(481)
        else:
            began.append(world.now)
            world.answer(200, ("Expires", "80"))
            world.cseq = 0
            world.notify("active;expires=80", OPEN)
    waits = [later - sooner for sooner, later in pairwise(began)]
    assert waits == [60, 120, 240, 480]


@pytest.mark.parametrize("kind", ["subscribe", "probe", None])
@pytest.mark.parametrize(
    ("answer", "wait"), [((503, ("Retry-After", "7200")), 7200), ((404,), HASTE)]
)
def test_asking_again_and_again_asks_no_sooner(
    kind: str | None, answer: tuple[int, Header] | tuple[int], wait: float
) -> None:
    """Back-off, and what the far end wants (RFC 3261 §20.33), whatever the user sends."""
    world = World().asked()
    world.answer(*answer)
    world.heard()
    end = world.now + wait
    for _ in range(50):
        world.wait((wait - 1) / 50)
        world.says(kind, HOME)
        world.says("unavailable", HOME)
        assert world.requests == []
    assert {each.split()[0] for each in world.heard()} <= {"error"}
    world.says("probe", HOME)
    world.wait(end - world.now)
    world.sent()


def test_one_who_asks_again_hears_again_why_not() -> None:
    """At once, though nobody is asked."""
    world = World().asked()
    world.answer(404)
    world.heard()
    world.says("subscribe", id_="p2")
    assert world.stanzas[0].get("id") == "p2"
    assert (world.heard(), world.requests) == (["error item-not-found"], [])


@pytest.mark.parametrize("heard", [False, True])
def test_who_cannot_make_up_his_mind_is_no_flood(*, heard: bool) -> None:
    """Subscribe and unsubscribe by turns: a few dialogs at once, then one in half a minute."""
    world, asked = World(), 0
    for _ in range(200):
        world.says("subscribe")
        for request, handle, _ in list(world.requests):
            asked += request.to.tag is None
            world.last, world.handle = request, handle
        if heard and world.requests:
            world.requests.clear()
            world.answer(200)
            world.cseq = 0
            world.notify("active", OPEN)
        world.says("unsubscribe")
        world.requests.clear()
        world.wait(1)
    assert asked <= AT_ONCE + 200 / HASTE
    world.says("subscribe")
    world.wait(HASTE)
    assert [each.get("Expires") for each, _, _ in world.requests][-1] == "3600"


def test_who_probes_all_the_time_is_no_flood() -> None:
    """Neither in a dialog that tells nothing, nor where there may be none."""
    for reason in ("", "terminated;reason=invariant", "terminated;reason=probation"):
        world = World().active(b"")
        if reason:
            world.notify(reason)
        asked = 0
        for _ in range(200):
            world.says("probe", HOME)
            if world.requests:
                asked += 1
                once = world.sent().get("Expires") == "0"
                world.answer(200, ("Expires", "3600"))
                if once:
                    world.cseq = 0
                    world.notify("terminated;reason=timeout")
            world.wait(1)
        assert asked <= AT_ONCE + 200 / HASTE
        assert "unavailable to alice@xmpp.example/home" in world.heard() or not reason


@pytest.mark.spec("PRES-28")
@pytest.mark.parametrize(
    ("reason", "wait"),
    [
        ("probation;retry-after=600", 600),
        ("giveup;retry-after=600", 600),
        ("probation", 300),
        ("giveup;retry-after=1", HASTE),
        ("probation;retry-after=4294967295", 86_400),
    ],
)
def test_terminated_for_a_while(reason: str, wait: float) -> None:
    """RFC 6665 §4.1.3: asked again after retry-after; longer than a minute, and he is hidden."""
    world = World().active()
    world.notify(f"terminated;reason={reason}")
    assert world.heard() == (["unavailable orchard"] if wait > 60 else [])
    world.wait(wait - 1)
    assert world.requests == []
    world.wait(1)
    world.sent()


@pytest.mark.spec("PRES-28")
@pytest.mark.spec("PRES-23")
def test_terminated_because_nothing_will_ever_change() -> None:
    """RFC 6665 §4.1.3, invariant: what was told stands; who asks has it asked for once."""
    world = World().active()
    world.notify("terminated;reason=invariant")
    assert world.heard() == []
    world.wait(100_000)
    assert world.requests == []
    world.says("probe", HOME)
    assert world.heard() == [f"available orchard to {HOME}"]
    assert world.sent().get("Expires") == "0"


@pytest.mark.spec("PRES-23")
def test_a_probe_asks_once_while_no_dialog_may_be() -> None:
    """RFC 8048 §7.1: Expires 0 in a new dialog; the one NOTIFY answers who probed."""
    world = World().active()
    old = world.last
    world.notify("terminated;reason=probation;retry-after=600")
    world.heard()
    world.says("probe", HOME)
    request = world.sent()
    assert (request.get("Expires"), request.to.tag) == ("0", None)
    assert request.call_id != old.call_id
    world.says("probe", HOME)
    assert world.requests == []
    world.answer(200, ("Expires", "0"))
    world.cseq = 0
    world.notify("terminated;reason=timeout", OPEN)
    assert world.heard() == [f"available orchard to {HOME}"]
    world.wait(600)
    assert world.sent().get("Expires") == "3600"


@pytest.mark.spec("PRES-06")
@pytest.mark.parametrize("status", [403, 489, 603])
@pytest.mark.parametrize("reason", ["invariant", "probation;retry-after=600"])
def test_a_refusal_for_ever_of_a_question(reason: str, status: int) -> None:
    """RFC 8048 §5.2.2: what is asked once is refused as for good as what is asked for an hour."""
    world = World().active()
    world.notify(f"terminated;reason={reason}")
    world.says("probe", HOME)
    world.heard()
    assert world.sent().get("Expires") == "0"
    world.answer(status)
    assert world.heard()[0] == "unsubscribed"
    assert world.record is None
    world.wait(10_000)
    assert world.requests == []


@pytest.mark.spec("PRES-06")
@pytest.mark.parametrize("reason", ["rejected", "noresource"])
def test_a_question_that_is_answered_with_no(reason: str) -> None:
    """RFC 6665 §4.1.3: as in a dialog that lasts."""
    world = World().active()
    world.notify("terminated;reason=invariant")
    world.says("probe", HOME)
    world.heard()
    world.sent()
    world.answer(200, ("Expires", "0"))
    world.cseq = 0
    assert world.notify(f"terminated;reason={reason}", OPEN) == 200
    assert world.heard() == ["unsubscribed", "unavailable orchard"]
    assert world.record is None


def test_what_a_question_finds_gone_is_gone_for_all() -> None:
    """Who asked hears all; the watcher's other sessions what they show and is not there."""
    three = pidf(("ID-orchard", "open"), ("ID-desk", "open"), ("ID-attic", "open"))
    world = World().active(three)
    world.notify("terminated;reason=invariant")
    world.says("probe", HOME)
    world.heard()
    world.sent()
    world.answer(200, ("Expires", "0"))
    world.cseq = 0
    world.notify("terminated;reason=timeout", pidf(("ID-desk", "closed"), ("ID-attic", "open")))
    assert sorted(world.heard()) == [
        f"available attic to {HOME}",
        "unavailable desk",
        "unavailable orchard",
    ]
    assert world.record is not None
    assert world.record.shown == ("attic",)


@pytest.mark.parametrize("status", [404, 500])
def test_a_question_that_fails_changes_nothing(status: int) -> None:
    """Only what refuses for ever does."""
    world = World().active()
    world.notify("terminated;reason=invariant")
    world.says("probe", HOME)
    world.heard()
    world.sent()
    world.answer(status)
    assert world.heard() == []
    assert world.record is not None


def test_questions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond, a probe is answered by an error; however many pairs have no dialog."""
    monkeypatch.setattr(presentities, "MOST_QUESTIONS", 3)
    store = Memory()
    for number in range(9):
        store.keep(Watching(f"u{number}@xmpp.example", CAROL, authorized=True))
    world = World(store).active()
    world.notify("terminated;reason=invariant")
    for number in range(6):
        world.says("probe", f"{ALICE}/{number}")
    assert len(world.requests) == 3
    assert " ".join(world.heard()).count("error resource-constraint") == 3
    world.wait(TIMER_N)
    world.requests.clear()
    world.says("probe", f"{ALICE}/6")
    assert [each.get("Expires") for each, _, _ in world.requests] == ["0"], "there is room again"


@pytest.mark.spec("PRES-07")
@pytest.mark.spec("ERR-14")
@pytest.mark.parametrize("status", [*sorted(GONE)])
def test_a_lost_dialog_is_made_anew(status: int) -> None:
    """RFC 6665 §4.1.2.2: shown as before, until it is known better."""
    world = World().active()
    world.wait()
    world.sent()
    world.answer(status)
    request = world.sent()
    assert request.to.tag is None
    assert world.heard() == []
    assert world.record is not None
    assert world.record.authorized
    world.answer(200)
    world.cseq = 0
    world.notify("active", pidf(("ID-orchard", "closed")))
    assert world.heard() == ["unavailable orchard"]


@pytest.mark.spec("ERR-14")
def test_too_short_a_time_cancels_nothing() -> None:
    """RFC 8048 §5.2.2: 423 is asked again, first or later."""
    world = World().asked()
    world.answer(423, ("Min-Expires", "7200"))
    assert world.sent().get("Expires") == "7200"
    world.answer(200, ("Expires", "7200"))
    world.notify("active;expires=7200", OPEN)
    assert world.heard() == ["subscribed", "available orchard"]


def test_a_dialog_that_cannot_be_made_anew_hides() -> None:
    """An authorized watcher hears no error: he asked for nothing; it is tried again."""
    world = World().active()
    world.wait()
    world.sent()
    world.answer(481)
    world.sent()
    world.answer(503)
    assert world.heard() == ["unavailable orchard"]
    world.wait(LATER)
    world.sent()


# -- taking back -------------------------------------------------------------------------------


@pytest.mark.spec("PRES-08")
def test_unsubscribe() -> None:
    """RFC 8048 §5.2.3: Expires 0, then `unsubscribed`, and unavailable from each resource."""
    world = World().active()
    world.says("unsubscribe")
    request = world.sent()
    assert (request.get("Expires"), request.to.tag) == ("0", "far")
    assert world.heard() == []
    world.answer(200)
    assert world.heard() == ["unsubscribed", "unavailable orchard"]
    assert world.record is None


def test_what_goes_with_presence_is_told_anew_to_those_who_see_it() -> None:
    """And to nobody when nobody watches any more."""
    store = Memory()
    store.keep(Watching("bob@xmpp.example", CAROL, authorized=True))
    world = World(store).active()
    world.service.adorned(Jid.parse("dave@sip.example"))
    assert world.heard() == []
    world.service.adorned(Jid.parse(f"{CAROL}/orchard"))
    assert world.heard() == ["available orchard"]
    world.says("unsubscribe")
    world.sent()
    world.answer(200)
    world.heard()
    world.service.adorned(Jid.parse(CAROL))
    assert world.heard() == []
    assert world.service._watchers == {CAROL: {"bob@xmpp.example"}}


@pytest.mark.spec("PRES-09")
def test_the_last_notify_is_the_far_end_s() -> None:
    """RFC 6665 §4.2: we answer it, and send none."""
    world = World().active()
    world.says("unsubscribe")
    world.sent()
    world.notify("terminated;reason=timeout", OPEN)
    assert world.heard() == ["unsubscribed", "unavailable orchard"]
    world.answer(200)
    world.wait(100)
    assert (world.requests, world.heard()) == ([], [])


@pytest.mark.parametrize("how", ["refused", "silence"])
def test_unsubscribe_succeeds_whatever_sip_says(how: str) -> None:
    """Who does not want to see any more is never kept."""
    world = World().active()
    world.says("unsubscribe")
    world.sent()
    if how == "refused":
        world.answer(500)
    else:
        world.service.on_failure(world.handle, Cause.TIMEOUT, world.now)
    assert world.heard() == ["unsubscribed", "unavailable orchard"]
    assert world.record is None


def test_unsubscribe_that_cannot_be_written_down() -> None:
    """It is done all the same: nobody looks any longer than he wants."""
    world = World().active()
    cast("Broken", world.store).full = True
    world.says("unsubscribe")
    world.sent()
    world.answer(200)
    assert world.heard() == ["unsubscribed", "unavailable orchard"]
    assert world.requests == []


def test_unsubscribe_without_a_dialog() -> None:
    """At once; and for one who never watched too."""
    world = World().waiting_for_alice()
    world.says("unsubscribe")
    assert (world.requests, world.heard()) == ([], ["unsubscribed"])
    assert world.record is None
    world.says("unsubscribe")
    assert world.heard() == ["unsubscribed"]


def test_unsubscribe_before_any_word() -> None:
    """The dialog is ended as soon as it is there."""
    world = World().asked()
    world.says("unsubscribe")
    assert world.requests == []
    world.answer(200)
    world.notify("active", OPEN)
    assert world.sent().get("Expires") == "0"
    world.answer(200)
    assert world.heard() == ["unsubscribed"]


def test_unsubscribe_and_subscribe() -> None:
    """Who changes his mind has a new dialog, and is authorized still."""
    world = World().active()
    world.says("unsubscribe")
    world.sent()
    world.says("subscribe")
    request = world.sent()
    assert request.to.tag is None
    world.answer(200)
    world.cseq = 0
    world.notify("active", OPEN)
    assert "available orchard" not in world.heard() or world.record is not None
    assert world.record is not None
    assert not world.record.leaving


# -- coming and going ----------------------------------------------------------------------------


@pytest.mark.spec("PRES-05")
def test_who_goes_has_the_dialog_ended() -> None:
    """RFC 8048 §5.2.2: with the last session; the authorization stays."""
    world = World().active()
    world.says(None, HOME)
    world.says(None, WORK)
    world.says("unavailable", HOME)
    assert world.requests == []
    world.says("unavailable", WORK)
    assert world.sent().get("Expires") == "0"
    world.answer(200)
    world.notify("terminated;reason=timeout")
    assert world.heard() == []
    assert world.record is not None
    assert world.record.authorized
    world.wait(100_000)
    assert world.requests == []


@pytest.mark.spec("PRES-05")
@pytest.mark.parametrize("how", ["probe", None])
def test_who_comes_has_a_dialog(how: str | None) -> None:
    """RFC 8048 §5.2.2: by a probe, or presence; `subscribed` is not told again."""
    world = World().waiting_for_alice()
    world.says(how, HOME)
    world.heard()
    assert world.sent().get("Expires") == "3600"
    world.answer(200)
    world.cseq = 0
    world.notify("active", pidf(("ID-desk", "open")))
    assert world.heard() == ["available desk"]


@pytest.mark.spec("PRES-05")
def test_the_dialog_is_refreshed_while_he_is_there() -> None:
    """RFC 8048 §5.2.2: before it ends; a change of his presence asks for nothing."""
    world = World().active()
    for _ in range(5):
        before = world.now
        world.says(None, HOME)
        assert world.requests == []
        world.wait()
        assert before < world.now < before + 3600
        assert world.sent().get("Expires") == "3600"
        world.answer(200, ("Expires", "3600"))
    assert world.heard() == []


def test_who_comes_back_while_we_leave() -> None:
    """He has a dialog again."""
    world = World().active()
    world.says(None, HOME)
    world.says("unavailable", HOME)
    world.sent()
    world.says(None, WORK)
    world.answer(200)
    assert world.sent().get("Expires") == "3600"


def test_who_comes_back_while_we_leave_is_told_what_has_changed() -> None:
    """He may have been told what there was when he came: what is gone since is gone."""
    world = World().active()
    world.says(None, HOME)
    world.says("unavailable", HOME)
    world.sent()
    world.says(None, WORK)
    world.answer(200)
    world.sent()
    world.answer(200)
    world.cseq = 0
    world.notify("active", pidf(("ID-desk", "open")))
    assert world.heard() == ["available desk", "unavailable orchard"]


def test_an_old_refresh_needs_a_proof_of_life() -> None:
    """RFC 8048 §8.1: the watcher's server is asked first, in the gateway's name."""
    world = World().active()
    world.wait()
    world.sent()
    world.answer(200, ("Expires", "3600"))
    world.wait()
    assert world.requests == []
    [probe] = world.stanzas
    assert (probe.get("type"), probe.get("from"), probe.get("to")) == (
        "probe",
        "sip.example",
        ALICE,
    )
    assert probe.get("id", "").startswith(PROOF_ID)
    world.service.on_proof(
        presence("sip.example", ALICE, type="unsubscribed"), Jid.parse(ALICE), world.now
    )
    world.wait()
    world.sent()


@pytest.mark.parametrize("how", ["error", "undelivered"])
def test_no_proof_of_life_ends_the_dialog(how: str) -> None:
    """RFC 8048 §8.1; his next sign of life makes another."""
    world = World().active()
    world.wait()
    world.sent()
    world.answer(200, ("Expires", "3600"))
    world.wait()
    [probe] = world.stanzas
    if how == "error":
        error = presence(
            "sip.example",
            ALICE,
            id=probe.get("id", ""),
            type="error",
            children=[StanzaError(Condition.SERVICE_UNAVAILABLE).element()],
        )
        world.service.on_proof(error, Jid.parse(ALICE), world.now)
    else:
        world.service.undelivered(probe, world.now)
        assert world.service.describe()["owed"] == 0
    assert world.sent().get("Expires") == "0"
    world.answer(200)
    world.says("probe", HOME)
    assert world.sent().get("Expires") == "3600"


def test_one_whom_carol_may_see_is_asked_in_her_name() -> None:
    """His server then tells who is there: unavailable from the bare JID is nobody."""
    world = World().active()
    world.seen.add((ALICE, CAROL))
    world.says("unavailable", HOME)
    [probe] = world.stanzas
    assert (probe.get("from"), probe.get("type")) == (CAROL, "probe")
    assert world.requests == []
    world.says("unavailable", ALICE)
    assert world.sent().get("Expires") == "0"


@pytest.mark.spec("PRES-40")
def test_who_never_was_authorized_is_told_so() -> None:
    """RFC 6121 §4.3.2: and what his server believes is put right."""
    world = World()
    world.says("probe", HOME)
    assert (world.heard(), world.requests) == ([f"unsubscribed to {HOME}"], [])


def test_who_waits_for_an_answer_is_not_told_no() -> None:
    """A probe of one who asked would else deny what is undecided."""
    world = World().asked()
    world.answer(200)
    world.notify("pending")
    world.says("probe", HOME)
    assert (world.heard(), world.requests) == ([], [])


# -- servers that cannot be reached --------------------------------------------------------------


def came_back(world: World) -> list[str]:
    """Give back all that XMPP users were sent; return what that was."""
    lost, told = list(world.stanzas), world.heard()
    for each in lost:
        world.service.undelivered(each, world.now)
    return told


@pytest.mark.parametrize("how", ["word", "time"])
def test_what_could_not_be_told_is_told_later(how: str) -> None:
    """As it is then: also that somebody is gone of whom nothing is known any more."""
    world = World().active(pidf(("ID-orchard", "open"), ("ID-desk", "open")))
    world.says(None, HOME)
    world.notify("active", pidf(("ID-desk", "open"), note="busy"))
    assert came_back(world) == ["available desk", "unavailable orchard"]
    world.notify("active", pidf(("ID-desk", "closed"), ("ID-car", "open")))
    assert came_back(world) == ["unavailable desk", "available car"]
    world.wait(10)
    assert world.heard() == []
    if how == "word":
        world.says(None, HOME)
        world.wait(1)
    else:
        world.wait(20)
    assert sorted(world.heard()) == ["available car", "unavailable desk", "unavailable orchard"]
    world.wait(100)
    assert world.heard() == []


def test_consent_that_could_not_be_told_is_told_later() -> None:
    """The word, and all that came with it; and that it was taken back."""
    world = World().asked()
    world.answer(200)
    world.notify("active;expires=3600", OPEN)
    assert came_back(world) == ["subscribed", "available orchard"]
    world.wait(30)
    assert came_back(world) == ["subscribed", "available orchard"]
    world.notify("terminated;reason=rejected")
    assert came_back(world) == ["unsubscribed", "unavailable orchard"]
    world.wait(60)
    assert world.heard() == ["unsubscribed", "unavailable orchard"]
    world.wait(60)
    assert world.service.next_timer() is None


def test_who_never_watched_is_owed_nothing() -> None:
    """Else a domain that cannot be reached could have as much remembered as it likes."""
    world = World()
    for number in range(10):
        world.says("probe", f"u{number}@xmpp.example/x")
    assert len(came_back(world)) == 10
    assert world.service.describe()["owed"] == 0
    assert world.service.next_timer() is None


def test_a_server_that_is_away_for_ever_is_not_told_for_ever() -> None:
    """Nor often."""
    world = World().active()
    world.notify("terminated;reason=rejected")
    tries = 0
    while came_back(world):
        tries += 1
        world.wait()
    assert 20 < tries < 40
    assert world.service.next_timer() is None


# -- starting again -------------------------------------------------------------------------


@pytest.mark.spec("PRES-33")
def test_a_dialog_is_spoken_on_in_after_a_restart() -> None:
    """It is refreshed; consent is told again, for word of it may have been lost."""
    first = World().active()
    store, last = first.store, first.last
    world = World(store)
    world.now = first.now
    assert world.requests == []
    world.wait(1)
    request = world.sent()
    assert (request.call_id, request.to.tag) == (last.call_id, "far")
    assert request.cseq.number > last.cseq.number
    world.answer(200, ("Expires", "3600"))
    world.cseq = 10
    world.notify("active;expires=3600", OPEN)
    assert world.heard() == ["subscribed", "available orchard"]


@pytest.mark.spec("PRES-33")
def test_a_dialog_that_ended_meanwhile_is_made_anew() -> None:
    """As one that was never made, or of which nothing is known."""
    store = Memory()
    store.keep(Watching(ALICE, CAROL, authorized=True))
    store.keep(Watching("bob@jabber.example", CAROL, dialog="{}", expires=1e10))
    world = World(store)
    world.wait(1)
    assert [each[0].to.tag for each in world.requests] == [None, None]


@pytest.mark.spec("PRES-33")
def test_who_was_leaving_leaves() -> None:
    """The dialog is ended, or there is none any more."""
    first = World().active()
    first.says("unsubscribe")
    world = World(first.store)
    world.now = first.now
    world.wait(1)
    assert world.sent().get("Expires") == "0"
    world.answer(200)
    assert world.heard() == ["unsubscribed", "unavailable orchard"]
    store = Memory()
    store.keep(Watching(ALICE, CAROL, authorized=True, leaving=True))
    world = World(store)
    world.wait(1)
    assert (world.requests, world.heard()) == ([], ["unsubscribed"])
    assert store.find_watching(ALICE, CAROL) is None


def restarted(first: World) -> World:
    """Return a gateway after one that ended without a word."""
    world = World(first.store, now=first.now)
    world.last, world.cseq = first.last, first.cseq
    return world


@pytest.mark.spec("PRES-33")
def test_a_notify_that_comes_before_its_dialog_is_taken_up() -> None:
    """It is taken, though there are many others whose turn is first."""
    first = World().active()
    for number in range(1000):
        first.store.keep(Watching(f"u{number}@xmpp.example", CAROL, authorized=True))
    world = restarted(first)
    assert world.notify("active;expires=3600", pidf(("ID-desk", "open")), tag="other") == 481
    assert world.notify("active;expires=3600", pidf(("ID-desk", "open"))) == 200
    assert world.heard() == ["subscribed", "available desk", "unavailable orchard"]
    assert world.requests == []
    world.wait(3600)
    mine = [each for each, _, _ in world.requests if each.call_id == first.last.call_id]
    assert [each.get("Expires") for each in mine] == ["3600"]


@pytest.mark.spec("PRES-33")
def test_a_notify_of_one_who_is_leaving() -> None:
    """He leaves, and sees nothing more."""
    first = World().active()
    first.says("unsubscribe")
    world = restarted(first)
    assert world.notify("active;expires=3600", pidf(("ID-desk", "open"))) == 200
    assert world.sent().get("Expires") == "0"
    assert world.heard() == []
    world.answer(200)
    assert world.heard() == ["unsubscribed", "unavailable orchard"]


@pytest.mark.spec("PRES-33")
@pytest.mark.parametrize("how", ["document", "pending", "refused", "rejected", "unsubscribe"])
def test_who_was_shown_before_is_gone(how: str) -> None:
    """Clients show a resource until they are told that it is gone, whoever showed it."""
    first = World().active(pidf(("ID-orchard", "open"), ("ID-desk", "open"), ("ID-car", "closed")))
    assert first.record is not None
    assert first.record.shown == ("orchard", "desk")
    first.notify("active", pidf(("ID-attic", "open"), ("ID-desk", "open")))
    world = restarted(first)
    if how == "document":
        world.notify("active", pidf(("ID-desk", "open"), ("ID-cellar", "open")))
        told = ["subscribed", "available desk", "available cellar", "unavailable attic"]
        assert world.heard() == told
        assert world.record is not None
        assert world.record.shown == ("desk", "cellar")
        return
    if how == "pending":
        world.notify("pending")
    elif how == "rejected":
        world.notify("terminated;reason=rejected")
    elif how == "unsubscribe":
        world.says("unsubscribe")
        world.sent()
        world.answer(200)
    else:
        world.wait(1)
        world.sent()
        world.answer(481)
        world.sent()
        world.answer(404)
    told = [each for each in world.heard() if each != "unsubscribed"]
    assert told == ["unavailable attic", "unavailable desk"]


@pytest.mark.spec("PRES-33")
def test_who_was_shown_before_stays_while_nothing_is_told() -> None:
    """An empty NOTIFY says nothing new (RFC 3856 §6.8); nor does another restart."""
    first = World().active()
    world = restarted(first)
    world.notify("active")
    assert world.heard() == ["subscribed"]
    world = restarted(world)
    world.notify("active", pidf(("ID-desk", "open")))
    assert world.heard() == ["subscribed", "available desk", "unavailable orchard"]


def test_sessions_from_before_a_restart_count() -> None:
    """One that goes is not the last: her server is asked, where Carol may; else nothing happens."""
    first = World().active()
    world = restarted(first)
    world.notify("active", OPEN)
    world.heard()
    world.says(None, HOME)
    world.says("unavailable", HOME)
    assert (world.requests, world.heard()) == ([], [])
    world.seen.add((ALICE, CAROL))
    world.says(None, HOME)
    world.says("unavailable", HOME)
    assert (world.requests, world.heard()) == ([], ["probe"])
    world.says(None, WORK)
    assert world.requests == []
    world.says("unavailable", WORK)
    assert world.heard() == ["probe"]
    world.says("unavailable", ALICE)
    assert world.sent().get("Expires") == "0"
    world.says(None, HOME)
    world.says("unavailable", HOME)
    assert world.heard() == [], "now it is known that there are no others"


def test_who_goes_before_his_turn_is_not_asked_for() -> None:
    """The dialog of an earlier process is ended, and no other is made."""
    world = restarted(World().active())
    world.says("unavailable", ALICE)
    assert world.sent().get("Expires") == "0"
    world.answer(200)
    world.wait(10_000)
    assert (world.requests, world.heard()) == ([], [])


# -- what nobody answers ----------------------------------------------------------------------


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("how", ["pending", "refused"])
def test_a_request_that_nobody_answers_ends(how: str, *, restarts: bool) -> None:
    """After 30 days, with the protocol's own word: rows are not kept for ever."""
    world = World().asked()
    if how == "pending":
        world.answer(200, ("Expires", "3600"))
        world.notify("pending;expires=3600000")
    else:
        world.answer(404)
    world.heard()
    day = 86_400.0
    end = world.now + 30 * day
    if restarts:
        world.now += 10 * day
        world = restarted(world)
    while world.now < end - day:
        world.says("probe", HOME)
        world.wait(day / 2)
        world.answered_all()
    assert world.record is not None
    world.stanzas.clear()
    world.wait(end + 100 - world.now)
    if world.record is not None:
        assert world.requests[-1][0].get("Expires") == "0", "the dialog is ended first"
        world.wait(TIMER_N)
    assert world.heard()[-1] == "unsubscribed"
    assert world.record is None
    assert world.service.next_timer() is None


def test_a_request_that_is_made_again_lasts() -> None:
    """As a new one; and one that is answered does not end."""
    world = World().asked()
    world.answer(404)
    month = presentities.UNANSWERED
    for _ in range(3):
        world.wait(month / 2)
        world.says("subscribe")
    assert world.record is not None
    assert world.record.asked == world.now + 1e9
    world = World().active()
    world.says(None, HOME)
    world.says("unavailable", HOME)
    world.sent()
    world.answer(200)
    world.wait(2 * month)
    assert world.record is not None


def test_who_asks_is_there() -> None:
    """Whatever was known: what fails is tried again, and what ends is made anew."""
    world = World().active()
    world.notify("terminated;reason=rejected")
    world.says(None, HOME)
    world.says("subscribe")
    world.sent()
    world.says("unavailable", ALICE)
    world.requests.clear()
    world.wait(100)
    world.says("subscribe")
    world.sent()
    world.answer(503)
    world.wait(LATER)
    world.sent()


def test_nothing_is_said_in_a_dialog_that_is_dying() -> None:
    """Who comes back after its end was asked for has another, or waits until it is over."""
    world = World().active()
    world.says(None, HOME)
    world.says("unavailable", HOME)
    assert world.sent().get("Expires") == "0"
    world.says("probe", WORK)
    assert world.sent().to.tag is None
    world.answer(200)
    world.cseq = 0
    world.notify("active;expires=3600", OPEN)
    world.wait()
    assert world.sent().to.tag == "far"


def test_many_are_taken_up_little_by_little() -> None:
    """At a pace, and no more at a time than are answered."""
    store = Memory()
    for number in range(1000):
        store.keep(Watching(f"u{number}@xmpp.example", CAROL, authorized=True))
    world = World(store)
    world.wait(1)
    assert 45 <= len(world.requests) <= 55
    world.wait(9)
    assert len(world.requests) == UNDER_WAY
    for request, handle, _ in world.requests[:100]:
        world.service.on_response(handle, response_to(request, 404), world.now)
    before = len(world.requests)
    world.wait(10)
    assert len(world.requests) == before + 100


def test_one_who_comes_is_not_kept_waiting_by_the_others() -> None:
    """His dialog is made at once, and not a second time when it is his turn."""
    store = Memory()
    for number in range(100):
        store.keep(Watching(f"u{number}@xmpp.example", CAROL, authorized=True))
    world = World(store)
    world.says("probe", "u99@xmpp.example/x")
    assert str(world.sent().from_.uri) == "sip:u99@xmpp.example"
    world.wait(5)
    assert len(world.requests) == 99
