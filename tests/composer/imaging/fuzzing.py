"""Converts files in a process of its own, so that a crash, a hang or a lack of memory is survived."""

import importlib
import json
import queue
import resource
import subprocess
import sys
import threading
import zlib
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

from composer.imaging import Refusal, Source, convert
from tests.composer.imaging.support import NATIVE

MEMORY = 2 << 30
SECONDS = 30.0


def serve() -> None:
    """Answer every line of standard input, a source as JSON, by its outcome and the peak of memory in kB."""
    # Compiled code takes memory too, which no file is to blame for.
    importlib.import_module("composer.imaging.warm")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for line in sys.stdin:
        outcome = _outcome(Source(**json.loads(line)))
        sys.stdout.write(json.dumps([outcome, _peak()]) + "\n")
        sys.stdout.flush()


def _peak() -> int:
    # Not `ru_maxrss`, which begins with the memory of the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


def _outcome(source: Source) -> str:
    try:
        return f"picture {zlib.crc32(convert(source, NATIVE).data):08x}"
    except Refusal as refusal:
        return str(refusal.reason)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


class Converter:
    """The other end: one process, started again when it died.

    Attributes
    ----------
    peak
        The most memory that it ever held, in kB.
    """

    def __init__(self) -> None:
        self.peak = 0
        self._start()

    def _start(self) -> None:
        command = [sys.executable, "-m", "tests.composer.imaging.fuzzing"]
        self._process = subprocess.Popen(
            command,
            cwd=Path(__file__).parents[3],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, args=(self._process, self._answers), daemon=True).start()

    @staticmethod
    def _listen(process: "subprocess.Popen[str]", answers: "queue.Queue[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            answers.put(line)
        answers.put("")

    def outcome(self, source: Source) -> str:
        """Return ``picture`` and its checksum, a reason, or what else happened."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(source)) + "\n")
        self._process.stdin.flush()
        try:
            answer = self._answers.get(timeout=SECONDS)
        except queue.Empty:
            answer = ""
        if answer:
            outcome, self.peak = json.loads(answer)
            return str(outcome)
        code = self._process.poll()
        self.stop()
        self._start()
        return f"no answer in {SECONDS} s" if code is None else f"the process died: {code}"

    def stop(self) -> str:
        """End the process, and return what it wrote to standard error."""
        self._process.kill()
        _, errors = self._process.communicate()
        return errors

    def __enter__(self) -> "Converter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


if __name__ == "__main__":
    serve()
