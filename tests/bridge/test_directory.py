"""The directory: what the DNS says about who is served and who is believed."""

import pytest

from dragoman.bridge.directory import (
    ASKING,
    ASKING_FAMILIAR,
    ASKING_ONE,
    ASKING_RATE,
    ASKING_STRANGERS,
    DOUBTED,
    FAILED,
    FRESH,
    KNOWN,
    STALE,
    STRANGE,
    Asker,
    Directory,
    Look,
    Override,
    Side,
    Standing,
)

GATEWAY, PROXY = ("192.0.2.10", 5269), ("192.0.2.30", 5060)


def directory(override: Override | None = None) -> Directory:
    return Directory(lambda _, place: place == GATEWAY, "198.51.100.1".__eq__, override)


def test_a_domain_is_served_when_its_records_lead_here() -> None:
    found = directory()
    assert found.stands_for(Side.XMPP, "sip.example", 0.0) is Standing.UNKNOWN
    assert found.wanted() == [Look(Side.XMPP, "sip.example")]
    found.learn(Look(Side.XMPP, "sip.example"), frozenset({PROXY, GATEWAY}), 0.0)
    found.learn(Look(Side.SIP, "sip.example"), frozenset({PROXY}), 0.0)
    assert found.stands_for(Side.XMPP, "sip.example", 1.0) is Standing.YES
    assert found.stands_for(Side.SIP, "sip.example", 1.0) is Standing.NO


def test_another_server_on_the_same_host_is_not_us() -> None:
    found = directory()
    found.learn(Look(Side.SIP, "sip.example"), frozenset({(GATEWAY[0], 5060)}), 0.0)
    assert found.leads_here(Side.SIP, "sip.example", 1.0) is Standing.NO
    assert found.believes("sip.example", GATEWAY[0], 1.0) is Standing.YES


def test_a_sender_is_believed_from_the_addresses_of_its_domain_only() -> None:
    found = directory()
    assert found.believes("sip.example", PROXY[0], 0.0) is Standing.UNKNOWN
    assert found.believes("sip.example", "203.0.113.9", 0.0) is Standing.UNKNOWN
    assert found.wanted() == [Look(Side.SIP, "sip.example")], "asked once"
    found.learn(Look(Side.SIP, "sip.example"), frozenset({PROXY}), 0.0)
    assert found.believes("sip.example", PROXY[0], 1.0) is Standing.YES
    assert found.believes("sip.example", "203.0.113.9", 1.0) is Standing.NO


def test_a_trusted_address_may_speak_for_anybody() -> None:
    assert directory().believes("sip.example", "198.51.100.1", 0.0) is Standing.YES


def test_the_configuration_overrides_the_dns() -> None:
    found = directory(Override(xmpp=["sip.example"]))
    assert found.stands_for(Side.XMPP, "sip.example", 0.0) is Standing.YES
    assert found.stands_for(Side.XMPP, "other.example", 0.0) is Standing.NO
    assert found.stands_for(Side.SIP, "other.example", 0.0) is Standing.UNKNOWN
    assert found.leads_here(Side.XMPP, "other.example", 0.0) is Standing.UNKNOWN


def test_an_answer_is_renewed_while_it_is_still_used() -> None:
    found, look = directory(), Look(Side.XMPP, "sip.example")
    found.learn(look, frozenset({GATEWAY}), 0.0)
    assert found.stands_for(Side.XMPP, "sip.example", FRESH - 1) is Standing.YES
    assert found.wanted() == []
    assert found.stands_for(Side.XMPP, "sip.example", FRESH) is Standing.YES
    assert found.wanted() == [look]
    found.learn(look, None, FRESH + 1)
    assert found.stands_for(Side.XMPP, "sip.example", FRESH + 2) is Standing.YES
    assert found.stands_for(Side.XMPP, "sip.example", STALE) is Standing.UNKNOWN


def test_no_answer_is_not_the_same_as_no_record() -> None:
    found, look = directory(), Look(Side.XMPP, "sip.example")
    found.learn(look, None, 0.0)
    assert found.stands_for(Side.XMPP, "sip.example", 1.0) is Standing.UNANSWERED
    assert found.wanted() == []
    assert found.stands_for(Side.XMPP, "sip.example", FAILED) is Standing.UNKNOWN
    assert found.wanted() == [look]


def test_answers_and_open_questions_are_bounded() -> None:
    found = directory()
    for number in range(KNOWN + 1):
        found.learn(Look(Side.SIP, f"d{number}.example"), frozenset(), 0.0)
    assert len(found) == KNOWN
    for number in range(ASKING):
        assert found.believes(f"e{number}.example", PROXY[0], 0.0) is Standing.UNKNOWN
    assert found.believes("one.more.example", PROXY[0], 0.0) is Standing.UNANSWERED
    assert len(found.wanted()) == ASKING


def test_the_domains_served_are_those_known_to_lead_here_or_listed() -> None:
    found = directory()
    assert found.served(Side.XMPP) == frozenset()
    found.learn(Look(Side.XMPP, "a.example"), frozenset({GATEWAY}), 0.0)
    found.learn(Look(Side.XMPP, "b.example"), frozenset({PROXY}), 0.0)
    found.learn(Look(Side.SIP, "c.example"), frozenset({GATEWAY}), 0.0)
    assert found.served(Side.XMPP) == {"a.example"}
    assert found.served(Side.SIP) == {"c.example"}
    assert directory(Override(xmpp=["d.example"])).served(Side.XMPP) == {"d.example"}


