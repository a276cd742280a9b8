"""What several tests share: the demo, composed once per test process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


def machex(
    *arguments: str, repository: Path = REPOSITORY, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does, with environment variables of choice."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    environment |= variables
    return subprocess.run(
        [sys.executable, str(repository / "machex.py"), *arguments],
        capture_output=True,
        text=True,
        cwd=cwd or repository,
        env=environment,
        timeout=100,
        check=False,
    )


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a demo: sources/, config.yml and machex_dataset/. Tests do not change it."""
    folder = tmp_path_factory.mktemp("demo") / "machex_demo"
    result = machex("demo", "-o", str(folder))
    assert result.returncode == 0, result.stdout + result.stderr
    return folder
