"""Every fuzz target takes a few hundred mutated inputs, the same ones each time."""

import importlib

import pytest

from tests.fuzz.run import Material, inputs, material_of, targets

RUNS = 400
SEEDS = (b"MESSAGE sip:a@b.example SIP/2.0\r\nCSeq: 1 MESSAGE\r\n\r\n", b"<a b='c'>d</a>")


@pytest.mark.parametrize("name", targets())
def test_target_keeps_its_promise(name: str) -> None:
    module = importlib.import_module(name)
    for data in inputs(material_of(module), RUNS, seed=1):
        module.one_input(data)


def test_inputs_are_repeatable_and_various() -> None:
    once = list(inputs(Material(SEEDS), RUNS, seed=7))
    assert once == list(inputs(Material(SEEDS), RUNS, seed=7))
    assert len(once) == RUNS
    assert len(set(once)) > RUNS // 2
    assert once != list(inputs(Material(SEEDS), RUNS, seed=8))
