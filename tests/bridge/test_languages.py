"""What one XMPP user writes takes no NOTIFY from anybody."""

from collections.abc import Hashable

import pytest

from dragoman.sip.message import Request, encode
from dragoman.sip.route import RouteSet
from dragoman.xmpp.element import CLIENT, Element
from dragoman.xmpp.stanza import presence
from tests.bridge.test_watchers import ALICE, CAROL, HOME, World

DAVE = "dave@sip.example"


class Strict(World):
    """Writes each request, as the endpoint does in `send` when the way there is known already."""

    def request(self, request: Request, handle: Hashable, route: RouteSet | None = None) -> None:
        encode(request)
        super().request(request, handle, route)


def evil() -> Element:
    status = Element(f"{{{CLIENT}}}status", {"xml:lang": "en\r\nRoute: <sip:evil>"}, ("x",))
    return presence(CAROL, HOME, children=[status])


@pytest.mark.parametrize("lang", ["evil", "fine"])
def test_a_language_takes_no_notify_from_anybody(lang: str) -> None:
    world = Strict()
    # Two pairs: Carol and Dave both watch Alice.
    world.asked().says("subscribed")
    world.says(None, HOME)
    world.told()
    assert world.ask(call="dave", sender=DAVE) == 200
    world.told()
    world.says("subscribed", to=DAVE)
    world.says(None, HOME, to=DAVE)
    world.wait(10)
    world.told()

    if lang == "evil":
        world.service.on_presence(evil(), world.now)
    world.says("unavailable", HOME, to=DAVE)  # for Dave nothing is wrong with it
    world.wait(10)
    seen = world.told()
    world.wait(600)
    world.says(None, f"{ALICE}/work", to=DAVE)
    world.says(None, f"{ALICE}/work")
    world.wait(600)
    seen += world.told()
    assert [each for each in seen if "work open" in each], seen
    assert len([each for each in seen if "work open" in each]) == 2, seen
