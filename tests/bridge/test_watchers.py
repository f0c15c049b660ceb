"""SIP users who watch XMPP users: docs/interworking/presence.md §3, row by row."""

from collections.abc import Hashable
from typing import cast

import pytest

from dragoman.bridge import sight, watchers
from dragoman.bridge.naming import Naming
from dragoman.bridge.watchers import GATHER, LATER, UNDECIDED, Watchers
from dragoman.mapping.date import stamp
from dragoman.sip.endpoint import ServerTransaction
from dragoman.sip.message import Header, Request, Response, build_request, encode, response_to
from dragoman.sip.notifier import GONE, Notifying, Terms
from dragoman.sip.route import RouteSet
from dragoman.sip.uri import Uri
from dragoman.store.subscriptions import Memory, Watched, Watching
from dragoman.xmpp.element import CLIENT, Element
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import PRESENCE, ends, presence
from tests.bridge.full import Broken
from tests.sip.test_subscriber import PIDF

ALICE, CAROL = "alice@xmpp.example", "carol@sip.example"
HOME, WORK, TRAIN = f"{ALICE}/home", f"{ALICE}/work", f"{ALICE}/train"


class World:
    """The service between two ports that remember, and a clock that is set."""

    def __init__(self, store: Memory | None = None) -> None:
        """Have nobody watch."""
        self.now = 1000.0
        self.store = store or Broken()
        self.stanzas: list[Element] = []
        self.requests: list[tuple[Request, Notifying]] = []
        self.route: RouteSet | None = None
        self.naming = Naming(lambda _: True)
        self.responses: list[Response] = []
        self.order: list[str] = []
        self.down = False
        self.tokens = 0
        self.tags: dict[str, str] = {}
        self.cseq = 0
        self.service = Watchers(
            self,
            self,
            self.naming,
            self.store,
            self._token,
            lambda: self.now + 1e9,
            "gw.example",
        )

    def _token(self) -> str:
        self.tokens += 1
        return f"t{self.tokens}"

    # the ports

    def respond(self, transaction: ServerTransaction, response: Response) -> None:
        self.order.append(str(response.status))
        self.responses.append(response)

    def request(self, request: Request, handle: Hashable, route: RouteSet | None = None) -> None:
        assert isinstance(handle, Notifying)
        assert encode(request)
        self.order.append(request.method)
        self.route = route
        self.requests.append((request, handle))

    def send(self, stanza: Element, local: str, remote: str) -> None:
        from_, to = ends(stanza)
        assert (from_.domain, to.domain, stanza.name) == (local, remote, PRESENCE)
        self.order.append(stanza.get("type", ""))
        self.stanzas.append(stanza)
        if self.down:
            error = StanzaError(Condition.REMOTE_SERVER_TIMEOUT)
            self.service.undelivered(stanza, error, self.now)

    # SIP

    def ask(
        self,
        expires: int | None = 3600,
        *headers: Header,
        call: str = "call",
        sender: str = CAROL,
        target: str = f"sip:{ALICE}",
        to: str = f"sip:{ALICE}",
        event: str = "presence",
        again: bool = False,
        contact: str = "<sip:carol@192.0.2.50>",
    ) -> int:
        """Send a SUBSCRIBE; return the status of the answer, and keep our tag."""
        self.cseq += 1
        tag = f";tag={self.tags[call]}" if again else ""
        given = [
            ("Via", f"SIP/2.0/UDP 192.0.2.30;branch=z9hG4bK{self.cseq}"),
            ("From", f"<sip:{sender}>;tag=far"),
            ("To", f"<{to}>{tag}"),
            ("Call-ID", call),
            ("CSeq", f"{self.cseq} SUBSCRIBE"),
            ("Contact", contact),
            ("Event", event),
            *headers,
        ]
        given += [] if expires is None else [("Expires", str(expires))]
        request = build_request("SUBSCRIBE", target, given)
        self.service.on_subscribe(
            request, cast("ServerTransaction", call), Uri.parse(f"sip:{sender}"), self.now
        )
        self.response = self.responses.pop()
        if self.response.to.tag:
            self.tags[call] = self.response.to.tag
        return self.response.status

    def told(self, *, status: int = 200) -> list[str]:
        """Return state and tuples of each NOTIFY that went out, and answer it."""
        found = []
        while self.requests:
            self.last, handle = self.requests.pop(0)
            found.append(tuples_of(self.last))
            self.service.on_response(handle, response_to(self.last, status), self.now)
        return found

    # XMPP

    def says(
        self,
        kind: str | None,
        from_: str = ALICE,
        to: str = CAROL,
        error: Condition | None = None,
        show: str = "",
        id_: str = "",
    ) -> None:
        """Have an XMPP user send presence; an error answers the last that he was sent."""
        if error is not None and not id_:
            id_ = self.stanzas[-1].get("id", "")
        children = [] if error is None else [StanzaError(error).element()]
        children += [Element(f"{{{CLIENT}}}show", None, (show,))] if show else []
        stanza = presence(to, from_, id=id_, type=kind, children=children)
        self.service.on_presence(stanza, self.now)

    def heard(self) -> list[str]:
        """Return what XMPP users were told."""
        found = [f"{each.get('type')} to {each.get('to')}" for each in self.stanzas]
        self.stanzas.clear()
        return found

    def wait(self, seconds: float) -> None:
        """Let time pass, with all that is due in it."""
        end = self.now + seconds
        while (when := self.service.next_timer()) is not None and when <= end:
            self.now = max(when, self.now)
            self.service.on_timer(self.now)
        self.now = end

    # what most begin with

    def asked(self) -> "World":
        """Have Carol ask."""
        assert self.ask() == 200
        self.told()
        self.stanzas.clear()
        return self

    def active(self) -> "World":
        """Have her see Alice at home."""
        self.asked().says("subscribed")
        self.says(None, HOME)
        self.told()
        self.stanzas.clear()
        return self

    @property
    def record(self) -> Watched | None:
        """What is kept."""
        return self.store.find_watched(ALICE, CAROL)


