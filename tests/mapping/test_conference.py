"""RFC 4575: documents of conferences made coherent, and those of XEP-0298, which are the same."""

from time import process_time

import pytest

from dragoman.mapping.address import jid_to_sip
from dragoman.mapping.conference import (
    LARGEST,
    LATEST,
    MOST_USERS,
    ConferenceError,
    Document,
    Gap,
    Known,
    State,
    in_sip,
    write,
)
from dragoman.xmpp.element import Element, to_xml
from dragoman.xmpp.ext import coin
from dragoman.xmpp.parser import parse_document
from tests.mapping.rfc4575 import BASIC, COIN, RICH

NS = "urn:ietf:params:xml:ns:conference-info"
ENTITY = "sips:conf233@example.com"


def document(within: str = "", version: object = 1, state: str = "full") -> Document:
    told = f"entity='{ENTITY}' state='{state}' version='{version}'"
    text = f"<conference-info xmlns='{NS}' {told}>{within}</conference-info>"
    return Document.parse(text.encode())


def part(within: str, version: int = 2) -> Document:
    return document(within, version, "partial")


def user(name: str, within: str = "", state: str = "full") -> str:
    return f"<user entity='sip:{name}@example.com' state='{state}'>{within}</user>"


def users(*told: str, state: str = "full") -> str:
    return f"<users state='{state}'>{''.join(told)}</users>"


def shown(known: Known) -> str:
    """Return what is known, without the root."""
    assert known.root is not None
    return "".join(to_xml(each, NS) for each in known.root.elements)


def names(known: Known) -> list[str]:
    assert known.root is not None
    found = known.root.find(f"{{{NS}}}users")
    assert found is not None
    return [each.get("entity", "")[4:].partition("@")[0] for each in found.elements]


@pytest.mark.spec("MED-30")
def test_the_basic_example_reads_and_prints() -> None:
    known = Known().heard(Document.parse(BASIC))
    assert (known.version, known.entity, known.over) == (1, ENTITY, False)
    assert names(known) == ["bob", "alice"]
    told = known.told("sip:room@gw.example", 7)
    assert told is not None
    printed = write(told)
    again = Document.parse(printed)
    assert (again.state, again.version) == (State.FULL, 7)
    assert again.root.get("entity") == "sip:room@gw.example"
    assert Known().heard(again).told("sip:room@gw.example", 7) == again.root
    assert b"<by>sip:mike@example.com</by>" in printed
    assert b"<reason>bad voice quality</reason>" in printed
    assert b"<!--" not in printed


@pytest.mark.spec("MED-30")
def test_the_rich_example_changes_the_basic_one() -> None:
    """It has the version 5; the four before it are not in the RFC."""
    before = Known(Known().heard(Document.parse(BASIC)).root, 4)
    known = before.heard(Document.parse(RICH))
    assert known.version == 5
    assert names(known) == ["bob", "alice"]  # its <users> has no state: of 32, one has changed
    text = shown(known)
    assert text.count("<user-count>") == 1
    assert "<user-count>32</user-count><active>true</active>" in text
    assert text.count("<keywords>sales meeting weekly</keywords>") == 1
    assert text.index("<host-info>") < text.index("<conference-state>") < text.index("<users>")
    assert text.count("grid=45") == 1
    assert "<user entity='sip:dan@example.com'/>" in text


@pytest.mark.spec("MED-30")
def test_the_example_of_xep_0298_becomes_a_document_of_sip() -> None:
    found = coin.document(parse_document(COIN))
    assert found is not None
    sid, root = found
    assert sid == "a73sjjvkla37jfea"
    told = Known().heard(Document.of(root)).told(ENTITY, 1)
    assert told is not None
    read = Document.parse(write(told))
    assert read.root.get("entity") == ENTITY
    assert to_xml(read.root).count("<endpoint ") == 3
    assert "<subject>Ending a relationship</subject>" in to_xml(read.root)


