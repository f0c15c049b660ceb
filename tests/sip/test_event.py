"""RFC 6665 §8.2: Event and Subscription-State."""

import pytest

from dragoman.sip.event import Event, SubscriptionState, retry_seconds
from dragoman.sip.failure import SipError
from dragoman.sip.message import Response

EVENTS = [
    ("presence", Event("presence")),
    ("presence ;id=7", Event("presence", "7")),
    ('presence;id="7"', Event("presence", "7")),
    ("presence;id=", Event("presence")),
    ("presence;adaptive-min-rate=3;id=q", Event("presence", "q")),
    ("presence.winfo", Event("presence.winfo")),
]
STATES = [
    ("active;expires=3599", SubscriptionState("active", 3599)),
    ("Active ; Expires=600", SubscriptionState("active", 600)),
    ("pending", SubscriptionState("pending")),
    (
        "terminated;reason=probation;retry-after=300",
        SubscriptionState("terminated", None, "probation", 300),
    ),
    ("terminated;reason=Timeout", SubscriptionState("terminated", None, "timeout")),
    ("halted;x=y", SubscriptionState("halted")),
]


@pytest.mark.parametrize(("text", "value"), EVENTS)
def test_an_event_is_read(text: str, value: Event) -> None:
    """What is no `id` is dropped."""
    assert Event.parse(text) == value
    assert Event.parse(str(value)) == value


@pytest.mark.parametrize(("text", "value"), STATES)
def test_a_state_is_read(text: str, value: SubscriptionState) -> None:
    """Case tells nothing, unknown parameters neither."""
    assert SubscriptionState.parse(text) == value
    assert SubscriptionState.parse(str(value)) == value


@pytest.mark.parametrize(
    "text", ["", ";expires=3", "active;expires=soon", "a b", "active;expires=-1"]
)
def test_what_is_none_is_refused(text: str) -> None:
    """Each is an error of the peer's."""
    with pytest.raises(SipError):
        SubscriptionState.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", ";id=1", "pres ence", "presence;=", "presence,dialog"),
        *('presence;id="a;b"', 'presence;id="a b"'),
    ],
)
def test_what_is_no_event_is_refused(text: str) -> None:
    """Each is an error of the peer's."""
    with pytest.raises(SipError):
        Event.parse(text)


@pytest.mark.parametrize(
    ("value", "seconds"), [("120", 120), ("18000;duration=3600", 18000), ("5 (busy)", 5), ("x", 0)]
)
def test_retry_after_is_read(value: str, seconds: int) -> None:
    """RFC 3261 §20.33; what cannot be read asks for nothing, like what is not there."""
    assert retry_seconds(Response(503, "", [("Retry-After", value)])) == seconds
    assert retry_seconds(Response(503, "", [])) == 0