def tuples_of(notify: Request) -> str:
    """Return a NOTIFY as tests tell it: `active: home open work closed`."""
    state = (notify.get("Subscription-State") or "").partition(";expires")[0]
    if not notify.body:
        assert notify.get("Content-Type") is None
        return state
    assert notify.get("Content-Type") == PIDF
    text = notify.body.decode()
    basics = [part.partition("<")[0] for part in text.split("basic>")[1::2]]
    ids = [part.split("'")[1].removeprefix("ID-") for part in text.split("<tuple id=")[1:]]
    return f"{state}: {' '.join(f'{a} {b}' for a, b in zip(ids, basics, strict=True))}"


# -- asking --------------------------------------------------------------------------------


@pytest.mark.spec("PRES-10")
@pytest.mark.spec("PRES-41")
def test_a_subscribe_is_answered_at_once() -> None:
    """RFC 6665 §4.2.1: 200, then NOTIFY, whatever XMPP does; the Contact has a `gr`."""
    world = World()
    assert world.ask() == 200
    assert world.order == ["200", "subscribe", "NOTIFY"]
    assert world.response.get("Expires") == "3600"
    assert world.response.get("Allow-Events") == "presence"
    contact = world.response.contacts[0].uri
    assert (contact.user, contact.host) == ("alice", "xmpp.example")
    assert contact.param("gr")
    assert world.told() == ["pending"]
    assert world.last.get("Contact") == world.response.get("Contact")
    [stanza] = world.stanzas
    assert dict(stanza.attributes) | {"id": ""} == {
        "from": CAROL,
        "to": ALICE,
        "type": "subscribe",
        "id": "",
    }
    assert world.record == Watched(ALICE, CAROL, asked=1e9 + 1000.0)


def test_a_notify_takes_the_way_of_its_subscribe() -> None:
    """RFC 3261 §12.1.1: the route set, as the proxies recorded it."""
    world = World()
    world.ask(3600, ("Record-Route", "<sip:p1.example;lr>, <sip:p2.example;lr>"))
    assert world.route is not None
    assert [each.uri.host for each in world.route.hops] == ["p1.example", "p2.example"]
    assert world.response.get_all("Record-Route")


def test_who_asks_is_written_to_as_he_writes_himself() -> None:
    """RFC 3261 §19.1.4: a JID does not tell the case of a user."""
    world = World()
    world.ask(sender="Carol@sip.example")
    assert world.naming.sip_recipient(Jid.parse(CAROL)).user == "Carol"


