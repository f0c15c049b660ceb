"""Presence of XMPP users at SIP presence servers (RFC 3903)."""

from collections.abc import Hashable

from dragoman.bridge.naming import Naming
from dragoman.bridge.publishing import Publications
from dragoman.bridge.sight import MOST_RESOURCES
from dragoman.mapping.pidf import LARGEST, parse
from dragoman.mapping.presence import LONGEST_STATUS
from dragoman.sip.message import Header, Request, response_to
from dragoman.sip.publisher import Publishing
from dragoman.sip.route import RouteSet
from dragoman.xmpp.element import CLIENT, Element
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import presence
from tests.bridge.test_watchers import tuples_of

ALICE, US = "alice@xmpp.example", "sip.example"
SERVER = RouteSet.outbound("ps.xmpp.example")


class World:
    """The service between two ports that remember."""

    def __init__(self) -> None:
        """Have one domain's presence be published."""
        self.now = 0.0
        self.stanzas: list[Element] = []
        self.requests: list[tuple[Request, Publishing]] = []
        self.service = Publications(
            self,
            self,
            Naming(lambda _: True),
            {"xmpp.example": SERVER},
            lambda: "t",
            lambda: self.now + 1e9,
            lambda _, high: high,
        )

    def request(self, request: Request, handle: Hashable, route: RouteSet | None = None) -> None:
        assert isinstance(handle, Publishing)
        assert route is SERVER
        self.requests.append((request, handle))

    def send(self, stanza: Element, local: str, remote: str) -> None:
        assert (local, remote) == (US, "xmpp.example")
        self.stanzas.append(stanza)

    def says(self, kind: str | None, from_: str = f"{ALICE}/home", show: str = "") -> None:
        """Have an XMPP user tell the gateway something."""
        children = [Element(f"{{{CLIENT}}}show", None, (show,))] if show else []
        self.service.on_stanza(presence(US, from_, type=kind, children=children), self.now)

    def published(self, status: int = 200, *headers: Header) -> str:
        """Return what the one PUBLISH says, and answer it."""
        [(request, handle)] = self.requests
        self.requests.clear()
        response = response_to(request, status, headers=[("SIP-ETag", "e"), *headers])
        self.service.on_response(handle, response, self.now)
        said = request.get("Expires") or ""
        return said + tuples_of(request) if request.body else said

    def wait(self, seconds: float) -> None:
        """Let time pass, with all that is due in it."""
        end = self.now + seconds
        while (when := self.service.next_timer()) is not None and when <= end:
            self.now = max(when, self.now)
            self.service.on_timer(self.now)
        self.now = end


def test_what_a_user_tells_the_gateway_is_published() -> None:
    """All his resources in one document, changes at a pace, and nothing when he is gone."""
    world = World()
    world.says(None)
    [(request, _)] = world.requests
    assert request.start_line == f"PUBLISH sip:{ALICE} SIP/2.0"
    assert world.published() == "3600: home open"
    world.says(None, f"{ALICE}/work", show="dnd")
    assert world.requests == []
    world.wait(5)
    assert world.published() == "3600: home open work open"
    world.wait(3600)
    assert world.published() == "3600"
    world.says("unavailable")
    assert world.published() == "3600: work open"
    world.says("unavailable", ALICE)
    world.wait(5)
    assert world.published() == "0"
    assert world.service.describe() == {"users": 0, "states": 0}


def test_a_user_has_the_gateway_among_his_contacts() -> None:
    """It agrees, and asks to see him: his server then tells it where he is."""
    world = World()
    world.says("subscribe", ALICE)
    assert [(each.get("type"), each.get("from")) for each in world.stanzas] == [
        ("subscribed", US),
        ("subscribe", US),
    ]
    world.says("probe")
    assert world.stanzas[-1].get("type") is None
    world.says(None)
    world.published()
    world.says("unsubscribed", ALICE)
    assert world.published() == "0"


def test_users_of_other_domains_are_not_published() -> None:
    """Only of those that the operator names."""
    world = World()
    assert world.service.takes(Jid.parse(ALICE))
    assert not world.service.takes(Jid.parse("bob@jabber.example"))


def test_a_server_that_refuses_is_asked_again(caplog: object) -> None:
    """Five minutes later, with all of it."""
    world = World()
    world.says(None)
    assert world.published(503) == "3600: home open"
    world.wait(299)
    assert world.requests == []
    world.wait(1)
    assert world.published() == "3600: home open"


def test_a_server_that_is_silent_is_asked_again() -> None:
    """As one that refuses."""
    world = World()
    world.says(None)
    world.service.on_failure(world.requests.pop()[1], world.now)
    world.wait(300)
    assert world.published() == "3600: home open"


def test_a_document_is_never_longer_than_may_be_read() -> None:
    """However many resources there are, and however much each says."""
    world = World()
    status = Element(f"{{{CLIENT}}}status", None, ("€" * LONGEST_STATUS,))
    for number in range(MOST_RESOURCES + 1):
        stanza = presence(US, f"{ALICE}/r{number}", children=[status])
        world.service.on_stanza(stanza, world.now)
    world.published()
    world.wait(5)
    request, _ = world.requests[-1]
    assert len(request.body) <= LARGEST
    assert 1 < len(parse(request.body).tuples) <= MOST_RESOURCES
