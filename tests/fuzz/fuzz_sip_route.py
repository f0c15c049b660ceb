"""Fuzz target: a Route (RFC 3261 §20.34) that arrives, or is recorded, is taken or refused."""

from dragoman.sip.failure import SipError
from dragoman.sip.message import Request, encode, parse
from dragoman.sip.route import MAX_HOPS, RouteSet, arrived

SEEDS = (
    b"<sip:gateway.example;lr>",
    b'<sip:p1.example;lr>, "P, 2" <sip:u@p2.example;method=X?a=b>;x=y, sip:p3.example',
    b"<sips:[2001:db8::1]:5061;transport=tcp>,<tel:+12>",
)


def one_input(data: bytes) -> None:
    text = data.decode("utf-8", "replace").replace("\r", "").replace("\n", "")
    for target in ("sip:gateway.example", "sip:romeo@example.net"):
        headers = [("Route", text), ("Record-Route", text)]
        try:
            came = parse(encode(Request("INVITE", target, headers)))
            assert isinstance(came, Request)
            request = arrived(came, lambda uri: uri.host == "gateway.example")
            route = RouteSet.from_request(request)
            sent, _ = route.send(request)
        except SipError:
            continue
        assert len(route.hops) <= MAX_HOPS
        assert isinstance(parse(encode(sent)), Request)


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