@pytest.mark.spec("PRES-11")
def test_consent_is_told() -> None:
    """RFC 8048 §5.3.1: active, with what is known; else the contact's server is asked."""
    world = World().asked()
    world.says("subscribed")
    assert world.told() == ["active"]
    assert world.heard() == [f"probe to {ALICE}"]
    assert world.record is not None
    assert world.record.authorized


@pytest.mark.spec("PRES-12")
@pytest.mark.parametrize("before", ["pending", "active"])
def test_refusal_is_told(before: str) -> None:
    """RFC 8048 §5.3.1: terminated;reason=rejected, without a body; first or later."""
    world = World().asked() if before == "pending" else World().active()
    world.says("unsubscribed")
    assert world.told() == ["terminated;reason=rejected"]
    assert world.record is None
    assert world.heard() == []
    assert world.ask(again=True) == 481


def test_authorized_before() -> None:
    """RFC 8048 §5.3.2: active at once, and a probe instead of a request."""
    store = Memory()
    store.keep(Watched(ALICE, CAROL, authorized=True))
    world = World(store)
    world.ask()
    assert world.told() == ["active"]
    assert world.heard() == [f"probe to {ALICE}"]


def test_two_dialogs_of_two_phones() -> None:
    """RFC 6665 §4.5: each its own, one authorization, and one question to Alice."""
    world = World().asked()
    world.ask(call="other")
    assert (world.told(), world.heard()) == (["pending"], [])
    world.says("subscribed")
    assert world.told() == ["active", "active"]
    world.says(None, HOME)
    world.wait(5)
    assert world.told() == ["active: home open"] * 2
    world.ask(0, again=True)
    world.told()
    assert "unavailable" not in " ".join(world.heard())
    world.ask(0, call="other", again=True)
    assert world.heard() == [f"unavailable to {ALICE}"]


def test_one_who_asks_again_after_a_crash() -> None:
    """What Alice did not answer may never have reached her: she is asked again, not twice."""
    store = Memory()
    store.keep(Watched(ALICE, CAROL))
    world = World(store)
    world.ask()
    world.ask(call="other")
    assert world.heard() == [f"subscribe to {ALICE}"]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"event": "dialog"}, 489),
        ({"target": "sips:alice@xmpp.example"}, 480),
        ({"target": "sip:%ff@xmpp.example"}, 404),
        ({"target": "sip:xmpp.example", "to": "sip:xmpp.example"}, 404),
        ({"sender": "sip.example"}, 404),
    ],
)
def test_one_who_cannot_watch(changed: dict[str, object], status: int) -> None:
    """The answer is the standard's own, and nothing is kept."""
    world = World()
    assert world.ask(**changed) == status  # type: ignore[arg-type]
    assert (world.requests, world.heard(), world.record) == ([], [], None)


@pytest.mark.spec("PRES-26")
def test_too_short_a_time() -> None:
    """RFC 6665 §4.2.1.1: 423 with Min-Expires."""
    world = World()
    assert world.ask(30) == 423
    assert world.response.get("Min-Expires") == "60"
    assert (world.requests, world.heard(), world.record) == ([], [], None)


@pytest.mark.spec("PRES-25")
def test_another_event() -> None:
    """RFC 6665 §4.2.1.1: what there is, is said."""
    world = World()
    assert world.ask(event="presence.winfo") == 489
    assert world.response.get("Allow-Events") == "presence"


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (PIDF, 200),
        ("application/xpidf+xml, application/pidf+xml;q=0.5", 200),
        ("*/*", 200),
        ("application/xpidf+xml", 406),
        ("text/plain, application/cpim-pidf+xml", 406),
    ],
)
def test_documents_that_are_taken(accept: str, status: int) -> None:
    """RFC 3856 §6.5: pidf+xml is what there is."""
    world = World()
    assert world.ask(3600, ("Accept", accept)) == status


def test_consent_that_cannot_be_kept_is_not_told() -> None:
    """Alice is asked again by the next dialog, and her server says yes for her."""
    world = World().asked()
    cast("Broken", world.store).full = True
    world.says("subscribed")
    assert world.told() == []
    cast("Broken", world.store).full = False
    world.says("subscribed")
    assert world.told() == ["active"]


def test_no_room() -> None:
    """500 with Retry-After, and no dialog that knows nothing of its consent."""
    world = World()
    cast("Broken", world.store).full = True
    assert world.ask() == 500
    assert world.response.get("Retry-After")
    assert (world.requests, world.heard()) == ([], [])
    assert world.service.describe() == {"pairs": 0, "dialogs": 0}


