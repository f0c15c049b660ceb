"""What tests start on hosts of the lab ends with them."""

from collections.abc import Callable
from random import randrange

from tests.peers.hosts import Program, fresh, run, sip_message, wait_until


def test_what_a_program_started_ends_with_it_in_whichever_process_group(lab: None) -> None:
    """`timeout` makes a group of its own of what it runs."""
    sleep = f"sleep 61.{randrange(10**9)}"
    with Program("carol", "sh", "-c", f"timeout 60 {sleep} & echo begun; wait") as program:
        program.says("begun")
        wait_until(lambda: runs(sleep) or None, 10, program.said)
    assert not runs(sleep)


def runs(command: str) -> bool:
    """Tell whether a process has that command."""
    return f"\n{command}\n" in run("carol", "ps", "-eo", "args").decode()


def test_a_phone_that_is_asked_to_end_is_registered_no_more(
    baresip: Callable[..., Program],
) -> None:
    name = fresh("carol")
    phone = baresip(name)
    assert sip_message(f"sip:{name}@sip.example", "are you there")["status"] == 200
    phone.leave()
    assert sip_message(f"sip:{name}@sip.example", "and now")["status"] == 404
