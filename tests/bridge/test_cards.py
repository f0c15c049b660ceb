"""Cards: what SIP users say of themselves, and what XMPP users are told of it."""

import pytest

from dragoman.bridge import cards as module
from dragoman.bridge.album import MISSED, Source
from dragoman.bridge.cards import MOST, PAUSE, Cards
from dragoman.bridge.naming import Attachment, Naming
from dragoman.sip.message import Request
from dragoman.sip.uri import Uri
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import avatar, vcard
from dragoman.xmpp.ext.avatar import Picture
from dragoman.xmpp.ext.vcard_avatar import update
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.router import Router
from dragoman.xmpp.stanza import iq

CAROL, ALICE = "carol@sip.example", "alice@xmpp.example/x"
JID, URI = Jid.parse(CAROL), Uri.parse(f"sip:{CAROL}")
ICON, PAGE = "https://www.sip.example/carol.png", "https://sip.example/carol"
INFO = f"<{ICON}>;purpose=icon, <{PAGE}>;purpose=info"
PNG = b"\x89PNG\r\n\x1a\nrest"
PICTURE = Picture("image/png", PNG)
SOURCE = Source(ICON, "sip.example")


class House:
    """The service, and whoever asks it."""

    def __init__(self, *attachments: Attachment, icons: bool = True) -> None:
        self.changed: list[str] = []
        naming = Naming(lambda host: not attachments, attachments)
        self.cards = Cards(naming, icons=icons, changed=lambda jid: self.changed.append(str(jid)))
        self.router = Router()
        self.cards.install(self.router)

    def hears(self, name: str, icon: str, now: float, *, of: str = CAROL) -> None:
        lines = [f"<{icon}>;purpose=icon"] if icon else []
        self.cards.heard_in(request(name, *lines, from_=of), Uri.parse(f"sip:{of}"), now)

    def asks(self, payload: Element, to: str = CAROL, type_: str = "get") -> Element:
        stanza = iq(to, ALICE, id="1", type=type_, children=[payload])
        reply = self.router.route(stanza).reply
        assert reply is not None
        return reply

    def card(self, to: str = CAROL) -> Element:
        [found] = self.asks(Element(vcard.VCARD), to).elements
        return found

    def refuses(self, payload: Element, type_: str = "get") -> Condition:
        return StanzaError.parse(self.asks(payload, type_=type_)).condition

    def fetches(self, data: bytes | None, now: float = 0.0) -> list[Source]:
        wanted = list(self.cards.wanted())
        for each in wanted:
            self.cards.fetched(each, data, now)
        return wanted


def request(name: str = "", *lines: str, from_: str = CAROL) -> Request:
    display = f'"{name}" ' if name else ""
    headers = [("From", f"{display}<sip:{from_}>;tag=1"), *(("Call-Info", each) for each in lines)]
    return Request("MESSAGE", "sip:alice@xmpp.example", headers)


def items(node: str) -> Element:
    asked = Element(f"{{{avatar.PUBSUB}}}items", {"node": node})
    return Element(f"{{{avatar.PUBSUB}}}pubsub", None, [asked])


@pytest.mark.spec("PRES-43")
def test_what_a_request_says_is_on_the_card() -> None:
    house = House()
    house.cards.heard_in(request("Carol", INFO), URI, 0.0)
    assert house.card() == vcard.vcard("Carol", nickname="Carol", url=PAGE)
    assert house.fetches(PNG) == [SOURCE]
    assert house.card() == vcard.vcard("Carol", nickname="Carol", url=PAGE, photo=PICTURE)
    assert house.card(f"{CAROL}/phone") == house.card()
    assert house.changed == [CAROL]


@pytest.mark.spec("PRES-43")
def test_who_is_not_known_has_no_card_and_nobody_elses_can_be_written() -> None:
    house = House()
    house.cards.heard_in(request(), URI, 0.0)
    assert house.refuses(Element(vcard.VCARD)) is Condition.SERVICE_UNAVAILABLE
    assert house.refuses(Element(vcard.VCARD), "set") is Condition.FORBIDDEN
    assert house.cards.decoration(JID) == []


@pytest.mark.spec("PRES-43")
def test_presence_tells_of_the_picture() -> None:
    house = House()
    house.hears("Carol", "", 0.0)
    assert house.cards.decoration(JID) == [update("")], "there is none"
    house.hears("", ICON, 0.0)
    assert house.cards.decoration(JID) == [update(None)], "nobody knows yet"
    house.fetches(PNG)
    assert house.cards.decoration(Jid.parse(f"{CAROL}/phone")) == [update(PICTURE.id)]


