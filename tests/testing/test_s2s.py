"""The two ends of a scripted federation stream, joined in memory."""

import pytest

from dragoman.testing.s2s import (
    Arrived,
    Ended,
    Event,
    Incoming,
    Keys,
    Outgoing,
    Query,
    Ready,
    StartTls,
    Verified,
    VerifyWanted,
    domain_of,
)
from dragoman.testing.stream import SASL, SERVER, header, message, shown

NAMES = frozenset({"a.test"})


class Pair:
    """An outgoing and an incoming end; TLS is a call to both once both want it."""

    def __init__(self, out: Outgoing, into: Incoming, names: frozenset[str] = frozenset()) -> None:
        self.out, self.into, self.names = out, into, names
        self.said: list[str] = []
        self.seen: list[Event] = []
        self.run()

    def run(self) -> None:
        secure = 0
        while data := [(end, end.to_send()) for end in (self.out, self.into)]:
            if not any(sent for _, sent in data):
                break
            for end, sent in data:
                self.said.append(sent.decode())
                (self.into if end is self.out else self.out).receive(sent)
            for event in [*self.into.events(), *self.out.events()]:
                if isinstance(event, StartTls):
                    secure += 1
                else:
                    self.seen.append(event)
            if secure == 2:
                secure = 0
                self.into.secured(self.names)
                self.out.secured(frozenset())


def pair(*, external: bool = False, trusted: bool = False, verify: bool = False) -> Pair:
    return Pair(
        Outgoing("a.test", "b.test", Keys(), external=external),
        Incoming("b.test", Keys(), verify=verify),
        NAMES if trusted else frozenset(),
    )


def test_dialback_after_tls() -> None:
    found = pair()
    assert found.seen == [Ready("a.test"), Ready("b.test")]
    assert "<db:result from='a.test' to='b.test'>" in "".join(found.said)


def test_external_where_the_certificate_is_trusted() -> None:
    found = pair(external=True, trusted=True)
    assert found.seen == [Ready("a.test"), Ready("b.test")]
    assert "db:result" not in "".join(found.said)


@pytest.mark.parametrize(("external", "trusted"), [(True, False), (False, True)])
def test_dialback_where_external_cannot_be(external: bool, trusted: bool) -> None:
    assert "db:result" in "".join(pair(external=external, trusted=trusted).said)


@pytest.mark.parametrize("genuine", [True, False])
def test_a_key_is_verified_with_its_maker(genuine: bool) -> None:
    keys, spoil = Keys(), (str if genuine else str.upper)
    found = Pair(
        Outgoing("a.test", "b.test", keys, made_key=spoil),
        Incoming("b.test", Keys(), verify=True),
    )
    (wanted,) = found.seen
    assert isinstance(wanted, VerifyWanted)
    asked = Pair(Outgoing("b.test", "a.test", Keys(), query=wanted.query), Incoming("a.test", keys))
    assert asked.seen[0] == Verified(wanted.query, genuine)
    found.into.verified(wanted.query, genuine)
    found.run()
    if genuine:
        assert found.seen[1:] == [Ready("a.test"), Ready("b.test")]
    else:
        assert Ended("dialback invalid") in found.seen


def test_keys_are_vouched_for_only_as_made() -> None:
    keys = Keys()
    key = keys.make("b.test", "id1")
    assert keys.vouch("b.test", "id1", key)
    assert not keys.vouch("c.test", "id1", key)
    assert not keys.vouch("b.test", "id2", key)
    assert not keys.vouch("b.test", "id1", key + "0")


def test_stanzas_arrive_once_proved() -> None:
    found = pair()
    found.out.write(message("r@a.test", "j@b.test/x", "hi", stanza_id="1"))
    found.run()
    assert isinstance(found.seen[-1], Arrived)
    assert ">hi<" in shown(found.seen[-1].stanza)


@pytest.mark.parametrize(
    ("xml", "condition"),
    [
        (message("r@c.test", "j@b.test", "x", stanza_id="1"), "invalid-from"),
        (message("r@a.test", "j@c.test", "x", stanza_id="1"), "improper-addressing"),
        ("<nonsense/>", "unsupported-stanza-type"),
        ("<message from='r@a.test'", "not-well-formed"),
        ("<!-- x -->", "not-well-formed"),
    ],
)
def test_what_ends_a_stream(xml: str, condition: str) -> None:
    found = pair()
    found.out.write(xml + "<" * (condition == "not-well-formed"))
    found.run()
    assert Ended(condition) in found.seen


