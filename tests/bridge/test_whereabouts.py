"""Where XMPP users are."""

from dragoman.bridge.whereabouts import MOST_RESOURCES, Parting, Whereabouts

ALICE = "alice@xmpp.example"


def test_the_last_that_goes_is_the_last() -> None:
    """Of those that are known; who was never heard of may be there."""
    where = Whereabouts()
    assert where.went(ALICE, "home", 1.0) is Parting.UNKNOWN
    assert not where.away(ALICE)
    where.came(ALICE, "home", 2.0)
    where.came(ALICE, "work", 3.0)
    assert where.went(ALICE, "home", 4.0) is Parting.OTHERS
    assert where.went(ALICE, "work", 5.0) is Parting.LAST
    assert where.away(ALICE)


def test_one_who_may_have_sessions_from_before_is_not_gone_with_those_that_are_known() -> None:
    """Until it is told that there are none."""
    where = Whereabouts()
    where.doubt(ALICE)
    assert where.silent(ALICE, 5.0) == float("inf")
    where.came(ALICE, "home", 6.0)
    assert where.went(ALICE, "home", 7.0) is Parting.UNKNOWN
    assert not where.away(ALICE)
    assert where.went(ALICE, "", 8.0) is Parting.LAST
    assert where.away(ALICE)
    where.came(ALICE, "home", 9.0)
    assert where.went(ALICE, "home", 10.0) is Parting.LAST


def test_one_who_does_something_is_there() -> None:
    """By a resource that is not known; one that is known goes on being so."""
    where = Whereabouts()
    where.went(ALICE, "", 1.0)
    assert where.away(ALICE)
    where.stirred(ALICE, 2.0)
    assert not where.away(ALICE)
    assert where.silent(ALICE, 5.0) == 3.0
    where.came(ALICE, "home", 3.0)
    where.stirred(ALICE, 4.0)
    assert where.went(ALICE, "home", 5.0) is Parting.LAST


def test_what_is_remembered_is_bounded() -> None:
    """Of users, those who were heard of last; of each, so many resources."""
    where = Whereabouts(3)
    for number in range(9):
        where.heard(f"u{number}@xmpp.example", float(number))
    assert len(where) == 3
    assert where.silent("u5@xmpp.example", 9.0) == float("inf")
    assert where.silent("u6@xmpp.example", 9.0) == 3.0
    for number in range(2 * MOST_RESOURCES):
        where.came(ALICE, str(number), 9.0)
    for number in range(MOST_RESOURCES):
        parting = where.went(ALICE, str(number), 9.0)
    assert parting is Parting.LAST
