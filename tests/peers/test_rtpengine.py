"""Media carried by rtpengine, between a phone and a client that stand on one host."""

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.peers.hosts import SOURCE, run

HOST, ENGINE = "198.51.100.10", "198.51.100.11:2223"
BOTH = [
    "Connected(call='call', side=<Side.SIP: 'sip'>)",
    "Connected(call='call', side=<Side.XMPP: 'xmpp'>)",
]

Case = Callable[[str], dict[str, Any]]


@pytest.fixture
def case(lab: None) -> Case:
    """Run a case of tests/peers/rtpengine_calls.py on the gateway's host."""

    def ran(name: str) -> dict[str, Any]:
        command = [
            "env",
            f"PYTHONPATH={SOURCE}",
            sys.executable,
            "-m",
            "tests.peers.rtpengine_calls",
            name,
            HOST,
            ENGINE,
        ]
        found = json.loads(run("gw", *command))
        assert isinstance(found, dict)
        return found

    return ran


def test_rtp_passes_both_ways_as_it_is(case: Case) -> None:
    found = case("plain")
    assert found["events"] == BOTH
    assert "c=IN IP4 198.51.100.11" in found["offered"]
    assert found["rtcp"] == 201
    assert found["packets"] == {"sip": 5, "xmpp": 5}
    assert found["octets"] == {"sip": 5 * 160, "xmpp": 5 * 160}


@pytest.mark.spec("MED-28")
def test_a_client_heard_of_late_keeps_the_phones_port(case: Case) -> None:
    found = case("stand_in")
    assert "a=sendrecv" in found["first"]
    assert "c=IN IP4 198.51.100.11" in found["first"]
    assert found["kept"]
    assert "m=audio 9 " in found["answer"]
    assert found["state"] == "CONNECTED"
    assert found["events"] == BOTH
    assert found["ssrc"] == 77
    assert found["digits"] == [5]


@pytest.mark.spec("MED-08")
def test_a_client_is_offered_what_it_insists_on(case: Case) -> None:
    found = case("client_called")
    for wanted in (
        "a=group:BUNDLE 0\r\n",
        "UDP/TLS/RTP/SAVPF",
        "a=rtcp-mux\r\n",
        "a=fingerprint:sha-256 ",
        "a=setup:actpass\r\n",
        "a=ice-ufrag:",
        " 198.51.100.11 ",
    ):
        assert wanted in found["offered"]
    assert "a=crypto" not in found["offered"]
    assert found["state"] == "CONNECTED"
    assert found["events"] == BOTH


@pytest.mark.spec("MED-32")
def test_a_client_may_go_on_from_another_device(case: Case) -> None:
    assert case("anew") == {"states": ["CONNECTED"] * 2, "kept": True}


@pytest.mark.spec("MED-37")
def test_a_phone_that_asked_for_an_offer_keeps_its_port(case: Case) -> None:
    found = case("asked_for_an_offer")
    assert found == {"kept": True, "state": "CONNECTED", "events": BOTH}


@pytest.mark.spec("MED-14")
def test_a_refused_offer_is_made_in_another_way(case: Case) -> None:
    found = case("retried")
    assert "a=setup:actpass\r\n" in found["browsers"]
    assert "a=crypto" not in found["browsers"]
    assert "a=fingerprint" not in found["offered"]
    assert "a=ice-ufrag" in found["offered"]
    assert found["suites"][0] == "AES_CM_128_HMAC_SHA1_80"
    assert not [suite for suite in found["suites"] if suite.startswith(("NULL", "F8"))]
    assert found["kept"]
    assert found["events"] == BOTH


@pytest.mark.spec("MED-15")
def test_a_phone_may_hold_and_go_on_elsewhere(case: Case) -> None:
    found = case("moved")
    assert "a=sendonly\r\n" in found["held"]
    assert "a=recvonly\r\n" in found["told"]
    assert found["kept"]


def test_keys_are_answered_with_keys(case: Case) -> None:
    found = case("answers_keys")
    assert found["told"].count("a=crypto:1 AES_CM_128_HMAC_SHA1_80 ") == 1


def test_key_frames_are_asked_of_a_phone_that_has_no_feedback(case: Case) -> None:
    found = case("feedback")
    assert "m=audio " in found["offered"]
    assert " RTP/AVP 0\r\n" in found["offered"]


def test_what_a_former_process_left_is_ended(case: Case) -> None:
    found = case("left_behind")
    assert found == {"trouble": "GONE", "other": 2}
