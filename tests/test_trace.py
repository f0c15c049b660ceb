"""The tap: what is seen, and which exchange it belongs to."""

from dragoman.trace import REMEMBERED, Direction, Protocol, Seen, Tap


def tap_with_reader() -> tuple[Tap, list[Seen]]:
    seen: list[Seen] = []
    tap = Tap(lambda: 5.0, "x")
    tap.readers.append(seen.append)
    return tap, seen


def test_a_reader_sees_the_whole_message_with_time_peer_and_exchange() -> None:
    tap, seen = tap_with_reader()
    tap.saw(Protocol.SIP, Direction.IN, "192.0.2.1:5060", "call-1", "MESSAGE ...")
    assert seen == [Seen(5.0, "x1", Protocol.SIP, Direction.IN, "192.0.2.1:5060", "MESSAGE ...")]


def test_what_is_joined_shares_the_exchange() -> None:
    tap, seen = tap_with_reader()
    tap.saw(Protocol.SIP, Direction.IN, "a", "call-1", "MESSAGE")
    tap.join(tap.exchange("call-1"), "stanza-1")
    tap.saw(Protocol.XMPP, Direction.OUT, "b", "stanza-1", "<message/>")
    tap.saw(Protocol.XMPP, Direction.OUT, "b", "stanza-2", "<message/>")
    assert [each.exchange for each in seen] == ["x1", "x1", "x2"]


def test_without_readers_nothing_is_remembered() -> None:
    tap = Tap(lambda: 5.0)
    first = tap.exchange("call-1")
    assert tap.exchange("call-1") != first


def test_the_oldest_keys_are_forgotten() -> None:
    tap, _ = tap_with_reader()
    first = tap.exchange("call-0")
    for number in range(1, REMEMBERED):
        tap.exchange(f"call-{number}")
    assert tap.exchange("call-0") == first
    tap.exchange("one more")
    assert tap.exchange("call-0") != first
