"""Reasons of Jingle and of SIP, both ways (docs/interworking/media.md §6)."""

import pytest

from dragoman.mapping import hangup
from dragoman.sip.header import Warning  # noqa: A004 - the header's own name
from dragoman.xmpp.ext.jingle import Reason, Why
from dragoman.xmpp.ext.jingle_errors import tie_break
from dragoman.xmpp.failure import Condition, ErrorType, StanzaError


@pytest.mark.spec("MED-17")
@pytest.mark.parametrize(
    ("why", "status", "cause"),
    [
        (Why.SUCCESS, 603, 16),
        (Why.BUSY, 486, 17),
        (Why.DECLINE, 603, 21),
        (Why.CANCEL, 480, 16),
        (Why.TIMEOUT, 480, 102),
        (Why.EXPIRED, 480, 102),
        (Why.GONE, 480, 27),
        (Why.ALTERNATIVE_SESSION, 486, 16),
        (Why.CONNECTIVITY_ERROR, 500, 41),
        (Why.FAILED_TRANSPORT, 500, 41),
        (Why.MEDIA_ERROR, 488, 41),
        (Why.FAILED_APPLICATION, 488, 41),
        (Why.INCOMPATIBLE_PARAMETERS, 488, 88),
        (Why.UNSUPPORTED_APPLICATIONS, 488, 88),
        (Why.UNSUPPORTED_TRANSPORTS, 488, 88),
        (Why.SECURITY_ERROR, 488, 57),
        (Why.GENERAL_ERROR, 500, 31),
    ],
)
def test_what_a_phone_hears(why: Why, status: int, cause: int) -> None:
    assert hangup.status(Reason(why)) == status
    assert hangup.header(Reason(why)) == f"Q.850;cause={cause}"


def test_every_reason_has_both() -> None:
    assert set(hangup.STATUSES) == set(hangup.CAUSES) == set(Why)


@pytest.mark.spec("MED-17")
def test_no_reason_is_no_wish_to_talk_before_and_a_good_end_after() -> None:
    assert (hangup.status(None), hangup.header(None)) == (603, "Q.850;cause=16")


@pytest.mark.spec("MED-17")
def test_a_refusal_says_more_in_its_headers() -> None:
    assert hangup.refusal(None) == ()
    busy = Reason(Why.BUSY, "on the phone")
    assert hangup.refusal(busy) == (("Reason", 'Q.850;cause=17;text="on the phone"'),)
    other = Reason(Why.ALTERNATIVE_SESSION, "here", sid="b84tkkwlmb48kgfb")
    said = 'Q.850;cause=16;text="here b84tkkwlmb48kgfb"'
    assert hangup.refusal(other) == (("Reason", said),)
    for text, warned in (
        ("", "the media are not secured as the recipient wants it"),
        ("SRTP only", "SRTP only"),
    ):
        (_, (name, value)) = hangup.refusal(Reason(Why.SECURITY_ERROR, text))
        warning = Warning.parse(value)
        assert (name, warning.code, warning.text) == ("Warning", 399, warned)


@pytest.mark.spec("MED-17")
@pytest.mark.parametrize(
    ("error", "full", "status"),
    [
        (StanzaError(Condition.SERVICE_UNAVAILABLE), True, 480),
        (StanzaError(Condition.SERVICE_UNAVAILABLE), False, 480),
        (StanzaError(Condition.ITEM_NOT_FOUND), True, 404),
        (StanzaError(Condition.ITEM_NOT_FOUND), False, 604),
        (StanzaError(Condition.FEATURE_NOT_IMPLEMENTED), True, 405),
        (StanzaError(Condition.NOT_ACCEPTABLE), True, 488),
        (StanzaError(Condition.REMOTE_SERVER_TIMEOUT), True, 408),
        (tie_break(), True, 486),
        (StanzaError(Condition.POLICY_VIOLATION, ErrorType.CONTINUE), True, 480),
    ],
)
def test_a_client_that_takes_no_session(error: StanzaError, full: bool, status: int) -> None:
    assert hangup.of_error(error, full=full).status == status


