"""What every test runs under: named checklist rows, peers last, hypothesis without surprises."""

from pathlib import Path

import pytest
from hypothesis import settings

from dragoman.app.logs import Text
from tests.checklists import read_rows

PEERS = Path(__file__).parent / "peers"

settings.register_profile(
    "dragoman", deadline=None, derandomize=True, max_examples=100, print_blob=True
)
settings.load_profile("dragoman")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Have a test that fails show what was logged with its fields: a reason is one."""
    session.config.pluginmanager.getplugin("logging-plugin").report_handler.setFormatter(Text())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark and move back the peer tests; refuse a checklist name that no row bears."""
    known = {row.name for row in read_rows()}
    for item in items:
        if PEERS in item.path.parents:
            item.add_marker(pytest.mark.peer)
        unknown = {name for mark in item.iter_markers("spec") for name in mark.args} - known
        if unknown:
            names = ", ".join(sorted(map(str, unknown)))
            raise pytest.UsageError(f"{item.nodeid}: no row of docs/interworking is named {names}")
    items.sort(key=lambda item: item.get_closest_marker("peer") is not None)