def test_dialogs_of_a_pair_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one SIP user about one XMPP user."""
    monkeypatch.setattr(watchers, "MOST_A_PAIR", 3)
    world = World()
    assert [world.ask(call=str(number)) for number in range(4)] == [200, 200, 200, 500]
    assert world.ask(call="dave", sender="dave@sip.example") == 200


def test_dialogs_of_a_watcher_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one SIP user, whomever he watches; who leaves makes room."""
    monkeypatch.setattr(watchers, "MOST_A_WATCHER", 3)
    world = World()
    for number in range(4):
        world.ask(call=str(number), target=f"sip:u{number}@xmpp.example")
    assert (world.response.status, world.response.get("Retry-After")) == (500, "60")
    assert world.ask(call="dave", sender="dave@sip.example") == 200
    assert world.ask(0, call="1", again=True, target="sip:u1@xmpp.example") == 200
    world.says("unsubscribed", "u2@xmpp.example")
    assert [world.ask(call=str(number)) for number in range(5, 8)] == [200, 200, 500]


def test_a_domain_that_invents_users_leaves_room_for_others() -> None:
    """However it is spelled; who leaves makes room."""
    world = World()
    world.service._notifier._terms = Terms("presence", share=3)
    for number in range(4):
        domain = "SIP.example" if number % 2 else "sip.example"
        world.ask(call=str(number), sender=f"u{number}@{domain}")
    assert (world.response.status, world.response.get("Retry-After")) == (500, "60")
    assert world.ask(call="dave", sender="dave@other.example") == 200
    world.told()
    assert world.ask(0, call="1", again=True, sender="u1@SIP.example") == 200
    world.told()
    assert world.ask(call="5", sender="u5@sip.example") == 200


@pytest.mark.spec("PRES-31")
def test_what_one_may_see_is_not_told_to_another() -> None:
    """RFC 8048 §8.2: presence for Carol is not for Dave, who is pending."""
    world = World().active()
    world.ask(call="dave", sender="dave@sip.example")
    assert world.told() == ["pending"]
    world.says("subscribed", to="dave@sip.example")
    assert world.told() == ["active"]
    world.says(None, WORK, to="dave@sip.example")
    world.wait(5)
    assert world.told() == ["active: work open"]


def test_nobody_takes_over_a_dialog() -> None:
    """Who is believed for another name cannot refresh it, whatever tags he knows."""
    world = World().active()
    for expires in (0, 600):
        contact = "<sip:dave@192.0.2.66>"
        assert world.ask(expires, again=True, sender="dave@sip.example", contact=contact) == 481
    assert world.requests == []
    assert world.service.describe() == {"pairs": 1, "dialogs": 1}
    world.wait(5)
    world.says(None, WORK)
    world.told()
    assert world.last.target == "sip:carol@192.0.2.50"


# -- telling ---------------------------------------------------------------------------------


@pytest.mark.spec("PRES-21")
def test_three_resources() -> None:
    """RFC 3856 §6.7: one document has all; who left is closed once, and then gone."""
    world = World().active()
    for each in (WORK, TRAIN):
        world.says(None, each)
    world.wait(5)
    assert world.told() == ["active: home open work open train open"]
    world.says("unavailable", WORK)
    world.wait(5)
    assert world.told() == ["active: home open train open work closed"]
    world.says(None, HOME, show="away")
    world.wait(5)
    assert world.told() == ["active: train open home open"]


def test_the_last_resource() -> None:
    """RFC 8048 T.1 n.5: one closed tuple, as often as it is asked."""
    world = World().active()
    world.says("unavailable", HOME)
    world.wait(5)
    assert world.told() == ["active: home closed"]
    world.ask(again=True)
    [told] = world.told()
    assert told.endswith("closed")


def test_unavailable_of_the_bare_address_is_all_of_them() -> None:
    """RFC 6121 §4.3.2: a server's answer to a probe when nobody is there."""
    world = World().active()
    world.says(None, WORK)
    world.says("unavailable", ALICE)
    world.wait(5)
    assert world.told() == ["active: home closed work closed"]


def test_every_dialog_hears_of_a_parting() -> None:
    """Each once, in its own time."""
    world = World().active()
    world.ask(call="other")
    world.told()
    world.says(None, WORK)
    world.wait(5)
    world.told()
    world.says("unavailable", WORK)
    world.wait(2)
    world.ask(again=True)
    world.wait(5)
    assert sorted(world.told()) == ["active: home open work closed"] * 2
    world.says(None, HOME, show="away")
    world.wait(5)
    assert world.told() == ["active: home open"] * 2


