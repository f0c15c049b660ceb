"""A sieve never says no of a member, and seldom yes of a stranger."""

from dragoman.store.sieve import Sieve


def test_every_member_is_found_and_few_strangers_are_taken_for_one() -> None:
    sieve = Sieve()
    for number in range(20_000):
        sieve.add(("alice@xmpp.example", f"id {number}", True))
    assert all(("alice@xmpp.example", f"id {number}", True) in sieve for number in range(20_000))
    strangers = sum(("alice@xmpp.example", number) in sieve for number in range(20_000))
    assert strangers < 20


def test_an_empty_one_has_nothing() -> None:
    assert () not in Sieve()
