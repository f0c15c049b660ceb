"""The answer to OPTIONS (RFC 3261 §11.2)."""

from dragoman.sip.message import build_request, encode, parse
from dragoman.sip.options import Abilities, answer

# RFC 3261 §11.1, the standard's own OPTIONS
OPTIONS = build_request(
    "OPTIONS",
    "sip:carol@chicago.com",
    [
        ("Via", "SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKhjhs8ass877"),
        ("Max-Forwards", "70"),
        ("To", "<sip:carol@chicago.com>"),
        ("From", "Alice <sip:alice@atlanta.com>;tag=1928301774"),
        ("Call-ID", "a84b4c76e66710"),
        ("CSeq", "63104 OPTIONS"),
        ("Accept", "application/sdp"),
    ],
)
ABILITIES = Abilities(
    allow=("OPTIONS", "MESSAGE"),
    accept=("text/plain", "message/cpim"),
    events=("presence",),
    supported=("gruu",),
)


def test_the_answer_says_all_that_we_can_do() -> None:
    response = parse(encode(answer(OPTIONS, ABILITIES, to_tag="93810874")))
    assert response.start_line == "SIP/2.0 200 OK"
    assert response.get("To") == "<sip:carol@chicago.com>;tag=93810874"
    said = {name: response.get(name) for name in ("Allow", "Accept", "Allow-Events", "Supported")}
    assert said == {
        "Allow": "OPTIONS, MESSAGE",
        "Accept": "text/plain, message/cpim",
        "Allow-Events": "presence",
        "Supported": "gruu",
    }
    assert response.body == b""


def test_without_event_packages_there_is_no_allow_events() -> None:
    response = answer(OPTIONS, Abilities(allow=("OPTIONS",)))
    assert response.get("Allow-Events") is None
    assert (response.get("Accept"), response.get("Supported")) == ("", "")