def test_the_resources_of_one_user_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that come after are not told of."""
    monkeypatch.setattr(sight, "MOST_RESOURCES", 2)
    world = World().active()
    for each in (WORK, TRAIN):
        world.says(None, each)
    world.wait(5)
    assert world.told() == ["active: home open work open"]


@pytest.mark.parametrize("how", ["unsubscribed", "SUBSCRIBE"])
def test_what_is_kept_is_given_back(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the last dialog; what only an ended dialog was to be told, with that."""
    room = sight.Room()
    monkeypatch.setattr(watchers, "Room", lambda: room)
    world = World().active()
    before = room.left
    assert before < sight.MOST_OCTETS
    world.ask(call="other")
    world.told()
    world.says(None, WORK)
    world.wait(5)
    world.told()
    world.says("unavailable", WORK)
    world.ask(again=True)
    world.told()
    world.ask(0, call="other", again=True)
    assert room.left == before
    if how == "SUBSCRIBE":
        world.ask(0, again=True)
    else:
        world.says(how)
    assert room.left == sight.MOST_OCTETS


def test_what_is_said_twice_is_told_once() -> None:
    """Servers tell presence after `subscribed`, and again to a probe, with its time."""
    world = World().active()
    world.wait(60)
    world.says(None, HOME)
    world.says("unavailable", WORK)
    world.wait(10)
    assert world.told() == []
    world.says("unavailable", HOME)
    assert world.told() == ["active: home closed"]
    world.says("unavailable", ALICE)
    world.wait(10)
    assert world.told() == []


@pytest.mark.spec("PRES-35")
def test_changes_are_told_at_a_pace() -> None:
    """RFC 3856 §6.10: one in 5 s, the last state."""
    world = World().active()
    world.wait(60)
    world.says(None, WORK)
    assert world.told() == ["active: home open work open"]
    for _ in range(40):
        world.says("unavailable", WORK)
        world.says(None, WORK)
        world.wait(0.1)
    assert world.told() == []
    world.wait(1.1)
    assert world.told() == ["active: home open work open"]


def test_presence_without_a_dialog_is_dropped() -> None:
    """RFC 8048 §8.2: directed presence to one who does not watch goes nowhere."""
    world = World()
    world.says(None, HOME)
    world.says("unavailable", HOME)
    assert (world.requests, world.heard()) == ([], [])
    assert world.service.describe() == {"pairs": 0, "dialogs": 0}


def test_presence_before_consent_is_not_told() -> None:
    """It is pending, and there is nothing to tell; with consent it is."""
    world = World().asked()
    for _ in range(3):
        world.says(None, HOME)
        world.says(None, WORK)
        world.says("unavailable", WORK)
        world.wait(10)
    assert world.told() == []
    world.says("subscribed")
    assert world.told() == ["active: home open"]


def test_an_answer_for_those_who_may_not_see_is_no_presence() -> None:
    """Prosody tells who asks for consent that nobody is there; with consent it tells the truth."""
    world = World().asked()
    world.says("unavailable", ALICE)
    world.says("subscribed")
    assert world.told() == ["active"]
    world.says(None, HOME)
    assert world.told() == ["active: home open"], "at once: it is the first document"


def test_consent_that_nobody_asked_for() -> None:
    """RFC 6121 §3.1.6: nothing is kept of it."""
    world = World()
    world.says("subscribed")
    assert (world.record, world.requests) == (None, [])


# -- refreshing, polling, ending -----------------------------------------------------------------


@pytest.mark.spec("PRES-13")
def test_a_refresh_before_anything_is_known() -> None:
    """RFC 8048 §5.3.2: an empty NOTIFY."""
    world = World().asked()
    world.says("subscribed")
    world.told()
    world.heard()
    assert world.ask(again=True) == 200
    assert world.told() == ["active"]


def test_a_refresh_asks_for_what_is_not_known() -> None:
    """The last probe may have come to nothing."""
    world = World().asked()
    world.says("subscribed")
    world.told()
    world.service.undelivered(
        world.stanzas.pop(), StanzaError(Condition.REMOTE_SERVER_TIMEOUT), world.now
    )
    world.ask(again=True)
    assert (world.told(), world.heard()) == (["active"], [f"probe to {ALICE}"])


