"""What tests start on hosts of the lab ends with them."""

from collections.abc import Callable

from tests.peers.hosts import Program, fresh, run, sip_message


def test_what_a_program_started_ends_with_it_in_whichever_process_group(lab: None) -> None:
    """`timeout` makes a group of its own of what it runs."""
    with Program("carol", "sh", "-c", "timeout 60 sleep 61.25 & echo begun; wait") as program:
        program.says("begun")
        assert b"\nsleep 61.25" in run("carol", "ps", "-eo", "args")
    assert b"\nsleep 61.25" not in run("carol", "ps", "-eo", "args")


def test_a_phone_that_is_asked_to_end_is_registered_no_more(
    baresip: Callable[..., Program],
) -> None:
    name = fresh("carol")
    phone = baresip(name)
    assert sip_message(f"sip:{name}@sip.example", "are you there")["status"] == 200
    phone.leave()
    assert sip_message(f"sip:{name}@sip.example", "and now")["status"] == 404
