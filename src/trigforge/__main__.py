"""`python -m trigforge`: the command line."""

from trigforge.cli import main

main()
