"""What a request must satisfy: RFC 3261 §8.2 and §16.3."""

import pytest

from dragoman.sip.check import Refusal, passed_through, refusal, syntax
from dragoman.sip.message import Request, SipError
from tests.sip.desk import ALLOW, request


@pytest.mark.spec("NET-30")
@pytest.mark.parametrize(
    "bad",
    [
        *(request(without=name) for name in ("From", "To", "Call-ID", "CSeq", "Max-Forwards")),
        request(From="<sip:juliet@example.com>"),
        request(From="<sip:juliet@example.com"),
        request(To="rubbish"),
        request(Call_ID="one two"),
        request(CSeq="x MESSAGE"),
        request(CSeq="1 INVITE"),
        request(Max_Forwards="many"),
        request(more=[("To", "<sip:other@example.net>")]),
    ],
)
def test_missing_and_bad_headers_are_refused_with_400(bad: Request) -> None:
    with pytest.raises(SipError) as caught:
        syntax(bad)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "good",
    [
        request(),
        request(branch="old", From="<sip:juliet@example.com>", without="Max-Forwards"),
        request("ACK", without="Max-Forwards"),
    ],
)
def test_well_formed_requests_pass(good: Request) -> None:
    syntax(good)


@pytest.mark.spec("NET-30")
@pytest.mark.parametrize(
    ("given", "refused"),
    [
        (request(), None),
        (request("PUBLISH"), Refusal(405, (("Allow", ", ".join(ALLOW)),))),
        (request("BREW"), Refusal(501)),
        (request("message"), Refusal(501)),
        (
            request(more=[("Require", "gruu, 100rel"), ("Proxy-Require", "sec-agree")]),
            Refusal(420, (("Unsupported", "100rel, sec-agree"),)),
        ),
        (request(more=[("Require", "gruu")]), None),
        (request("CANCEL", more=[("Require", "100rel")]), None),
        (request(Max_Forwards="0"), Refusal(483)),
        (request("OPTIONS", Max_Forwards="0"), None),
        (request(Max_Forwards="1"), None),
    ],
)
def test_what_cannot_be_served_is_refused(given: Request, refused: Refusal | None) -> None:
    assert refusal(given, allow=ALLOW, supported=frozenset({"gruu"})) == refused


@pytest.mark.spec("NET-30")
def test_an_unknown_scheme_is_refused_with_416() -> None:
    with pytest.raises(SipError) as caught:
        refusal(
            request(target="nobodyKnowsThisScheme:totallyopaquecontent"), allow=ALLOW, supported=()
        )
    assert caught.value.status == 416


@pytest.mark.spec("NET-33")
@pytest.mark.parametrize(
    ("vias", "ours"),
    [
        (["SIP/2.0/UDP far.example"], False),
        (["SIP/2.0/UDP gateway.example"], True),
        (["SIP/2.0/UDP far.example", "SIP/2.0/UDP gateway.example:5060"], True),
        (["SIP/2.0/UDP far.example, SIP/2.0/TCP gateway.example"], True),
        (["SIP/2.0/UDP far.example", "SIP/2.0/UDP gateway.example:5070"], False),
        (["SIP/2.0/UDP my-gateway.example"], False),
    ],
)
def test_a_request_of_ours_is_known_by_its_via(vias: list[str], ours: bool) -> None:
    given = request(without="Via", more=[("Via", via) for via in vias])
    assert passed_through(given, {"gateway.example:5060"}) is ours
