"""RFC 6120 §3.2 and XEP-0368: which server, in which order, and when there is none."""

from collections.abc import Mapping
from random import Random
from typing import TypeAlias

import pytest

from dragoman.errors import RemoteError
from dragoman.records import Answer, Authentic, DnsFailure, Kind, Question, Srv, Tlsa
from dragoman.xmpp.dane import Associations
from dragoman.xmpp.locate import MAX_TARGETS, Target, locate, moved

Zone: TypeAlias = Mapping[tuple[Kind, str], Answer | DnsFailure]
XMPP = (Kind.SRV, "_xmpp-server._tcp.example.net")
XMPPS = (Kind.SRV, "_xmpps-server._tcp.example.net")
OWN = (Kind.ADDRESS, "example.net")


def found(zone: Zone, domain: str = "example.net", seed: int = 1) -> list[Target]:
    return asked(zone, domain, seed)[0]


def asked(
    zone: Zone, domain: str, seed: int = 1, *, dane: bool = False
) -> tuple[list[Target], list[Question]]:
    """Run `locate` against a zone; return its result and the questions it put."""
    questions: list[Question] = []
    chance = Random(seed)  # noqa: S311 - drawing a server is no secret
    steps = locate(domain, chance=chance, dane=dane)
    try:
        question = next(steps)
        while True:
            questions.append(question)
            answer = zone.get((question.kind, question.name), ())
            question = steps.throw(answer) if isinstance(answer, DnsFailure) else steps.send(answer)
    except StopIteration as end:
        return end.value, questions


def host(name: str, *addresses: str) -> dict[tuple[Kind, str], Answer | DnsFailure]:
    return {(Kind.ADDRESS, name): addresses}


@pytest.mark.spec("NET-01")
def test_both_services_are_mixed_by_priority() -> None:
    zone: Zone = {
        XMPP: (Srv(10, 0, 5269, "b.example.net"), Srv(30, 0, 5269, "d.example.net")),
        XMPPS: (Srv(5, 0, 5270, "a.example.net"), Srv(20, 0, 443, "c.example.net")),
        **host("a.example.net", "192.0.2.1"),
        **host("b.example.net", "2001:db8::2", "192.0.2.2"),
        **host("c.example.net", "192.0.2.3"),
        **host("d.example.net", "192.0.2.4"),
    }
    assert found(zone) == [
        Target("192.0.2.1", 5270, True, "example.net"),
        Target("2001:db8::2", 5269, False, "example.net"),
        Target("192.0.2.2", 5269, False, "example.net"),
        Target("192.0.2.3", 443, True, "example.net"),
        Target("192.0.2.4", 5269, False, "example.net"),
    ]


@pytest.mark.spec("NET-01")
def test_weights_are_drawn_across_both_services() -> None:
    zone: Zone = {
        XMPP: (Srv(1, 10, 5269, "a.example.net"),),
        XMPPS: (Srv(1, 90, 5270, "a.example.net"),),
        **host("a.example.net", "192.0.2.1"),
    }
    first = [found(zone, seed=seed)[0].direct_tls for seed in range(400)]
    assert 320 < first.count(True) < 399
    assert {target.direct_tls for target in found(zone)} == {True, False}


def test_equal_records_of_both_services_keep_their_kinds() -> None:
    record = Srv(1, 0, 443, "a.example.net")
    zone: Zone = {XMPP: (record,), XMPPS: (record,), **host("a.example.net", "192.0.2.1")}
    assert sorted(target.direct_tls for target in found(zone)) == [False, True]


