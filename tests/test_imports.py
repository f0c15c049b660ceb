"""Imports point down the floors only, and the pure rooms stay pure (docs/architecture.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

SOURCE: Final = Path(__file__).resolve().parent.parent / "src" / "dragoman"

FLOORS: Final = {
    "errors": 0,
    "clock": 0,
    "log": 0,
    "records": 0,
    "sdp": 0,
    "store": 0,
    "trace": 0,
    "sip": 1,
    "xmpp": 1,
    "media": 1,
    "msrp": 1,
    "mapping": 2,
    "net": 2,
    "bridge": 3,
    "app": 4,
    "testing": 3,
    "__main__": 5,
}
PORTS_ONLY: Final = {("bridge", "net")}
"""Services reach these rooms through bridge/ports.py, although they lie on a lower floor."""

WORLD: Final = {"asyncio", "uvloop", "socket", "ssl", "select", "selectors", "threading", "time"}
"""Modules that open, wait or ask the time: a protocol core does none of it."""

WORLDLY: Final = ("net/", "app/", "testing/", "bridge/hub.py", "__main__.py")
"""The files that may."""


def imports(tree: ast.Module, module: str, *, package: bool) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) for all that `module` imports, relative imports made absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = []
            if node.level:
                parts = module.split(".")
                start = parts[: len(parts) - node.level + package]
            for alias in node.names:
                yield (
                    node.lineno,
                    ".".join([*start, *filter(None, [node.module]), alias.name]),
                )


def complaint(room: str, path: str, name: str) -> str:
    """Say what is wrong with importing `name` in `path`, which lies in `room`; "" if nothing."""
    top, _, rest = name.partition(".")
    if top in WORLD and not path.startswith(WORLDLY):
        return f"{top} belongs in {', '.join(WORLDLY)} only"
    if name == "random" and not path.startswith(WORLDLY):
        return "randomness is handed in: import Random for its type, never the shared generator"
    target = rest.partition(".")[0]
    if top != "dragoman" or target not in FLOORS or target == room:
        return ""
    if (room, target) in PORTS_ONLY:
        return f"{room} reaches {target} through its ports only"
    if FLOORS[target] > FLOORS[room]:
        return f"{target} (floor {FLOORS[target]}) is above {room} (floor {FLOORS[room]})"
    if FLOORS[target] == FLOORS[room] > 0:
        return f"{target} and {room} are strangers on one floor"
    return ""


def complaints(source: Path) -> list[str]:
    """Return "file:line: import of NAME: why not" for each import that breaks the house rules."""
    found = []
    for path in sorted(source.rglob("*.py")):
        relative = path.relative_to(source)
        if relative == Path("__init__.py"):
            continue
        room = relative.parts[0].removesuffix(".py")
        if room not in FLOORS:
            found.append(f"{relative}: {room} stands on no floor; give it one in FLOORS")
            continue
        package = path.name == "__init__.py"
        dotted = ["dragoman", *relative.with_suffix("").parts][: -1 if package else None]
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for line, name in imports(tree, ".".join(dotted), package=package):
            why = complaint(room, relative.as_posix(), name)
            if why:
                found.append(f"{relative}:{line}: import of {name}: {why}")
    return found


def test_imports_point_down() -> None:
    assert complaints(SOURCE) == []


def test_there_is_something_to_read() -> None:
    assert {path.name for path in SOURCE.rglob("*.py")} >= {"errors.py", "clock.py", "records.py"}


@pytest.mark.parametrize(
    ("file", "line", "why"),
    [
        ("sip/uri.py", "from dragoman.mapping.address import x", "mapping (floor 2) is above sip"),
        ("sip/uri.py", "import dragoman.app.cli", "app (floor 4) is above sip"),
        ("sip/uri.py", "from dragoman.xmpp import jid", "xmpp and sip are strangers"),
        ("sip/uri.py", "from ..xmpp import jid", "xmpp and sip are strangers"),
        ("xmpp/ext/ping.py", "from ...sip import uri", "sip and xmpp are strangers"),
        ("xmpp/ext/__init__.py", "from ...net import tcp", "net (floor 2) is above xmpp"),
        ("net/tcp.py", "from dragoman.mapping import x", "mapping and net are strangers"),
        ("bridge/message.py", "from dragoman.net.tcp import x", "through its ports only"),
        ("bridge/message.py", "import asyncio", "asyncio belongs in"),
        ("xmpp/stream.py", "from time import monotonic", "time belongs in"),
        ("mapping/message.py", "import random", "randomness is handed in"),
        ("errors.py", "from dragoman import sip", "sip (floor 1) is above errors"),
        ("sdp/session.py", "from dragoman.msrp import uri", "msrp (floor 1) is above sdp"),
        ("attic/old.py", "import re", "attic stands on no floor"),
    ],
)
def test_a_bad_import_is_named(tmp_path: Path, file: str, line: str, why: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'"""A room."""\n{line}\n')
    (found,) = complaints(tmp_path)
    assert found.startswith(file)
    assert why in found


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("sip/uri.py", "from dragoman.errors import RemoteError"),
        ("sip/uri.py", "from .header import Via"),
        ("sip/locate.py", "from random import Random"),
        ("mapping/address.py", "from dragoman.sip import uri; from dragoman.xmpp import jid"),
        ("net/tcp.py", "import asyncio; from dragoman.sip import uri"),
        ("bridge/hub.py", "import asyncio"),
        ("app/services.py", "from dragoman.bridge import hub; import dragoman.net.tcp"),
        ("trace.py", "from dragoman.errors import LocalError"),
        ("sdp/session.py", "from dragoman.errors import RemoteError"),
        ("msrp/offer.py", "from dragoman.sdp.session import Media"),
    ],
)
def test_a_good_import_is_not(tmp_path: Path, file: str, line: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'"""A room."""\n{line}\n')
    assert complaints(tmp_path) == []