@pytest.mark.parametrize(
    ("told", "left"),
    [
        (users(user("carol"), state="partial"), ["bob", "alice", "carol"]),
        (users(user("bob", state="deleted"), state="partial"), ["alice"]),
        (users(user("zoe", state="deleted"), state="partial"), ["bob", "alice"]),
        (users(user("carol")), ["carol"]),
        ("<users state='deleted'/>", []),
        (
            users(user("al", state="partial"), user("al"), state="partial"),
            ["bob", "alice", "al"],
        ),
    ],
)
def test_users_come_and_go(told: str, left: list[str]) -> None:
    known = Known().heard(document(users(user("bob"), user("alice"))))
    after = known.heard(part(told))
    if left:
        assert names(after) == left
    else:
        assert shown(after) == ""


def test_a_part_of_a_user_leaves_the_rest() -> None:
    whole = (
        "<display-text>Bob</display-text><endpoint entity='a'><status>pending</status>"
        "<media id='1'><type>audio</type></media><media id='2'/></endpoint>"
    )
    known = Known().heard(document(users(user("bob", whole))))
    change = (
        "<endpoint entity='a' state='partial'><status>connected</status>"
        "<media id='2' state='deleted'/></endpoint><roles><entry>host</entry></roles>"
    )
    told = known.heard(part(users(user("bob", change, "partial"), state="partial")))
    assert shown(told) == (
        "<users><user entity='sip:bob@example.com'><display-text>Bob</display-text>"
        "<roles><entry>host</entry></roles><endpoint entity='a'><status>connected</status>"
        "<media id='1'><type>audio</type></media></endpoint></user></users>"
    )


def test_sidebars_are_known_by_their_addresses() -> None:
    one, two = "<entry><uri>sip:a</uri></entry>", "<entry><uri>sip:b</uri></entry>"
    known = Known().heard(document(f"<sidebars-by-ref>{one}</sidebars-by-ref>"))
    after = known.heard(part(f"<sidebars-by-ref state='partial'>{one}{two}</sidebars-by-ref>"))
    assert shown(after) == f"<sidebars-by-ref>{one}{two}</sidebars-by-ref>"


def test_what_is_of_other_namespaces_stays() -> None:
    theirs = "<x xmlns='urn:example:x' state='deleted'>y</x>"
    known = Known().heard(document(users(user("bob", theirs))))
    assert theirs in shown(known.heard(part("<conference-state/>")))


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("state", ["full", "partial", "deleted"])
def test_the_past_is_not_heard(version: int, state: str) -> None:
    known = Known().heard(document(users(user("bob"))))
    assert known.heard(document(users(user("zoe")), version, state)) is known


def test_a_full_document_may_skip_versions() -> None:
    known = Known().heard(document(users(user("bob"))))
    assert names(known.heard(document(users(user("zoe")), 9))) == ["zoe"]


def test_a_part_may_not() -> None:
    known = Known().heard(document(users(user("bob"))))
    with pytest.raises(Gap):
        known.heard(part(users(user("zoe")), 3))


def test_a_part_needs_a_whole() -> None:
    with pytest.raises(Gap):
        Known().heard(part(users(user("zoe"))))


def test_versions_may_be_missing() -> None:
    """XEP-0298 has them optional."""
    known = Known().heard(document(users(user("bob")), ""))
    after = known.heard(document(users(user("zoe"), state="partial"), "", "partial"))
    assert names(after) == ["bob", "zoe"]


def test_a_conference_that_has_ceased_to_exist() -> None:
    known = Known().heard(document(users(user("bob"))))
    after = known.heard(document("", 2, "deleted"))
    assert after.over
    told = after.told(ENTITY, 3)
    assert told is not None
    assert (told.get("state"), told.children) == ("deleted", [])


def test_nothing_is_told_of_nothing() -> None:
    assert Known().told(ENTITY, 1) is None


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "\u0661", "99999999999999999999"])
def test_what_is_no_version(text: str) -> None:
    assert document(version=text).version is None