@pytest.mark.spec("NET-02")
@pytest.mark.parametrize(
    ("xmpp", "xmpps", "expected"),
    [
        ((Srv(0, 0, 0, "."),), (), []),
        ((), (Srv(0, 0, 0, "."),), []),
        ((Srv(0, 0, 0, "."),), (Srv(0, 0, 0, "."),), []),
        ((Srv(0, 0, 5269, "gone.example.net"),), (), []),
        (
            (Srv(0, 0, 5269, "a.example.net"),),
            (Srv(0, 0, 0, "."),),
            [Target("192.0.2.1", 5269, False, "example.net")],
        ),
    ],
)
def test_no_fall_back_once_srv_answered(
    xmpp: Answer, xmpps: Answer, expected: list[Target]
) -> None:
    zone: Zone = {
        XMPP: xmpp,
        XMPPS: xmpps,
        **host("a.example.net", "192.0.2.1"),
        **host("example.net", "192.0.2.99"),
    }
    targets, questions = asked(zone, "example.net")
    assert targets == expected
    assert Question(*OWN) not in questions
    assert all(question.name for question in questions)


@pytest.mark.spec("NET-02")
def test_without_srv_the_domain_itself_on_5269() -> None:
    zone: Zone = host("example.net", "2001:db8::1", "192.0.2.1")
    assert found(zone) == [
        Target("2001:db8::1", 5269, False, "example.net"),
        Target("192.0.2.1", 5269, False, "example.net"),
    ]
    assert found({}) == []


def test_a_failed_question_is_not_an_absent_record() -> None:
    failure = DnsFailure("SERVFAIL")
    own = host("example.net", "192.0.2.1")
    with pytest.raises(DnsFailure):
        found({XMPP: failure, **own})
    with pytest.raises(DnsFailure):
        found({XMPPS: failure, **own})
    with pytest.raises(DnsFailure):
        found({OWN: failure})
    one = {XMPPS: (Srv(0, 0, 5270, "a.example.net"),), **host("a.example.net", "192.0.2.1")}
    assert len(found({XMPP: failure, **one})) == 1


def test_a_target_that_fails_leaves_the_others() -> None:
    records = (Srv(0, 0, 5269, "a.example.net"), Srv(1, 0, 5269, "b.example.net"))
    failure = DnsFailure("time-out")
    zone: Zone = {
        XMPP: records,
        (Kind.ADDRESS, "a.example.net"): failure,
        **host("b.example.net", "192.0.2.2"),
    }
    assert [target.address for target in found(zone)] == ["192.0.2.2"]
    with pytest.raises(DnsFailure):
        found({**zone, (Kind.ADDRESS, "b.example.net"): failure})


def test_questions_and_sni_are_in_a_labels() -> None:
    targets, questions = asked(
        {(Kind.ADDRESS, "xn--bcher-kva.example"): ("192.0.2.1",)}, "bücher.example"
    )
    assert questions[0] == Question(Kind.SRV, "_xmpp-server._tcp.xn--bcher-kva.example")
    assert targets == [Target("192.0.2.1", 5269, False, "xn--bcher-kva.example")]


@pytest.mark.parametrize("domain", ["192.0.2.7", "[2001:db8::7]"])
def test_a_literal_needs_no_question(domain: str) -> None:
    targets, questions = asked({}, domain)
    assert questions == []
    assert targets == [Target(domain.strip("[]"), 5269, False, domain.strip("[]"))]


@pytest.mark.parametrize("domain", ["\u2028.example", "é" * 80 + ".example"])
def test_a_name_without_a_labels_is_refused(domain: str) -> None:
    with pytest.raises(RemoteError):
        found({}, domain)


def test_the_number_of_targets_is_bounded() -> None:
    records = tuple(Srv(n, 0, 5269, f"h{n}.example.net") for n in range(40))
    zone: Zone = {XMPP: records}
    for n in range(40):
        zone = {
            **zone,
            **host(f"h{n}.example.net", f"192.0.2.{n}", f"2001:db8::{n}", "192.0.2.250"),
        }
    targets, questions = asked(zone, "example.net")
    assert (len(targets), len(questions)) == (MAX_TARGETS, 18)