@pytest.mark.spec("MED-41")
def test_a_text_cannot_leave_its_quotes() -> None:
    said = hangup.header(Reason(Why.BUSY, 'no"\r\nX: y\\'))
    assert said == 'Q.850;cause=17;text="noX: y"'
    assert len(hangup.header(Reason(Why.BUSY, "x" * 5000))) < 200


@pytest.mark.spec("MED-17")
@pytest.mark.parametrize(
    ("status", "why"),
    [
        *((each, Why.BUSY) for each in (486, 600)),
        *((each, Why.DECLINE) for each in (403, 603, 607, 608)),
        *((each, Why.GONE) for each in (404, 410, 480, 484, 485, 604)),
        *((each, Why.TIMEOUT) for each in (408, 487)),
        *((each, Why.INCOMPATIBLE_PARAMETERS) for each in (415, 488, 606)),
        *((each, Why.SECURITY_ERROR) for each in (401, 407, 421, 494)),
        *((each, Why.UNSUPPORTED_APPLICATIONS) for each in (405, 420, 501)),
        (503, Why.CONNECTIVITY_ERROR),
        (580, Why.FAILED_TRANSPORT),
        *((each, Why.GENERAL_ERROR) for each in (400, 482, 483, 500, 513, 699)),
    ],
)
def test_what_a_client_hears_of_a_refusal(status: int, why: Why) -> None:
    assert hangup.of_status(status, "phrase") == Reason(why, "phrase")


@pytest.mark.spec("MED-17")
@pytest.mark.parametrize(
    ("value", "why", "text"),
    [
        ("", Why.SUCCESS, ""),
        ("Q.850;cause=16", Why.SUCCESS, ""),
        ('Q.850 ;cause=17 ;text="User busy"', Why.BUSY, "User busy"),
        ("q.850;cause=21", Why.DECLINE, ""),
        ("Q.850;cause=18", Why.TIMEOUT, ""),
        ("Q.850;cause=1", Why.GONE, ""),
        ("Q.850;cause=38", Why.CONNECTIVITY_ERROR, ""),
        ("Q.850;cause=88", Why.INCOMPATIBLE_PARAMETERS, ""),
        (
            'SIP ;cause=200 ;text="Call completed elsewhere"',
            Why.SUCCESS,
            "Call completed elsewhere",
        ),
        ("SIP;cause=486, Q.850;cause=21", Why.DECLINE, ""),
        ('SIP;text="a, \\"b\\"";cause=600', Why.BUSY, 'a, "b"'),
        ("Q.850;cause=99999", Why.SUCCESS, ""),
        ("nonsense", Why.SUCCESS, ""),
        ('Q.850;text="cause=17; cause=21";cause=16', Why.SUCCESS, "cause=17; cause=21"),
        ("Q.850;xcause=17;cause=21", Why.DECLINE, ""),
        ("Q.850;cause=31", Why.SUCCESS, ""),
        ("Q.850;cause=17;text=Busy", Why.BUSY, "Busy"),
        ('Q.850;cause=17;text="no end', Why.BUSY, ""),
        ("X.int;reasoncode=0x0;add-info=1, Q.850 ; cause = 17", Why.BUSY, ""),
        ('Q.850;cause=21;text="a, b", SIP;cause=486', Why.DECLINE, "a, b"),
        ("SIP;cause=603", Why.DECLINE, ""),
        ("preemption;cause=1;text=x, SIP;cause=600", Why.BUSY, ""),
        (",;,;" * 300, Why.SUCCESS, ""),
        ('"' * 1024, Why.SUCCESS, ""),
    ],
)
def test_what_a_client_hears_of_a_hang_up(value: str, why: Why, text: str) -> None:
    assert hangup.of_header(value) == Reason(why, text)


def test_a_cancel_without_a_reason() -> None:
    assert hangup.of_header("", Why.CANCEL) == Reason(Why.CANCEL)
