"""The command line. Each verb is a file, loaded when it is called."""

from fanin.cli.program import main

__all__ = ["main"]
