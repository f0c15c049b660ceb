"""Whatever a datagram holds: a glance never fails, and no answer made of it breaks the framing."""

from dragoman.sip.glance import glance, kind_of, transaction_of
from dragoman.sip.guard import Guard, Rules
from dragoman.sip.message import Response, parse

SOURCE = ("203.0.113.66", 5060)


def one_input(data: bytes) -> None:
    kind_of(data)
    transaction_of(data)
    seen = glance(data)
    if seen is not None and (via := seen.via()) is not None:
        answer = seen.answer(403, f"{len(via[0])}", SOURCE)
        assert answer is None or answer.data.count(b"\r\n\r\n") == 1
    guard = Guard(Rules(), lambda _: False, lambda *_: "t", lambda *_: False, lambda *_: False)
    guard.refused(SOURCE[0], seen.domain if seen is not None else "x", 9.0)
    found = guard.look(data, SOURCE, 1.0)
    if found is not None and found.data and b"\x00" not in data:
        assert isinstance(_readable(found.data), Response | None)


def _readable(data: bytes) -> object:
    """Return the answer as read: what was copied may be as unreadable as it came."""
    try:
        return parse(data)
    except ValueError:
        return None
