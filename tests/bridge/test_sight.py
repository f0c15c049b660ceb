"""What is kept of presence that is to be told: each pair's own, in bounds."""

from hypothesis import given
from hypothesis import strategies as st

from dragoman.bridge.sight import MOST_RESOURCES, Room, Sight
from dragoman.mapping import pidf
from dragoman.mapping.pidf import Note
from dragoman.mapping.presence import LONGEST_STATUS, MOST_LANGUAGES, Presence, to_document

LONG = tuple(Note("&" * LONGEST_STATUS, f"l-{n}") for n in range(MOST_LANGUAGES))
USER = "sip:alice@xmpp.example"


def sight(room: Room | None = None) -> Sight:
    """Return what is known of Alice: nothing yet."""
    return Sight(len(USER), room or Room())


def told(found: Sight, dialog: int = 1) -> list[str]:
    """Return what a dialog is told."""
    return [f"{each.resource}{'' if each.available else ' gone'}" for each in found.told(dialog)]


def document(presences: list[Presence]) -> bytes:
    """Return it as it goes onto the wire."""
    made = to_document(USER, presences, lambda resource: f"{USER};gr={resource}", 0.0)
    return pidf.write(made)


def test_a_resource_keeps_its_place() -> None:
    """Phones show the first: it is not another one with each word."""
    found = sight()
    for each in ("home", "work", "home"):
        found.take(Presence(each), [1])
    assert told(found) == ["home", "work"]


def test_who_went_is_told_once_to_each() -> None:
    """To those dialogs that there were then."""
    found = sight()
    assert not found.known
    for each in ("home", "work"):
        found.take(Presence(each), [1, 2])
    found.take(Presence("work", available=False), [1, 2])
    assert told(found, 1) == ["work gone", "home"]
    assert [told(found, dialog) for dialog in (1, 2, 2, 3)] == [
        ["home"],
        ["work gone", "home"],
        ["home"],
        ["home"],
    ]
    found.take(Presence("home", available=False), [])
    assert (found.octets, told(found)) == (0, [])
    assert found.known


def test_who_comes_back_was_not_away() -> None:
    """Before it was told."""
    found = sight()
    for available in (True, False, True):
        found.take(Presence("home", available), [1])
    assert told(found) == ["home"]


def test_who_come_and_go_are_few() -> None:
    """However long nobody is told: the last of them are."""
    found = sight()
    for number in range(1000):
        for available in (True, False):
            found.take(Presence(f"r{number}", available), [1])
    assert told(found) == [f"r{number} gone" for number in range(1000 - MOST_RESOURCES, 1000)]


def test_those_there_count_more_than_those_who_went() -> None:
    """There is room for so many; those that come after are not told of."""
    found = sight()
    for number in range(MOST_RESOURCES):
        found.take(Presence(f"a{number}"), [1])
    found.take(Presence("a0", available=False), [1])
    found.take(Presence("new"), [1])
    found.take(Presence("newer"), [1])
    assert told(found) == [*(f"a{number}" for number in range(1, MOST_RESOURCES)), "new"]


def test_long_texts_are_left_out_and_nobody_with_them() -> None:
    """A document is to be short enough to be read."""
    found = sight()
    for number in range(MOST_RESOURCES):
        found.take(Presence(f"r{number}", statuses=LONG, nick="Alice"), [1])
    presences = found.told(1)
    assert len(presences) == MOST_RESOURCES
    assert len(document(presences)) <= pidf.LARGEST
    found.take(Presence("r7", statuses=(Note("here"),)), [1])
    assert found.told(1)[7].statuses == (Note("here"),)


def test_all_have_so_much_room_together() -> None:
    """Who has what he has keeps it, and what is forgotten makes room."""
    room = Room(100_000)
    first, second, third = sight(room), sight(room), sight(room)
    for each in (first, second, third):
        each.take(Presence("home", statuses=LONG), [1])
    assert [bool(each.told(1)[0].statuses) for each in (first, second, third)] == [
        *(True, True, False)
    ]
    third.take(Presence("work"), [1])
    assert told(third) == ["home", "work"]
    first.clear()
    assert told(first) == []
    third.take(Presence("home", statuses=LONG), [1])
    assert third.told(1)[0].statuses
    for each in (second, third):
        each.clear()
    assert room == Room(100_000)


ANY = st.text(st.characters(codec="utf-8", min_codepoint=32), max_size=30)
NOTES = st.builds(Note, ANY.map(lambda text: text * 30), st.just("en"))
PRESENCES = st.builds(
    Presence,
    ANY.map(lambda text: text * 10) | st.sampled_from(["a", "b"]),
    st.booleans(),
    st.sampled_from(["", "dnd"]),
    st.lists(NOTES, max_size=8).map(tuple),
    st.integers(-128, 127),
    st.just(0.0),
    st.none() | st.just(0.0),
    ANY.map(lambda text: text * 20),
)


@given(st.lists(PRESENCES, max_size=80))
def test_a_document_is_never_longer_than_was_thought(presences: list[Presence]) -> None:
    """And the room is as it was, when all is over."""
    room = Room()
    found = sight(room)
    for each in presences:
        found.take(each, [1])
    assert Room().left - room.left == found.octets
    octets = found.octets
    assert len(document(found.told(1))) <= min(octets + 1200, pidf.LARGEST)
    found.clear()
    assert room == Room()
