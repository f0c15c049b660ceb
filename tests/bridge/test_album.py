"""The album: what is fetched, how much at once, how long it is kept; each bound is reached."""

from dragoman.bridge.album import (
    AT_ONCE,
    AT_ONCE_OF_ONE,
    FRESH,
    MISSED,
    MOST,
    MOST_BYTES,
    WAITING,
    WAITING_OF_ONE,
    Album,
    Source,
)
from dragoman.xmpp.ext.avatar import Picture

PNG, GIF = Picture("image/png", b"1"), Picture("image/gif", b"22")
ONE = Source("https://sip.example/1", "sip.example")


def numbered(number: int, domain: str = "") -> Source:
    return Source(f"https://a.example/{number}", domain or f"{number}.example")


def test_a_picture_is_fetched_once_and_kept() -> None:
    album = Album()
    assert album.ask(ONE, 0.0) is None
    assert album.ask(ONE, 0.0) is None
    assert list(album.wanted()) == [ONE]
    assert album.ask(ONE, 0.0) is None
    assert list(album.wanted()) == []
    assert not album.missed(ONE)
    assert album.learn(ONE, PNG, 1.0)
    assert album.ask(ONE, FRESH) == PNG
    assert list(album.wanted()) == []
    assert album.describe() == {"known": 1, "bytes": 1, "waiting": 0, "in_flight": 0}


def test_an_old_picture_is_shown_while_it_is_looked_for_again() -> None:
    album = Album()
    album.learn(ONE, PNG, 0.0)
    assert album.ask(ONE, FRESH) == PNG
    assert list(album.wanted()) == [ONE]
    assert not album.learn(ONE, None, FRESH), "a failure changes nothing"
    assert album.ask(ONE, FRESH + MISSED - 1) == PNG
    assert list(album.wanted()) == []
    assert album.ask(ONE, FRESH + MISSED) == PNG
    assert list(album.wanted()) == [ONE]
    assert not album.learn(ONE, PNG, FRESH), "nor does the same picture"
    assert album.learn(ONE, GIF, FRESH)
    assert album.ask(ONE, FRESH) == GIF
    assert album.describe()["bytes"] == 2


def test_what_is_missed_is_not_asked_for_again_for_a_while() -> None:
    album = Album()
    album.ask(ONE, 0.0)
    list(album.wanted())
    assert album.learn(ONE, None, 0.0)
    assert album.missed(ONE)
    assert album.ask(ONE, MISSED - 1) is None
    assert list(album.wanted()) == []
    assert album.ask(ONE, MISSED) is None
    assert list(album.wanted()) == [ONE]


def test_what_one_domain_is_told_says_nothing_of_another() -> None:
    album = Album()
    album.learn(ONE, None, 0.0)
    other = Source(ONE.url, "other.example")
    assert not album.missed(other)
    album.ask(other, 0.0)
    assert list(album.wanted()) == [other]


def test_few_are_fetched_at_once_and_fewer_of_one_domain() -> None:
    album = Album()
    slow = [numbered(each, "slow.example") for each in range(AT_ONCE)]
    others = [numbered(each) for each in range(AT_ONCE)]
    for each in (*slow, *others):
        album.ask(each, 0.0)
    first = [*slow[:AT_ONCE_OF_ONE], *others[: AT_ONCE - AT_ONCE_OF_ONE]]
    assert list(album.wanted()) == first
    assert list(album.wanted()) == []
    album.learn(first[-1], PNG, 0.0)
    assert list(album.wanted()) == [others[AT_ONCE - AT_ONCE_OF_ONE]], "not of the slow one"
    album.learn(slow[0], None, 0.0)
    assert list(album.wanted()) == [slow[AT_ONCE_OF_ONE]]
    assert album.describe()["in_flight"] == AT_ONCE


def test_few_wait_and_fewer_of_one_domain() -> None:
    album = Album()
    for each in range(WAITING_OF_ONE * 2):
        album.ask(numbered(each, "one.example"), 0.0)
    assert album.describe()["waiting"] == WAITING_OF_ONE
    for each in range(WAITING * 2):
        album.ask(numbered(each), 0.0)
    assert album.describe()["waiting"] == WAITING


def test_so_many_addresses_are_remembered_the_longest_unused_goes_first() -> None:
    album = Album()
    for each in range(MOST):
        album.learn(numbered(each), None, 0.0)
    album.ask(numbered(0), 0.0)
    album.learn(numbered(MOST), None, 0.0)
    assert album.describe()["known"] == MOST
    assert [album.missed(numbered(each)) for each in (0, 1, MOST)] == [True, False, True]


def test_so_many_bytes_are_kept() -> None:
    album = Album()
    large = Picture("image/png", bytes(65536))
    for each in range(MOST_BYTES // 65536):
        album.learn(numbered(each), large, 0.0)
    assert album.describe()["bytes"] == MOST_BYTES
    album.learn(ONE, PNG, 0.0)
    assert album.describe()["bytes"] == MOST_BYTES - 65535
    assert album.ask(numbered(0), 0.0) is None
    assert album.ask(numbered(1), 0.0) == large