def test_a_refresh_tells_what_is_known() -> None:
    """At once, and nobody is asked; it is of when it was heard."""
    world = World().active()
    heard = stamp(world.now + 1e9)
    world.wait(600)
    assert world.ask(1800, again=True) == 200
    assert world.response.get("Expires") == "1800"
    assert world.told() == ["active: home open"]
    assert f"<timestamp>{heard}</timestamp>" in world.last.body.decode()
    assert world.heard() == []


@pytest.mark.spec("PRES-41")
def test_a_refresh_goes_to_our_contact() -> None:
    """RFC 3261 §12.2.1.1: its Request-URI is the Contact of the 200, with its `gr`."""
    world = World().active()
    world.ask(again=True)
    assert world.ask(again=True, target=str(world.response.contacts[0].uri)) == 200


@pytest.mark.spec("PRES-15")
@pytest.mark.parametrize("how", ["SUBSCRIBE", "unsubscribed", "expiry", "NOTIFY", "stop"])
def test_the_other_direction_is_not_touched(how: str) -> None:
    """RFC 8048 §5.3.3: that Alice may see Carol is neither forgotten nor taken back."""
    other = Watching(ALICE, CAROL, authorized=True, dialog="dialog", expires=1e10)
    world = World()
    world.store.keep(other)
    world.active()
    if how == "SUBSCRIBE":
        world.ask(0, again=True)
    elif how == "unsubscribed":
        world.says(how)
    elif how == "NOTIFY":
        world.wait(10)
        world.says(None, WORK)
        world.told(status=481)
    elif how == "stop":
        world.service.give_up(world.now)
    world.wait(4000)
    world.told()
    assert world.service.describe() == {"pairs": 0, "dialogs": 0}
    assert list(world.store.watching()) == [other]
    assert set(world.heard()) <= {f"unavailable to {ALICE}"}


@pytest.mark.spec("PRES-14")
def test_who_wants_no_more() -> None:
    """RFC 8048 §5.3.3: closed, terminated, directed unavailable; the authorization stays."""
    world = World().active()
    assert world.ask(0, again=True) == 200
    [told] = world.told()
    assert told.startswith("terminated;reason=timeout: ")
    assert told.endswith("closed")
    assert world.heard() == [f"unavailable to {ALICE}"]
    assert world.record is not None
    assert world.record.authorized
    assert world.ask(again=True) == 481
    world.ask(call="new")
    assert world.told() == ["active"]


def test_who_wants_no_more_before_he_may() -> None:
    """There is nothing to tell him, and nothing is kept: whoever invents users fills no store."""
    world = World().asked()
    world.ask(0, again=True)
    assert world.told() == ["terminated;reason=timeout"]
    assert world.record is None


def test_who_asked_an_earlier_process_is_forgotten_after_a_day() -> None:
    """Unless he may see the XMPP user, or asked a moment ago."""
    world = World()
    wall = world.now + 1e9
    old, new = (
        Watched(ALICE, "old@x.example", asked=wall - UNDECIDED - 1),
        Watched(ALICE, CAROL, asked=wall - UNDECIDED + 1),
    )
    granted = Watched(ALICE, "granted@x.example", authorized=True)
    for each in (old, new, granted):
        world.store.keep(each)
    world.service.start()
    assert list(world.store.watched()) == [new, granted]


def test_a_time_that_is_over() -> None:
    """RFC 6665 §4.2.1.4: terminated;reason=timeout, and directed unavailable."""
    world = World().active()
    world.wait(3600)
    assert world.told() == ["terminated;reason=timeout"]
    assert world.heard() == [f"unavailable to {ALICE}"]
    assert world.record is not None
    assert world.service.describe() == {"pairs": 0, "dialogs": 0}


@pytest.mark.spec("PRES-24")
def test_asking_once() -> None:
    """RFC 8048 §7.2: a probe when nothing is known, and one NOTIFY with the answer."""
    world = World()
    assert world.ask(0) == 200
    assert world.heard() == [f"probe to {ALICE}"]
    assert world.requests == []
    world.says(None, HOME)
    world.says(None, WORK)
    assert world.requests == []
    world.wait(GATHER)
    assert world.told() == ["terminated;reason=timeout: home open work open"]
    assert world.record is None
    world.wait(10)
    assert (world.requests, world.heard()) == ([], [])
    assert world.service.describe() == {"pairs": 0, "dialogs": 0}