def test_the_highest_version() -> None:
    assert document(version=9_999_999_999).version == LATEST


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"<conference-info/>", 400),
        (b"<conference-info xmlns='urn:xmpp:coin:1'/>", 400),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", 400),
        (BASIC[:-20], 400),
        (b"<a>" * 200, 400),
        (b" " * (LARGEST + 1), 413),
    ],
)
def test_what_is_no_document(body: bytes, status: int) -> None:
    with pytest.raises(ConferenceError) as caught:
        Document.parse(body)
    assert caught.value.status == status


def test_there_are_so_many_users() -> None:
    known = Known().heard(document(users(*(user(f"u{n}") for n in range(MOST_USERS)))))
    with pytest.raises(ConferenceError) as caught:
        known.heard(part(users(user("zoe"), state="partial")))
    assert caught.value.status == 413


def test_parts_do_not_add_up_without_bound() -> None:
    known, long = Known().heard(document(users())), "x" * 30_000
    known = known.heard(part(users(user("a", long), state="partial"), 2))
    known = known.heard(part(users(user("b", long), state="partial"), 3))
    with pytest.raises(ConferenceError):
        known.heard(part(users(user("c", long), state="partial"), 4))


def test_a_document_full_of_nothing_takes_no_time() -> None:
    inner = "<a/>" * 14_000
    known = Known().heard(document(inner))
    begun = process_time()
    known.heard(part(inner))
    assert process_time() - begun < 1


def test_elements_are_not_shared_with_what_was_heard() -> None:
    heard = document(users(user("bob")))
    known = Known().heard(heard)
    heard.root.children.clear()
    assert isinstance(known.root, Element)
    assert names(known) == ["bob"]


@pytest.mark.spec("MED-30")
def test_phones_are_told_of_addresses_that_they_can_read() -> None:
    found = coin.document(parse_document(COIN))
    assert found is not None
    read = in_sip(_known(found[1]), jid_to_sip)
    text = to_xml(read)
    assert "<user entity='sip:romeo@montague.lit'><display-text>Romeo" in text
    assert "<endpoint entity='sip:romeo@montague.lit;gr=orchard'>" in text
    assert "<user entity='sip:alice@example.com'>" in text
    assert "<endpoint entity='juliet@capulet.lit/balcony'>" in text  # which is no URI
    assert to_xml(_known(found[1])).count("xmpp:") == 4


def test_an_address_is_given_once() -> None:
    both = users("<user entity='xmpp:bob@example.com'/>", user("bob"))
    told = in_sip(document(both).root, jid_to_sip)
    assert "<user entity='xmpp:bob@example.com'/>" in to_xml(told)
    twice = users("<user entity='xmpp:al@example.com'/>", "<user entity='xmpp:AL@example.com'/>")
    assert to_xml(in_sip(document(twice).root, jid_to_sip)).count("'sip:al@example.com'") == 1


def _known(root: Element) -> Element:
    told = Known().heard(Document.of(root)).told("xmpp:romeo@monague.lit/orchard", 1)
    assert told is not None
    return told


LINPHONE = f"""<?xml version="1.0" encoding="UTF-8" standalone="no" ?>
<conference-info xmlns="{NS}" entity="{ENTITY}" state="partial" version="2"
 xmlns:linphone-cie="linphone:xml:ns:conference-info-linphone-extension">
  <conference-description>
    <free-text>1795763756</free-text>
  </conference-description>
  <users state="full">
    <user entity="sip:guest@example.com" state="full">
      <roles>
        <entry>participant</entry>
      </roles>
    </user>
  </users>
</conference-info>
""".encode()


def test_linphone_says_full_of_what_is_a_part() -> None:
    known = Known().heard(document(users(user("bob"))))
    assert names(known.heard(Document.parse(LINPHONE))) == ["bob", "guest"]
    others = LINPHONE.replace(b"linphone:", b"example:")
    assert names(known.heard(Document.parse(others))) == ["guest"]
