"""The command line of MaCheX: arguments in, exit code out.

Worker processes import this file too, so that its top level imports nothing heavy.
"""

from __future__ import annotations

import argparse
import importlib
import io
import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress

from composer.errors import Interrupted, MaCheXError, OutputError, UsageError
from composer.interruption import SIGNALS, signals_held_back

_DESCRIPTION = """\
Composes public chest X-ray releases into one collection to train on.

Edit config.yml, then run:  python machex.py -c config.yml
"""
_EXIT_CODES = """\
exit codes: 0 complete; 1 finished, but some images failed or are missing, or verify found changed sources;
2 configuration, sources or command line are wrong, nothing was written; 3 the result cannot be written,
another run writes there, or workers cannot run; 4 verify found damage; 130 interrupted
"""


def _add_configuration(command: argparse.ArgumentParser) -> None:
    command.add_argument("-c", "--config", default="config.yml", help="the configuration (config.yml)")
    command.add_argument(
        "--dataset", action="append", default=[], metavar="NAME", help="only this dataset; repeatable"
    )


def _add_compose(command: argparse.ArgumentParser) -> None:
    _add_configuration(command)
    command.add_argument(
        "--limit",
        type=_positive,
        metavar="N",
        help="only a sample of N images of each dataset, and a contact sheet of each",
    )
    command.add_argument(
        "-o", "--output", metavar="FOLDER", help="with --limit: where contact sheets are put (this folder)"
    )
    again = command.add_mutually_exclusive_group()
    again.add_argument("--retry-failed", action="store_true", help="try what failed before, nothing else")
    again.add_argument(
        "--redo", action="store_true", help="make pictures again that were made with other settings"
    )
    command.add_argument(
        "--prune",
        action="store_true",
        help="delete pictures that are no longer selected; with --dataset also a dataset that is null now",
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number above zero, found {text!r}")
    return int(text)


def _add_plan(command: argparse.ArgumentParser) -> None:
    _add_configuration(command)
    command.add_argument("--json", action="store_true", help="as JSON")


def _add_verify(command: argparse.ArgumentParser) -> None:
    _add_configuration(command)
    command.add_argument("--deep", action="store_true", help="read every picture: finds what looks right")
    command.add_argument("--sources", action="store_true", help="also look for sources that changed since")
    command.add_argument("--repair", action="store_true", help="make again what is bad, from the sources")


def _add_overlap(command: argparse.ArgumentParser) -> None:
    _add_configuration(command)
    command.add_argument(
        "--all", action="store_true", help="compare every film with every other, not only within families"
    )
    command.add_argument(
        "-o", "--output", default=".", metavar="FOLDER", help="where the results are put (this folder)"
    )


def _add_split(command: argparse.ArgumentParser) -> None:
    _add_configuration(command)
    command.add_argument("--export", metavar="FILE", help="write dataset, identity and fold of every film")


def _add_demo(command: argparse.ArgumentParser) -> None:
    command.add_argument("-o", "--output", default="machex_demo", help="a new folder (machex_demo)")


def _add_datasets(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="as JSON")


# Purpose and arguments of each command; what it does is the module of its name in composer/commands.
_COMMANDS = {
    "compose": ("write the collection (the default)", _add_compose),
    "plan": ("look at everything before a run, write nothing", _add_plan),
    "index": ("write the index files anew, after a move or a corrected table", _add_configuration),
    "verify": ("compare the collection with what was written", _add_verify),
    "overlap": ("find radiographs that are there more than once", _add_overlap),
    "split": ("count the ten folds, and export them to share a split", _add_split),
    "demo": ("compose made-up miniatures of all sources", _add_demo),
    "datasets": ("list what is supported", _add_datasets),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="machex.py",
        description=_DESCRIPTION,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (purpose, add_arguments) in _COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        loudness = command.add_mutually_exclusive_group()
        loudness.add_argument("-v", "--verbose", action="store_true", help="show the resolved settings too")
        loudness.add_argument("-q", "--quiet", action="store_true", help="warnings and the result only")
        add_arguments(command)
    return parser


def _with_default(arguments: Sequence[str]) -> list[str]:
    """Put ``compose`` in front of options that stand alone, as in ``machex.py -c config.yml``."""
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")):
        return ["compose", *arguments]
    return list(arguments)


def _set_up_streams() -> None:
    """Make sure that output cannot end a run: streams may be closed, or know ASCII alone."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - open until the process ends
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _set_up_log(parsed: argparse.Namespace) -> None:
    logging.addLevelName(logging.INFO, "")
    logging.addLevelName(logging.WARNING, "warning: ")
    logging.basicConfig(format="%(levelname)s%(message)s", stream=sys.stderr, force=True)
    level = logging.DEBUG if parsed.verbose else logging.WARNING if parsed.quiet else logging.INFO
    logging.getLogger("composer").setLevel(level)


def _set_up_signals() -> None:
    """Let SIGTERM and a closed terminal end a command as Ctrl-C does; ``nohup`` stays in force."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def _tell(message: str) -> None:
    # The terminal may have been closed: that is no other exit code.
    with suppress(OSError):
        print(message, file=sys.stderr)


def _run(parsed: argparse.Namespace) -> int:
    try:
        # Only now are the heavy modules loaded, when the arguments are right.
        with signals_held_back():
            command = importlib.import_module(f"composer.commands.{parsed.command}")
        exit_code: int = command.run(parsed)
    except MaCheXError as error:
        _tell(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _tell("interrupted; run the same command again to go on")
        return Interrupted.exit_code
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("composer", "processors"):
            raise
        _tell(f"{error.name} is not installed: pip install -r requirements.txt, or activate the environment")
        return UsageError.exit_code
    except BrokenPipeError:
        # Whoever read the output has gone, as in `machex.py datasets | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception:
        # Exit code 1, which Python gives, means that some images failed.
        traceback.print_exc()
        print("this is a fault of the program: please report it with the lines above", file=sys.stderr)
        return OutputError.exit_code
    return exit_code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; a user's mistake is a message, never a traceback."""
    parsed = _parser().parse_args(_with_default(sys.argv[1:] if arguments is None else arguments))
    _set_up_streams()
    _set_up_log(parsed)
    _set_up_signals()
    return _run(parsed)


if __name__ == "__main__":
    code = main()
    # All is done, and Python takes some milliseconds to end: a second Ctrl-C has nothing to stop.
    for late in SIGNALS:
        signal.signal(late, signal.SIG_IGN)
    sys.exit(code)
