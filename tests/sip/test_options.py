"""The answer to OPTIONS, and the question (RFC 3261 §11)."""

from dataclasses import replace

import pytest

from dragoman.sip.locate import Target, Transport
from dragoman.sip.message import build_request, encode, parse
from dragoman.sip.options import Abilities, answer, probe

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
    encodings=("gzip", "identity"),
)


def test_the_answer_says_all_that_we_can_do() -> None:
    response = parse(encode(answer(OPTIONS, ABILITIES, to_tag="93810874")))
    assert response.start_line == "SIP/2.0 200 OK"
    assert response.get("To") == "<sip:carol@chicago.com>;tag=93810874"
    names = ("Allow", "Accept", "Accept-Encoding", "Allow-Events", "Supported")
    assert {name: response.get(name) for name in names} == {
        "Allow": "OPTIONS, MESSAGE",
        "Accept": "text/plain, message/cpim",
        "Accept-Encoding": "gzip, identity",
        "Allow-Events": "presence",
        "Supported": "gruu",
    }
    assert response.body == b""


def test_without_event_packages_there_is_no_allow_events() -> None:
    response = answer(OPTIONS, Abilities(allow=("OPTIONS",)))
    assert (response.get("Allow-Events"), response.get("Accept-Encoding")) == (None, None)
    assert (response.get("Accept"), response.get("Supported")) == ("", "")


@pytest.mark.parametrize(
    ("transport", "address", "uri"),
    [
        (Transport.UDP, "192.0.2.1", "sip:192.0.2.1:5070"),
        (Transport.TCP, "2001:db8::1", "sip:[2001:db8::1]:5070;transport=tcp"),
        (Transport.TLS, "192.0.2.1", "sips:192.0.2.1:5070"),
    ],
)
def test_a_probe_asks_the_target_itself(transport: Transport, address: str, uri: str) -> None:
    asked = probe(Target(transport, address, 5070, "example.net"), "gateway.example:5060", "t1")
    assert parse(encode(asked)).headers == (*asked.headers, ("Content-Length", "0"))
    assert (asked.method, asked.target, str(asked.to.uri)) == ("OPTIONS", uri, uri)
    assert (str(asked.from_), asked.call_id) == ("<sip:gateway.example:5060>;tag=t1", "t1")
    assert (asked.max_forwards, str(asked.cseq)) == (0, "1 OPTIONS")


@pytest.mark.parametrize(
    ("target", "accept", "described"),
    [
        ("sip:carol@chicago.com", ["application/sdp"], True),
        ("sip:carol@chicago.com", [], True),
        ("sip:carol@chicago.com", ["text/plain", "application/*;q=0.5"], True),
        ("sip:carol@chicago.com", ["text/plain"], False),
        ("sip:carol@chicago.com", ['text/plain;a="'], False),
        ("sip:chicago.com", [], False),
    ],
)
def test_what_sessions_can_be(target: str, accept: list[str], described: bool) -> None:
    headers = [each for each in OPTIONS.headers if each[0] != "Accept"]
    asked = build_request("OPTIONS", target, [*headers, *(("Accept", each) for each in accept)])
    response = answer(asked, replace(ABILITIES, sessions=b"v=0"), "1")
    assert response.body == (b"v=0" if described else b"")
    assert (response.get("Content-Type") == "application/sdp") is described