@pytest.mark.parametrize(
    ("header_to", "then", "condition"),
    [
        ("other.test", "", "host-unknown"),
        ("b.test", "<db:result from='a.test' to='b.test'>k</db:result>", "policy-violation"),
        ("b.test", message("r@a.test", "j@b.test", "x", stanza_id="1"), "policy-violation"),
    ],
)
def test_what_is_refused_before_tls(header_to: str, then: str, condition: str) -> None:
    into = Incoming("b.test", Keys())
    into.receive((header(SERVER, from_="a.test", to=header_to, version="1.0") + then).encode())
    assert f"<{condition} " in into.to_send().decode()


def test_no_stanza_before_proof() -> None:
    into = Incoming("b.test", Keys(), verify=True)
    into.secured(frozenset())
    into.receive(header(SERVER, from_="a.test", to="b.test", version="1.0").encode())
    into.receive(message("r@a.test", "j@b.test", "x", stanza_id="1").encode())
    assert "<not-authorized " in into.to_send().decode()


def test_external_is_not_offered_nor_taken_without_a_trusted_certificate() -> None:
    into = Incoming("b.test", Keys())
    into.secured(frozenset({"c.test"}))
    into.receive(header(SERVER, from_="a.test", to="b.test", version="1.0").encode())
    into.receive(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>".encode())
    said = into.to_send().decode()
    assert "EXTERNAL" not in said
    assert "<failure " in said
    assert into.events() == []


@pytest.mark.parametrize(
    ("attributes", "more", "condition"),
    [
        ({"to": "b.test"}, "", "unsupported-version"),
        (
            {"to": "b.test", "version": "1.0"},
            "<db:verify from='a.test' to='c.test' id='1'>k</db:verify>",
            "host-unknown",
        ),
    ],
)
def test_what_is_refused_inside_tls(attributes: dict[str, str], more: str, condition: str) -> None:
    into = Incoming("b.test", Keys())
    into.secured(frozenset())
    into.receive((header(SERVER, from_="a.test", **attributes) + more).encode())
    assert f"<{condition} " in into.to_send().decode()


@pytest.mark.parametrize("attributes", [{"version": "1.0"}, {"id": "1"}])
def test_a_header_without_id_or_version_ends_our_stream(attributes: dict[str, str]) -> None:
    out = Outgoing("a.test", "b.test", Keys())
    out.receive(header(SERVER, from_="b.test", **attributes).encode())
    assert "<invalid-xml " in out.to_send().decode()


def test_a_verdict_on_another_stream_is_not_ours() -> None:
    out = Outgoing("a.test", "b.test", Keys(), query=Query("b.test", "1", "k"))
    out.secured(frozenset())
    answer = "<db:verify from='b.test' to='a.test' id='{}' type='valid'/>"
    out.receive((header(SERVER, from_="b.test", id="x", version="1.0")).encode())
    out.receive(answer.format("2").encode())
    assert out.events() == []
    out.receive(answer.format("1").encode())
    assert out.events()[0] == Verified(Query("b.test", "1", "k"), valid=True)


def test_no_stream_without_tls() -> None:
    out = Outgoing("a.test", "b.test", Keys())
    features = "<stream:features/>"
    out.receive((header(SERVER, from_="b.test", id="1", version="1.0") + features).encode())
    assert any(isinstance(event, Ended) for event in out.events())


def test_an_orderly_end() -> None:
    found = pair()
    found.out.finish()
    found.run()
    assert found.seen[-2:] == [Ended(""), Ended("")]


def test_a_lost_connection_ends_a_stream_once() -> None:
    out = Outgoing("a.test", "b.test", Keys(), query=Query("b.test", "1", "k"))
    out.closed()
    out.closed()
    assert out.events() == [Ended("connection closed")]


@pytest.mark.parametrize(
    ("address", "domain"),
    [("a@B.test/x@y/z", "b.test"), ("b.test", "b.test"), ("b.test/x", "b.test"), ("", "")],
)
def test_domain_of(address: str, domain: str) -> None:
    assert domain_of(address) == domain