@pytest.mark.parametrize("data", [None, b"<svg/>"], ids=["not found", "no picture"])
def test_a_picture_that_cannot_be_had_is_none(data: bytes | None) -> None:
    house = House()
    house.hears("Carol", ICON, 0.0)
    assert house.fetches(data) == [SOURCE]
    assert house.cards.decoration(JID) == [update("")]
    assert house.card() == vcard.vcard("Carol", nickname="Carol")
    assert house.fetches(PNG) == []
    house.hears("Carol", ICON, MISSED)
    assert house.fetches(PNG, MISSED) == [SOURCE]
    assert house.cards.decoration(JID) == [update(PICTURE.id)]
    assert house.changed == [CAROL, CAROL]


def test_a_picture_is_found_by_pubsub_as_well() -> None:
    house = House()
    assert house.refuses(items(avatar.DATA)) is Condition.ITEM_NOT_FOUND
    house.hears("Carol", ICON, 0.0)
    assert house.refuses(items(avatar.METADATA)) is Condition.ITEM_NOT_FOUND
    house.fetches(PNG)
    for node in (avatar.METADATA, avatar.DATA):
        assert house.asks(items(node)).get("type") == "result"


def test_no_picture_is_fetched_where_the_operator_wants_none() -> None:
    house = House(icons=False)
    house.cards.heard_in(request("Carol", INFO), URI, 0.0)
    assert house.fetches(PNG) == []
    assert house.cards.decoration(JID) == [update("")]
    assert house.card() == vcard.vcard("Carol", nickname="Carol", url=PAGE)


def test_the_user_of_a_component_is_asked_for_at_his_own_domain() -> None:
    house = House(Attachment("gateway.xmpp.example"))
    house.cards.heard_in(request("Carol", INFO), URI, 0.0)
    assert house.fetches(PNG) == [SOURCE]
    jid = r"carol\40sip.example@gateway.xmpp.example"
    assert house.card(jid) == vcard.vcard("Carol", nickname="Carol", url=PAGE, photo=PICTURE)
    assert house.changed == [jid]


def test_who_has_no_name_on_xmpp_has_no_card() -> None:
    house = House(Attachment("gateway.xmpp.example", "other.example"))
    house.cards.heard_in(request("Carol", INFO), URI, 0.0)
    assert len(house.cards) == 0


def test_who_has_no_domain_has_no_picture() -> None:
    house = House(Attachment("gateway.xmpp.example"))
    house.cards.heard_in(request("Carol", INFO), Uri.parse("tel:+15551234"), 0.0)
    assert len(house.cards) == 1
    assert house.fetches(PNG) == []


def test_the_name_in_from_is_that_of_whom_it_names() -> None:
    house = House()
    house.cards.heard_in(request("Somebody", from_="pbx@sip.example"), URI, 0.0)
    assert len(house.cards) == 0


def test_what_is_said_again_within_a_minute_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    house.cards.heard_in(request("Carol", INFO), URI, 0.0)
    monkeypatch.setattr(module, "said_in", lambda *_: pytest.fail("it was read again"))
    house.cards.heard_in(request("Carol", INFO), URI, PAUSE - 1)
    house.cards.heard_in(request(), URI, PAUSE - 1)


@pytest.mark.parametrize(
    ("name", "lines", "from_"), [("C.", INFO, CAROL), ("Carol", "<a:b>", CAROL), ("", INFO, "x@y")]
)
def test_what_is_new_is_heard_at_once(name: str, lines: str, from_: str) -> None:
    house = House()
    house.cards.heard_in(request("Carol", INFO), URI, 0.0)
    before = len(house.cards._heard)
    house.cards.heard_in(request(name, lines, from_=from_), Uri.parse(f"sip:{from_}"), 1.0)
    assert len(house.cards._heard) == before + 1


def test_a_name_may_change_and_a_picture_once_a_minute() -> None:
    house = House()
    other = Source("https://sip.example/other.png", "sip.example")
    house.hears("Carol", ICON, 0.0)
    house.hears("Caroline", other.url, PAUSE - 1)
    assert house.fetches(PNG) == [SOURCE]
    assert house.card() == vcard.vcard("Caroline", nickname="Caroline", photo=PICTURE)
    house.hears("", other.url, PAUSE)
    assert house.fetches(None) == [other]
    assert house.cards.decoration(JID) == [update("")]


def test_only_those_hear_of_a_picture_who_have_it() -> None:
    house = House()
    for name, icon in (("dave", ICON), ("erin", PAGE), ("carol", ICON)):
        house.hears(name, icon, 0.0, of=f"{name}@sip.example")
    house.hears("Carol", ICON, 0.0, of="carol@other.example")
    house.cards.fetched(SOURCE, PNG, 0.0)
    assert house.changed == ["dave@sip.example", CAROL]


def test_so_many_cards_are_kept_and_so_much_of_what_was_heard() -> None:
    house = House(icons=False)
    for number in range(MOST + 1):
        uri = Uri.parse(f"sip:u{number}@sip.example")
        house.cards.heard_in(request("U", from_=f"u{number}@sip.example"), uri, 0.0)
    assert len(house.cards) == len(house.cards._heard) == MOST
    assert house.cards.decoration(Jid.parse("u0@sip.example")) == []
    assert house.cards.describe()["cards"] == MOST