@pytest.mark.spec("PRES-24")
@pytest.mark.parametrize("how", ["silence", "unsubscribed", "error"])
def test_asking_once_in_vain(how: str) -> None:
    """An empty document after 5 s, or as soon as it is known that there will be none."""
    world = World()
    world.ask(0)
    if how == "silence":
        world.wait(4.9)
        assert world.requests == []
        world.wait(0.1)
    else:
        world.says(how, error=Condition.SERVICE_UNAVAILABLE if how == "error" else None)
    [told] = world.told()
    assert told.startswith("terminated;reason=")
    assert "open" not in told


@pytest.mark.spec("PRES-24")
def test_asking_once_what_is_known() -> None:
    """From memory, at once."""
    world = World().active()
    world.ask(0, call="once")
    assert world.heard() == []
    assert world.told() == ["terminated;reason=timeout: home open"]


def test_asking_once_who_is_not_there() -> None:
    """Unavailable of the bare address is all that there is to wait for."""
    world = World()
    world.store.keep(Watched(ALICE, CAROL, authorized=True))
    world.ask(0)
    world.says("unavailable", ALICE)
    assert world.told() == ["terminated;reason=timeout:  closed"]


def test_asking_once_while_consent_is_awaited() -> None:
    """A server answers a probe of such a one with a refusal that nobody made (RFC 6121 §4.3.2)."""
    world = World().asked()
    world.ask(0, call="once")
    assert (world.told(), world.heard()) == (["terminated;reason=timeout"], [])
    world.says("subscribed")
    assert world.told() == ["active"]


def test_asking_once_when_consent_was_taken_back() -> None:
    """While we were away: then the answer to a probe is the contact's."""
    world = World()
    world.store.keep(Watched(ALICE, CAROL, authorized=True))
    world.ask(0)
    world.says("unsubscribed")
    assert world.told() == ["terminated;reason=rejected"]
    assert world.record is None


def test_asking_once_and_then_for_consent() -> None:
    """Alice is asked all the same, and the answer to the probe is not hers."""
    world = World()
    world.ask(0, call="once")
    world.ask()
    assert world.heard() == [f"probe to {ALICE}", f"subscribe to {ALICE}"]
    assert world.told() == ["pending"]
    world.says("unsubscribed")
    assert world.told() == ["terminated;reason=timeout"]
    assert world.record is not None
    world.says("unsubscribed")
    assert world.told() == ["terminated;reason=rejected"]
    assert world.record is None


def test_a_question_is_not_the_last_dialog() -> None:
    """Who ends his dialog while he asks once more is told gone, when that is answered."""
    world = World()
    world.store.keep(Watched(ALICE, CAROL, authorized=True))
    world.ask()
    world.ask(0, call="once")
    world.ask(0, again=True)
    world.told()
    world.heard()
    world.wait(10)
    assert world.heard() == [f"unavailable to {ALICE}"]


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        (Condition.ITEM_NOT_FOUND, "noresource"),
        (Condition.FORBIDDEN, "rejected"),
        (Condition.SERVICE_UNAVAILABLE, f"giveup;retry-after={LATER}"),
        (Condition.REMOTE_SERVER_NOT_FOUND, f"giveup;retry-after={LATER}"),
        (Condition.REMOTE_SERVER_TIMEOUT, f"giveup;retry-after={LATER}"),
    ],
)
@pytest.mark.parametrize("how", ["error", "undelivered"])
def test_one_who_cannot_be_asked(condition: Condition, state: str, how: str) -> None:
    """RFC 6665 §4.1.3: the reason says whether to come again."""
    world = World()
    world.ask()
    world.told()
    if how == "error":
        world.says("error", error=condition)
    else:
        world.service.undelivered(world.stanzas.pop(), StanzaError(condition), world.now)
    assert world.told() == [f"terminated;reason={state}"]
    assert world.record is None


