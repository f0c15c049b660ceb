"""The front door of `dragoman.msrp`: what its docstring shows is what happens."""

import doctest

import dragoman.msrp


def test_the_example_runs() -> None:
    result = doctest.testmod(dragoman.msrp)
    assert result.attempted > 15
    assert result.failed == 0
