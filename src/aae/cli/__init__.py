"""The command `aae`, in groups of commands; `entry` finds the one that is asked for."""

from aae.cli.entry import COMMANDS, main

__all__ = ["COMMANDS", "main"]