@pytest.mark.parametrize("id_", ["another", ""])
@pytest.mark.parametrize("once", [False, True])
def test_an_error_that_answers_none_of_our_questions_ends_nothing(id_: str, once: bool) -> None:
    """What is said to Alice in Carol's name, by the other direction, may bounce as well."""
    world = World()
    world.ask(0 if once else 3600)
    world.told()
    before = world.record
    bounce = presence(CAROL, ALICE, id=id_, type="error")
    world.service.on_presence(bounce, world.now)
    assert (world.told(), world.record) == ([], before)
    world.says("error", error=Condition.ITEM_NOT_FOUND)
    assert world.told() == [f"terminated;reason={'timeout' if once else 'noresource'}"]


def test_an_error_that_is_late_ends_nothing_new() -> None:
    """It is about a question that is over."""
    world = World()
    world.ask()
    world.told()
    [old] = world.stanzas
    world.says("unsubscribed")
    world.ask(call="next")
    world.told()
    world.says("error", error=Condition.ITEM_NOT_FOUND, id_=old.get("id", ""))
    world.service.undelivered(old, StanzaError(Condition.REMOTE_SERVER_TIMEOUT), world.now)
    assert (world.told(), world.record is None) == ([], False)


def test_asking_once_one_who_cannot_be_asked() -> None:
    """The probe did not reach his server: there is nothing to wait for."""
    world = World()
    world.ask(0)
    error = StanzaError(Condition.REMOTE_SERVER_TIMEOUT)
    world.service.undelivered(world.stanzas.pop(), error, world.now)
    assert world.told() == ["terminated;reason=timeout"]


def test_a_parting_that_does_not_arrive_ends_nothing() -> None:
    """Meanwhile there may be another dialog."""
    world = World().asked()
    world.ask(0, again=True)
    [parting] = world.stanzas
    world.ask(call="other")
    world.told()
    error = StanzaError(Condition.REMOTE_SERVER_TIMEOUT)
    world.service.undelivered(parting, error, world.now)
    assert (world.told(), world.record is None) == ([], False)


def test_one_who_cannot_be_asked_yet_is_asked_the_next_time() -> None:
    """What cannot be sent comes back before anything else is done."""
    world = World()
    world.down = True
    world.ask()
    assert world.told() == [f"terminated;reason=giveup;retry-after={LATER}"]
    world.heard()
    world.down = False
    world.ask(call="later")
    assert (world.told(), world.heard()) == (["pending"], [f"subscribe to {ALICE}"])


def test_an_error_does_not_take_back_consent() -> None:
    """A server that is away for a while says nothing about its users."""
    world = World()
    world.store.keep(Watched(ALICE, CAROL, authorized=True))
    world.ask()
    world.told()
    world.says("error", error=Condition.REMOTE_SERVER_TIMEOUT)
    assert world.record is not None
    assert world.told() == []


def test_one_who_does_not_decide() -> None:
    """After a day: terminated;reason=giveup (W-20)."""
    world = World().asked()
    for _ in range(24):
        world.wait(UNDECIDED / 24 - 1)
        world.ask(again=True)
        assert world.told() == ["pending"]
    world.wait(60)
    assert world.told() == ["terminated;reason=giveup"]


def test_one_who_did_decide() -> None:
    """A day later he still has."""
    world = World().active()
    for _ in range(25):
        world.wait(3599)
        world.ask(again=True)
        assert world.told() == ["active: home open"]


@pytest.mark.spec("PRES-34")
@pytest.mark.parametrize("status", [*sorted(GONE), 0])
def test_a_phone_that_is_gone(status: int) -> None:
    """RFC 6665 §4.2.2: the dialog is removed; after the last one, directed unavailable."""
    world = World().active()
    world.wait(60)
    world.says(None, WORK)
    if status:
        world.told(status=status)
    else:
        world.service.on_failure(world.requests.pop()[1], world.now)
    assert world.heard() == [f"unavailable to {ALICE}"]
    assert world.service.describe() == {"pairs": 0, "dialogs": 0}
    assert world.ask(again=True) == 481


@pytest.mark.spec("NET-37")
def test_the_gateway_stops() -> None:
    """Everybody is told to come back, not all in the same second; consent stays."""
    world = World().active()
    for number in range(100):
        world.ask(call=str(number), sender=f"u{number}@sip.example")
    world.told()
    world.heard()
    world.service.give_up(world.now)
    assert len(world.requests) < 10
    world.wait(1)
    states = world.told()
    assert len(states) == 101
    assert all(each.startswith("terminated;reason=probation;retry-after=") for each in states)
    assert len(set(states)) > 20
    assert world.service.quiet
    assert world.service.next_timer() is None
    assert world.record is not None
