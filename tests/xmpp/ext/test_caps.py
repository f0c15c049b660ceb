"""Entity capabilities: the hashes of XEP-0115's own examples, and the sets that are told of."""

import pytest

from dragoman.xmpp.ext import caps
from dragoman.xmpp.ext.caps import MOST, Capabilities, verification
from dragoman.xmpp.ext.disco import INFO, Identity, Info
from dragoman.xmpp.parser import parse_document

NODE = "http://code.google.com/p/exodus"
CAPS, ITEMS = "http://jabber.org/protocol/caps", "http://jabber.org/protocol/disco#items"
MUC = "http://jabber.org/protocol/muc"
EXODUS = Info((Identity("client", "pc", "Exodus 0.9.1"),), frozenset({MUC, ITEMS, INFO, CAPS}))
EXODUS_VER = "QgayPKawpkPSDYmwT/WM94uAlu0="
FEATURES = "".join(f"<feature var='{each}'/>" for each in (MUC, CAPS, ITEMS, INFO))
FORM_TYPE = (
    "<field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>"
)
FIELDS = (
    "<field var='software_version'><value>0.11</value></field>"
    "<field var='software'><value>Psi</value></field>"
    "<field var='os_version'><value>10.5.1</value></field>"
    "<field var='os'><value>Mac</value></field>"
    "<field var='ip_version' type='text-multi'><value>ipv6</value><value>ipv4</value></field>"
)
PSI = (
    "<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>"
    "<identity xml:lang='el' category='client' name='\u03a8 0.11' type='pc'/>"
)
PSI_VER = "q07IKJEyjvHSyhy//CH0CxmKi8w="


def form(*fields: str) -> str:
    return f"<x xmlns='jabber:x:data' type='result'>{''.join(fields)}</x>"


def ver(*children: str) -> str:
    text = f"<query xmlns='{INFO}'>{''.join(children)}</query>"
    return verification(parse_document(text.encode()))


def test_the_simple_example_of_the_standard() -> None:
    assert verification(EXODUS.query()) == EXODUS_VER
    assert verification(EXODUS.query("some node")) == EXODUS_VER, "the node is not part of it"


def test_the_complex_example_of_the_standard_in_whatever_order_it_is_written() -> None:
    assert ver(PSI, FEATURES, form(FORM_TYPE, FIELDS)) == PSI_VER
    assert ver(form(FIELDS, FORM_TYPE), FEATURES, PSI) == PSI_VER


@pytest.mark.parametrize(
    "form_",
    [
        form(FIELDS),
        form(FORM_TYPE.replace("hidden", "text-single"), FIELDS),
        form("<field var='FORM_TYPE' type='hidden'/>", FIELDS),
    ],
    ids=["no type", "a type that is shown", "an empty type"],
)
def test_a_form_without_a_hidden_type_is_passed_over(form_: str) -> None:
    assert ver(PSI, FEATURES, form_) == ver(PSI, FEATURES) != PSI_VER


def test_order_is_that_of_octets() -> None:
    beyond, private = "\U00010000", "\uffee"  # the other way round in UTF-16
    one = Info(features=frozenset({beyond, private}))
    hashed = parse_document(
        f"<query xmlns='{INFO}'><feature var='{private}&lt;{beyond}'/></query>".encode()
    )
    assert verification(one.query()) == verification(hashed), "the weakness of §9.2 shows it"


def test_a_set_that_was_told_of_is_known_by_its_hash_and_node() -> None:
    told = Capabilities(NODE)
    assert told.find(f"{NODE}#{EXODUS_VER}") is None
    element = told.tell(EXODUS)
    assert element.name == f"{{{caps.NS}}}c"
    assert element.attributes == {"hash": "sha-1", "node": NODE, "ver": EXODUS_VER}
    assert told.find(f"{NODE}#{EXODUS_VER}") == EXODUS


@pytest.mark.parametrize(
    "node", ["", "#", NODE, f"{NODE}#", EXODUS_VER, f"#{EXODUS_VER}", f"{NODE}/2#{EXODUS_VER}"]
)
def test_nothing_else_is(node: str) -> None:
    told = Capabilities(NODE)
    told.tell(EXODUS)
    assert told.find(node) is None


def test_each_telling_is_an_element_of_its_own() -> None:
    told = Capabilities(NODE)
    told.tell(EXODUS).attributes["ver"] = "spoilt"
    assert told.tell(EXODUS).get("ver") == EXODUS_VER


def test_a_hash_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Capabilities(NODE)
    first = told.tell(EXODUS)
    monkeypatch.setattr(caps, "verification", lambda _: "computed again")
    assert told.tell(EXODUS) == first


def test_no_more_than_so_many_sets_are_remembered_the_longest_unused_goes_first() -> None:
    told = Capabilities(NODE)
    sets = [Info(features=frozenset({str(number)})) for number in range(MOST + 1)]
    elements = [told.tell(each) for each in sets[:MOST]]
    told.tell(sets[0])
    told.tell(sets[MOST])
    assert len(told) == MOST
    found = [told.find(f"{NODE}#{each.get('ver')}") for each in elements]
    assert found[0] == sets[0]
    assert found[1] is None
    assert found[2:] == sets[2:MOST]
