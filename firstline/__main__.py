"""`python -m firstline` is the command line, for places where the installed script is not on the path."""

from firstline.cli import main

main()
