"""Session timers: what is asked for, granted and counted (RFC 4028)."""

import pytest

from dragoman.sip.message import Header, Request, Response, SipError, build_request
from dragoman.sip.timer import (
    SessionExpires,
    Terms,
    asking,
    granted,
    granting,
    least_of,
    too_short,
)


def asks(*headers: Header) -> Request:
    return build_request("INVITE", "sip:a@b", headers)


@pytest.mark.parametrize("text", ["1800", "90;refresher=uac", "4294967295;refresher=uas"])
def test_session_expires_is_read_and_written(text: str) -> None:
    assert str(SessionExpires.parse(text)) == text


@pytest.mark.parametrize("text", ["", "x", "90;refresher=me", "-1"])
def test_what_is_no_session_expires(text: str) -> None:
    with pytest.raises(SipError):
        SessionExpires.parse(text)


@pytest.mark.spec("MSRP-35")
@pytest.mark.parametrize(
    ("supported", "wanted", "said", "ours"),
    [
        ("timer", "600", "600;refresher=uas", True),
        ("timer", "600;refresher=uac", "600;refresher=uac", False),
        ("timer", "600;refresher=uas", "600;refresher=uas", True),
        ("", "600;refresher=uac", "600;refresher=uas", True),
        ("timer", "", "1800;refresher=uas", True),
        ("timer", "99999", "7200;refresher=uas", True),
    ],
)
def test_table_2(supported: str, wanted: str, said: str, ours: bool) -> None:
    """§9; who is asked for longer than we like shortens it."""
    headers = [("Supported", supported)] + ([("Session-Expires", wanted)] if wanted else [])
    terms, answer = granting(asks(*headers))
    assert (dict(answer)["Session-Expires"], terms.ours) == (said, ours)
    assert ("Require" in dict(answer)) is not ours


def test_no_interval_is_cut_below_what_the_way_bears() -> None:
    terms, _ = granting(asks(("Session-Expires", "20000"), ("Min-SE", "10000")))
    assert terms.seconds == 10000


@pytest.mark.parametrize(
    ("value", "terms"),
    [
        (None, Terms(1800, True)),
        ("600;refresher=uas", Terms(600, False)),
        ("600;refresher=uac", Terms(600, True)),
        ("1;refresher=uac", Terms(90, True)),
        ("999999999;refresher=uac", Terms(7200, True)),
        ("?", Terms(1800, True)),
    ],
)
def test_what_a_response_grants(value: str | None, terms: Terms) -> None:
    headers = [("Session-Expires", value)] if value else []
    assert granted(Response(200, "OK", headers)) == terms


def test_when_it_is_refreshed_and_when_it_ends() -> None:
    assert (Terms(1800).refresh, Terms(1800).end, Terms(90).end) == (900, 1768, 60)


def test_what_is_asked_for() -> None:
    assert asking(1800, 90) == (("Session-Expires", "1800"),)
    assert asking(1800, 2000, "uac") == (
        ("Session-Expires", "2000;refresher=uac"),
        ("Min-SE", "2000"),
    )


def test_too_short() -> None:
    assert too_short(asks(("Session-Expires", "89")))
    assert not too_short(asks(("Session-Expires", "90")))
    assert not too_short(asks())
    assert [least_of(asks(("Min-SE", each))) for each in ("10", "100", "x")] == [90, 100, 90]
