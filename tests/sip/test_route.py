"""Routes: the standard's own example, loose and strict, leaving and arriving."""

import pytest

from dragoman.sip.header import NameAddress
from dragoman.sip.message import Request, SipError, response_to
from dragoman.sip.route import MAX_HOPS, RouteSet, arrived
from dragoman.sip.uri import Uri
from tests.sip.desk import NEAR, Desk, outgoing, request

LOOSE, STRICT, LAST = "sip:p1.example;lr", "sip:p1.example", "sip:p2.example;lr"
US = "sip:gateway.example"


def route_of(*uris: str) -> RouteSet:
    return RouteSet(tuple(NameAddress.parse(f"<{each}>") for each in uris))


def ours(uri: Uri) -> bool:
    return uri.host == "gateway.example"


def routed(target: str, *route: str) -> Request:
    return request(target=target, more=[("Route", each) for each in route])


@pytest.mark.spec("NET-29")
@pytest.mark.parametrize(
    ("hops", "target", "route", "next_hop"),
    [
        ((), "sip:romeo@example.net", [], "sip:romeo@example.net"),
        ((LOOSE,), "sip:romeo@example.net", [LOOSE], LOOSE),
        ((LOOSE, LAST), "sip:romeo@example.net", [LOOSE, LAST], LOOSE),
        ((STRICT,), STRICT, ["sip:romeo@example.net"], STRICT),
        ((STRICT, LAST), STRICT, [LAST, "sip:romeo@example.net"], STRICT),
        (("sip:p1.example;method=X?a=b",), STRICT, ["sip:romeo@example.net"], None),
    ],
)
def test_a_request_takes_its_route(
    hops: tuple[str, ...], target: str, route: list[str], next_hop: str | None
) -> None:
    found, hop = route_of(*hops).send(outgoing())
    assert found.target == target
    assert found.get_all("Route") == [f"<{each}>" for each in route]
    assert next_hop is None or str(hop) == next_hop
    assert found.body == outgoing().body


@pytest.mark.spec("NET-29")
def test_the_example_of_rfc_3261() -> None:
    """§12.2.1.1: a remote target behind a strict router and two more proxies."""
    hops = ("sip:proxy1", "sip:proxy2", "sip:proxy3;lr", "sip:proxy4")
    source = request(target="sip:user@remoteua", without="Via")
    found, hop = route_of(*hops).send(source)
    assert found.start_line == "MESSAGE sip:proxy1 SIP/2.0"
    assert found.get_all("Route") == [
        "<sip:proxy2>",
        "<sip:proxy3;lr>",
        "<sip:proxy4>",
        "<sip:user@remoteua>",
    ]
    assert str(hop) == "sip:proxy1"


@pytest.mark.spec("NET-29")
def test_a_dialog_has_the_recorded_route_in_the_order_of_each_end() -> None:
    lines = [("Record-Route", f"<{LAST}>, <{LOOSE}>"), ("Record-Route", "<sip:p0.example;lr>")]
    invite = request("INVITE", more=lines)
    near = RouteSet.from_request(invite)
    far = RouteSet.from_response(response_to(invite, 200, to_tag="r"))
    assert [str(each.uri) for each in near.hops] == [LAST, LOOSE, "sip:p0.example;lr"]
    assert far.hops == near.hops[::-1]


@pytest.mark.spec("NET-29")
@pytest.mark.parametrize(
    ("method", "status", "copied"),
    [
        ("INVITE", 200, True),
        ("INVITE", 180, True),
        ("SUBSCRIBE", 200, True),
        ("NOTIFY", 200, True),
        ("INVITE", 100, False),
        ("INVITE", 486, False),
        ("MESSAGE", 200, False),
        ("OPTIONS", 200, False),
    ],
)
def test_a_response_that_makes_a_dialog_has_the_recorded_route(
    method: str, status: int, copied: bool
) -> None:
    asked = request(method, more=[("Record-Route", f"<{LAST}>"), ("Record-Route", f"<{LOOSE}>")])
    found = response_to(asked, status, to_tag="r").get_all("Record-Route")
    assert found == ([f"<{LAST}>", f"<{LOOSE}>"] if copied else [])


