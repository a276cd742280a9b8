"""The commands: one module each, with a ``run`` that takes the parsed arguments and returns the exit code."""