STRANGER = Asker("203.0.113.9")


@pytest.mark.spec("NET-38")
def test_one_stranger_cannot_have_everything_asked() -> None:
    found = directory()
    standings = [
        found.believes(f"{each}.example", STRANGER.address, 0.0, STRANGER) for each in range(99)
    ]
    assert standings == [Standing.UNKNOWN] * ASKING_ONE + [Standing.UNANSWERED] * (99 - ASKING_ONE)
    assert found.believes("sip.example", PROXY[0], 0.0, Asker(PROXY[0])) is Standing.UNKNOWN
    found.learn(Look(Side.SIP, "0.example"), frozenset(), 1.0)
    assert found.believes("new.example", STRANGER.address, 1.0, STRANGER) is Standing.UNKNOWN


@pytest.mark.spec("NET-38")
def test_all_strangers_leave_room_for_the_familiar_and_for_streams() -> None:
    found = directory()
    for each in range(ASKING):
        address = f"203.0.113.{each}"
        found.believes(f"{each}.example", address, 0.0, Asker(address))
    assert len(found.wanted()) == ASKING_STRANGERS
    familiar = Asker(PROXY[0], familiar=True)
    assert found.believes("sip.example", PROXY[0], 0.0, familiar) is Standing.UNKNOWN
    assert found.stands_for(Side.XMPP, "sip.example", 0.0) is Standing.UNKNOWN
    assert found.believes("x.example", "203.0.113.1", 0.0, STRANGER) is Standing.UNANSWERED


@pytest.mark.spec("NET-38")
def test_what_strangers_claim_pushes_out_nothing_that_is_used() -> None:
    found, look = directory(), Look(Side.SIP, "sip.example")
    assert found.believes("sip.example", PROXY[0], 0.0, Asker(PROXY[0])) is Standing.UNKNOWN
    found.learn(look, frozenset({PROXY}), 0.0)
    for each in range(KNOWN + 1):
        now = each / ASKING_RATE
        found.believes(f"{each}.example", STRANGER.address, now, STRANGER)
        found.learn(Look(Side.SIP, f"{each}.example"), frozenset({PROXY}), now)
        found.learn(look, frozenset({PROXY}), now)
    assert len(found) == STRANGE + 1
    assert found.believes("sip.example", PROXY[0], now) is Standing.YES


def test_a_claim_that_failed_is_asked_about_again_within_the_minute() -> None:
    found, look = directory(), Look(Side.SIP, "sip.example")
    assert found.believes("sip.example", STRANGER.address, 0.0, STRANGER) is Standing.UNKNOWN
    found.learn(look, frozenset({PROXY}), 0.0)
    assert found.believes("sip.example", STRANGER.address, 1.0, STRANGER) is Standing.NO
    assert found.doubted_until("sip.example") == DOUBTED < FRESH
    assert found.doubted_until("other.example") == 0.0
    assert found.believes("sip.example", STRANGER.address, DOUBTED, STRANGER) is Standing.NO
    assert found.doubted_until("sip.example") == 0.0, "it is being asked"
    found.learn(look, frozenset({(STRANGER.address, 5060)}), DOUBTED + 1)
    assert found.believes("sip.example", STRANGER.address, DOUBTED + 1, STRANGER) is Standing.YES


def test_a_strangers_question_about_a_domain_in_use_takes_nothing_from_it() -> None:
    found, look = directory(), Look(Side.SIP, "sip.example")
    found.learn(look, frozenset({PROXY}), 0.0)
    assert found.believes("sip.example", STRANGER.address, FRESH, STRANGER) is Standing.NO
    found.learn(look, frozenset({PROXY}), FRESH)
    for each in range(ASKING_STRANGERS - 1):
        found.believes(f"{each}.example", STRANGER.address, FRESH, STRANGER)
        found.learn(Look(Side.SIP, f"{each}.example"), frozenset(), FRESH)
    assert list(found._facts) == [look]
    assert found.believes("sip.example", PROXY[0], FRESH + 1) is Standing.YES


@pytest.mark.spec("NET-38")
def test_strangers_have_so_many_questions_a_second_and_the_familiar_have_not() -> None:
    found = directory()
    for each in range(ASKING_STRANGERS):
        asker = Asker(f"203.0.113.{each}")
        assert found.believes(f"{each}.example", asker.address, 0.0, asker) is Standing.UNKNOWN
        found.learn(Look(Side.SIP, f"{each}.example"), frozenset(), 0.0)
    assert found.believes("a.example", STRANGER.address, 0.0, STRANGER) is Standing.UNANSWERED
    assert found.believes("a.example", PROXY[0], 0.0, Asker(PROXY[0], True)) is Standing.UNKNOWN
    later = 1 / ASKING_RATE
    assert found.believes("b.example", STRANGER.address, later, STRANGER) is Standing.UNKNOWN
    assert found.believes("c.example", STRANGER.address, later, STRANGER) is Standing.UNANSWERED


def test_a_proxy_that_many_domains_share_may_have_more_asked() -> None:
    found, familiar = directory(), Asker(PROXY[0], familiar=True)
    standings = [
        found.believes(f"{each}.example", PROXY[0], 0.0, familiar)
        for each in range(ASKING_FAMILIAR + 1)
    ]
    assert standings == [Standing.UNKNOWN] * ASKING_FAMILIAR + [Standing.UNANSWERED]
