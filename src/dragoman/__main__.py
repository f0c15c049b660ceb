"""`python -m dragoman` is `dragoman`."""

from dragoman.app.cli import main

main()