@pytest.mark.spec("NET-29")
@pytest.mark.parametrize(
    ("target", "route", "seen", "left"),
    [
        ("sip:romeo@example.net", (f"<{US};lr>",), "sip:romeo@example.net", []),
        ("sip:romeo@example.net", (f"<{US};lr>, <{LAST}>",), "sip:romeo@example.net", [LAST]),
        ("sip:romeo@example.net", (f"<{LAST}>",), "sip:romeo@example.net", [LAST]),
        (f"{US};lr", (f"<{LAST}>", "<sip:romeo@example.net>"), "sip:romeo@example.net", [LAST]),
        (US, (f"<{US};lr>", "<sip:romeo@example.net>"), "sip:romeo@example.net", []),
        ("sip:romeo@gateway.example", (f"<{LAST}>",), "sip:romeo@gateway.example", [LAST]),
        (US, (), US, []),
    ],
)
def test_a_route_that_names_us_is_taken_away(
    target: str, route: tuple[str, ...], seen: str, left: list[str]
) -> None:
    found = arrived(routed(target, *route), ours)
    assert (found.target, found.get_all("Route")) == (seen, [f"<{each}>" for each in left])


@pytest.mark.spec("NET-29")
def test_a_message_with_routes_reaches_the_user_behind_them() -> None:
    desk = Desk(ours=ours)
    transaction = desk.arrives(routed(US, f"<{LAST}>", "<sip:romeo@example.net>"))
    assert transaction.request.target == "sip:romeo@example.net"
    again = desk.hears(routed(US, f"<{LAST}>", "<sip:romeo@example.net>"))
    assert (again, desk.endpoint.events()) == ([], []), "the same transaction still"


@pytest.mark.parametrize("route", ["rubbish", "<sip:a", ",".join(["<sip:a;lr>"] * (MAX_HOPS + 1))])
def test_a_route_that_cannot_be_read_is_refused(route: str) -> None:
    assert Desk(ours=ours).statuses(routed("sip:romeo@example.net", route)) == [400]
    with pytest.raises(SipError):
        arrived(routed("sip:romeo@example.net", route), ours)


def test_a_route_goes_out_with_the_request_and_its_acknowledgement() -> None:
    desk = Desk()
    sent, _ = route_of(LOOSE).send(outgoing("INVITE"))
    desk.endpoint.send(sent, [NEAR], "", 0.0)
    [invite] = desk.says()
    assert isinstance(invite, Request)
    [ack] = desk.hears(response_to(invite, 486, to_tag="r"))
    assert ack.get_all("Route") == invite.get_all("Route") == [f"<{LOOSE}>"]


@pytest.mark.parametrize(
    ("proxy", "hop"),
    [
        ("", []),
        ("proxy.example", ["sip:proxy.example;lr"]),
        ("proxy.example:5070", ["sip:proxy.example:5070;lr"]),
        ("[2001:db8::1]:5070", ["sip:[2001:db8::1]:5070;lr"]),
        ("sip:proxy.example;transport=tls;lr", ["sip:proxy.example;transport=tls;lr"]),
        ("SIPS:proxy.example", ["sips:proxy.example"]),
    ],
)
def test_an_outbound_proxy_is_a_route_of_one_hop(proxy: str, hop: list[str]) -> None:
    assert [str(each.uri) for each in RouteSet.outbound(proxy).hops] == hop


@pytest.mark.parametrize(
    "proxy",
    [
        "a b",
        "tel:+1",
        "http://proxy",
        "proxy:0",
        "proxy:99999",
        "sip:",
        "u@proxy",
        "sip:p?a=b",
        "p>",
    ],
)
def test_what_is_no_proxy_is_refused(proxy: str) -> None:
    with pytest.raises(SipError):
        RouteSet.outbound(proxy)


def test_the_way_to_a_sips_uri_is_looked_for_as_sips() -> None:
    _, hop = route_of(LOOSE).send(request(target="sips:romeo@example.net", without="Via"))
    assert str(hop) == "sips:p1.example;lr"