@pytest.mark.parametrize(
    ("place", "target"),
    [
        ("192.0.2.7", ("192.0.2.7", 5269)),
        ("192.0.2.7:5271", ("192.0.2.7", 5271)),
        ("[2001:db8::7]:5271", ("2001:db8::7", 5271)),
        ("[2001:db8::7]", ("2001:db8::7", 5269)),
        ("2001:db8::7", ("2001:db8::7", 5269)),
        ("there.example", ("192.0.2.1", 5269)),
        ("there.example:5271", ("192.0.2.1", 5271)),
        ("there.example:0", None),
        ("there.example:99999", None),
        ("there.example:x", None),
    ],
)
def test_the_place_of_a_see_other_host(place: str, target: tuple[str, int] | None) -> None:
    """RFC 6120 §4.9.3.19; the certificate is still that of the domain."""
    search = moved(place, "montague.example")
    try:
        question = next(search)
        assert question == Question(Kind.ADDRESS, "there.example")
        search.send(("192.0.2.1",))
    except StopIteration as end:
        found = end.value
    wanted = [] if target is None else [Target(*target, False, "montague.example")]
    assert found == wanted


HOST = (Kind.ADDRESS, "a.example.net")
TLSA = (Kind.TLSA, "_5269._tcp.a.example.net")
OF_IT = Tlsa(3, 1, 1, bytes(32))
UNKNOWN = Tlsa(9, 1, 1, bytes(32))
SIGNED: Zone = {
    XMPP: Authentic([Srv(1, 0, 5269, "a.example.net."), Srv(2, 0, 5269, "b.example.net")]),
    HOST: Authentic(["192.0.2.1"]),
    TLSA: Authentic([OF_IT, UNKNOWN]),
    **host("b.example.net", "192.0.2.2"),
}


def associations(zone: Zone, *, dane: bool = True) -> list[Associations | None]:
    return [each.associations for each in asked(zone, "example.net", dane=dane)[0]]


@pytest.mark.spec("NET-40")
def test_signed_records_say_which_certificates_a_server_has() -> None:
    first, second = associations(SIGNED)
    assert first == Associations("example.net", "a.example.net", (OF_IT,))
    assert second == Associations("example.net", "b.example.net")
    kinds = [each for each in asked(SIGNED, "example.net", dane=True)[1] if each.kind is Kind.TLSA]
    assert kinds == [Question(*TLSA)], "not where the addresses are unsigned (RFC 7673 §3.2)"


@pytest.mark.spec("NET-40")
def test_the_records_of_direct_tls_are_at_its_own_port() -> None:
    zone: Zone = {
        XMPPS: Authentic([Srv(1, 0, 443, "a.example.net")]),
        HOST: SIGNED[HOST],
        (Kind.TLSA, "_443._tcp.a.example.net"): Authentic([OF_IT]),
    }
    assert associations(zone) == [Associations("example.net", "a.example.net", (OF_IT,))]


@pytest.mark.spec("NET-40")
@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (XMPP, None),
        (HOST, Associations("example.net", "a.example.net")),
        (TLSA, Associations("example.net", "a.example.net")),
    ],
    ids=["SRV", "addresses", "TLSA"],
)
def test_what_is_not_signed_says_nothing(
    question: tuple[Kind, str], expected: Associations | None
) -> None:
    unsigned = SIGNED[question]
    assert isinstance(unsigned, Authentic)
    found = associations({**SIGNED, question: tuple(unsigned)})
    assert found[0] == expected


def test_nothing_is_asked_about_certificates_unless_that_is_wanted() -> None:
    assert associations(SIGNED, dane=False) == [None, None]
    questions = asked(SIGNED, "example.net")[1]
    assert all(each.kind is not Kind.TLSA for each in questions)


@pytest.mark.spec("NET-40")
def test_a_server_whose_records_cannot_be_had_is_passed_over() -> None:
    """RFC 7673 §3.4: or whoever is able to drop the answer takes the protection away."""
    lost: Zone = {**SIGNED, TLSA: DnsFailure("bogus")}
    assert [each.address for each in asked(lost, "example.net", dane=True)[0]] == ["192.0.2.2"]
    alone: Zone = {**lost, XMPP: Authentic([Srv(1, 0, 5269, "a.example.net")])}
    with pytest.raises(DnsFailure, match="bogus"):
        asked(alone, "example.net", dane=True)


def test_a_domain_without_srv_records_has_no_associations() -> None:
    zone: Zone = {OWN: Authentic(["192.0.2.1"])}
    assert associations(zone) == [None]
