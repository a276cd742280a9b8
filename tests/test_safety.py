"""What somebody else may have put into a release or a configuration: it is named, and does no harm."""

import ast
import gzip
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from PIL import Image

from composer.demo import chexray14, layouts_of, objectcxr
from composer.errors import UsageError
from composer.imaging import Reason, Refusal, Source, scan_header
from composer.settings import load_settings
from processors import all_processors
from processors.base import Processor, Record, SourceError, path_inside
from processors.chexray14 import ChestXray14
from tests.conftest import REPOSITORY, machex, machex_here
from tests.processors.copies import cells_of, is_inside, put_cells, tables_of

MIB = 1 << 20
# What a run needs anyway is some 300 MiB.
BOUND = 1500 * MIB

_MEASURED = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def measured(*arguments: str) -> tuple[int, str, int]:
    """Run the command line and return exit code, output and the most memory it had, in bytes."""
    # By way of a small process: a new one is said to have had what the one that started it had.
    command = [sys.executable, "-c", _MEASURED, sys.executable, str(REPOSITORY / "machex.py"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    errors, _, peak = result.stderr.rstrip().rpartition("\n")
    return result.returncode, result.stdout + errors, int(peak) * 1024


def config(folder: Path, **keys: object) -> str:
    path = folder / "config.yml"
    path.write_text(yaml.safe_dump({"MACHEX_PATH": str(folder / "out"), "NUM_WORKERS": 2, **keys}))
    return str(path)


class TestConfiguration:
    @pytest.mark.parametrize(
        "value",
        [
            "!!python/object/apply:os.system ['touch {}']",
            "!!python/object/new:os.system ['touch {}']",
            "!!python/name:os.system",
            "!!python/module:antigravity",
            "!!python/object/apply:subprocess.check_call [[touch, '{}']]",
        ],
    )
    def test_objects_are_refused_and_not_made(self, tmp_path: Path, value: str) -> None:
        (tmp_path / "config.yml").write_text(f"MACHEX_PATH: {value.format(tmp_path / 'executed')}\n")
        with pytest.raises(UsageError, match="not valid YAML: could not determine a constructor for the tag"):
            load_settings(tmp_path / "config.yml")
        assert [path.name for path in tmp_path.iterdir()] == ["config.yml"]

    @pytest.mark.parametrize("form", ["[{}]", "{{<<: [{}]}}"], ids=["lists", "merged mappings"])
    def test_aliases_of_aliases_do_not_fill_the_memory(self, tmp_path: Path, form: str) -> None:
        lines = ["a0: &a0 {k: v}"]
        for level in range(1, 12):
            lines.append(f"a{level}: &a{level} {form.format(', '.join([f'*a{level - 1}'] * 9))}")
        (tmp_path / "config.yml").write_text("\n".join([*lines, "IMAGE_SIZE: *a11\n"]))
        exit_code, output, peak = measured("-c", str(tmp_path / "config.yml"))
        assert exit_code == 2
        assert "found the alias *a0, which is not used here; write the value itself" in output
        assert "line 2" in output
        assert peak < BOUND


# Modules and functions by which data could become code.
EXECUTING_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "code"}
EXECUTING_CALLS = {"eval", "exec", "compile", "__import__"}
EXECUTING_ATTRIBUTES = {
    ("yaml", name) for name in ("load", "load_all", "unsafe_load", "full_load", "unsafe_load_all")
} | {("os", name) for name in ("system", "popen")}


def executing(tree: ast.AST) -> list[str]:
    """Return what in a module could make code of data."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found += [each.name for each in names if each.name.split(".")[0] in EXECUTING_MODULES]
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in EXECUTING_MODULES:
                found.append(module)
            case ast.ImportFrom(module=str(module), names=names):
                found += [each.name for each in names if (module, each.name) in EXECUTING_ATTRIBUTES]
            case ast.Call(func=ast.Name(id=name)) if name in EXECUTING_CALLS:
                found.append(name)
            case ast.Attribute(value=ast.Name(id=module), attr=name) if (
                module,
                name,
            ) in EXECUTING_ATTRIBUTES:
                found.append(f"{module}.{name}")
            case ast.Attribute(attr="read_pickle" | "to_pickle" as name):
                found.append(name)
            case ast.keyword(arg="allow_pickle" | "shell" as name, value=value):
                found += [] if isinstance(value, ast.Constant) and value.value is False else [name]
    return found


def test_no_data_become_code() -> None:
    """Pipes between our own processes are the one place where objects are pickled."""
    sources = [
        path
        for path in REPOSITORY.rglob("*.py")
        if path.relative_to(REPOSITORY).parts[0] in ("composer", "processors", "machex.py", "dataset.py")
    ]
    assert len(sources) > 50
    wrong = {str(path): executing(ast.parse(path.read_text(encoding="utf-8"))) for path in sources}
    pipes = str(REPOSITORY / "composer" / "pool" / "processes.py")
    assert {path: found for path, found in wrong.items() if found} == {pipes: ["pickle"]}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from marshal import loads",
        "import yaml; yaml.load(text)",
        "from yaml import full_load",
        "eval(cell)",
        "np.load(path, allow_pickle=True)",
        "pandas.read_pickle(path)",
        "subprocess.run(command, shell=True)",
        "os.system(cell)",
    ],
)
def test_what_makes_code_of_data_would_be_found(line: str) -> None:
    assert executing(ast.parse(line))


class TestCells:
    # Beside those of tests/processors/test_conformance_tables.py.
    ODD = (
        "a\0b.png",
        "~/.ssh/id_rsa",
        "~root/x.png",
        "/dev/zero",
        "C:\\a.png",
        "\\\\server\\share\\a.png",
        "..",
    )

    @pytest.mark.parametrize("cell", [cell for cell in ODD if not cell.startswith("~")])
    def test_path_that_leads_elsewhere_is_none(self, cell: str) -> None:
        assert path_inside(cell) is None

    @pytest.mark.parametrize("source", all_processors(), ids=lambda source: source.folder)
    def test_no_cell_leads_out_of_the_root_or_ends_the_program(
        self, source: type[Processor], tmp_path: Path
    ) -> None:
        layouts_of(source)[0].make(tmp_path / "root")
        read = 0
        for table in tables_of(source, tmp_path / "root"):
            header, *rows = cells_of(table)
            for place, column in enumerate(header):
                odd = [self.ODD[row % len(self.ODD)] for row in range(len(rows))]
                put_cells(
                    table,
                    [
                        header,
                        *(
                            [*cells[:place], cell, *cells[place + 1 :]]
                            for cells, cell in zip(rows, odd, strict=True)
                        ),
                    ],
                )
                # Of a small table no row may be left that is of any use; any other error is a fault.
                records: list[Record] = []
                with suppress(SourceError):
                    records += source(tmp_path / "root").records()
                read += bool(records)
                for record in records:
                    for path in (record.file and record.file.path, record.report_file):
                        assert path is None or (is_inside(path) and "\0" not in path), column
            put_cells(table, [header, *rows])
        assert read


class TestArchives:
    """Nothing is unpacked, so that names and links inside lead nowhere."""

    def test_names_and_links_in_a_zip_file(self, tmp_path: Path) -> None:
        objectcxr.LAYOUTS[0].make(tmp_path / "made")
        root = tmp_path / "root"
        root.mkdir()
        shutil.copy(tmp_path / "made/train.csv", root)
        film = (tmp_path / "made/train/99001.jpg").read_bytes()
        with zipfile.ZipFile(root / "train.zip", "w") as packed:
            for name in ("../../../99001.jpg", "/99002.jpg", "C:\\x\\99003.jpg", "..\\..\\99004.jpg"):
                packed.writestr(name, film)
            link = zipfile.ZipInfo("99005.jpg")
            link.external_attr = 0o120777 << 16
            packed.writestr(link, "made/train/99001.jpg")
        before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "out")}
        result = machex("-q", "-c", config(tmp_path, OBJECTCXR_ROOT=str(root)))
        assert result.returncode == 1, result.stderr
        index = json.loads((tmp_path / "out/objcxr/index.json").read_text())
        assert sorted(entry["key"] for entry in index.values()) == [f"9900{n}.jpg" for n in (1, 2, 3, 4)]
        assert "99005,99005.jpg,train.zip,mislabelled" in (tmp_path / "out/objcxr/failures.csv").read_text()
        after = {path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "out")}
        assert {path.name for path in after - before} <= {"config.yml"}

    def test_links_that_the_user_made_are_followed(self, tmp_path: Path) -> None:
        """Folders of images are often on another disk."""
        chexray14.LAYOUTS[0].make(tmp_path / "nih")
        (tmp_path / "nih/images").rename(tmp_path / "elsewhere")
        (tmp_path / "nih/images").symlink_to(tmp_path / "elsewhere")
        records = list(ChestXray14(tmp_path / "nih").records())
        assert all(record.file for record in records)


def gzip_bomb(path: Path) -> None:
    """Write some 5 MiB that inflate to a gigabyte."""
    # A gzip file is any number of such parts.
    path.write_bytes(gzip.compress(b"a,b\n") + gzip.compress(b"x" * (64 * MIB), 1) * 16)


def zip_bomb(path: Path) -> None:
    """Write some MiB that inflate to a gigabyte."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
        packed.open("a.csv", "w", force_zip64=True) as file,
    ):
        for _ in range(1024):
            file.write(b"x" * MIB)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"a,b\n1,2\n")
        file.truncate(200 << 30)


class TestTables:
    @pytest.mark.parametrize(
        ("ending", "write"),
        [("", sparse), (".gz", gzip_bomb), pytest.param(".zip", zip_bomb, marks=pytest.mark.long)],
        ids=["sparse", "gzip", "zip"],
    )
    def test_table_that_would_fill_the_memory(
        self, tmp_path: Path, ending: str, write: Callable[[Path], None]
    ) -> None:
        chexray14.LAYOUTS[0].make(tmp_path / "nih")
        table = tmp_path / "nih/Data_Entry_2017_v2020.csv"
        table.unlink()
        write(Path(f"{table}{ending}"))
        exit_code, output, peak = measured("-c", config(tmp_path, CHEXRAY14_ROOT=str(tmp_path / "nih")))
        assert exit_code == 2
        assert f"{table.name}{ending}: not readable as a CSV table (more than 536,870,912 bytes" in output
        assert "Traceback" not in output
        assert peak < BOUND


def png(rows: int, columns: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + bytes(100)


def jpeg(rows: int, columns: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (16, 16)).save(file, "JPEG")
    size = struct.Struct(">HH")
    return file.getvalue().replace(size.pack(16, 16), size.pack(rows, columns))


class TestImages:
    def test_harmful_files_are_named_and_the_others_are_written(self, tmp_path: Path) -> None:
        chexray14.LAYOUTS[0].make(tmp_path / "nih")
        images = sorted((tmp_path / "nih/train_val_list.txt").read_text().split())
        folder = tmp_path / "nih/images"
        plants: dict[str, tuple[str, Callable[[Path], object]]] = {
            "sparse": ("too large", sparse),
            "png": ("too large", lambda path: path.write_bytes(png(100_000, 100_000))),
            "jpeg": ("too large", lambda path: path.write_bytes(jpeg(65_535, 65_535))),
            "pipe": ("unreadable", os.mkfifo),
            "device": ("unreadable", lambda path: path.symlink_to("/dev/zero")),
            "text": ("mislabelled", lambda path: path.symlink_to("/etc/passwd")),
            "loop": ("unreadable", lambda path: path.symlink_to(path)),
        }
        for name, (_, plant) in zip(images, plants.values(), strict=False):
            (folder / name).unlink()
            plant(folder / name)
        result = machex_here("-c", config(tmp_path, CHEXRAY14_ROOT=str(tmp_path / "nih")))
        assert result.returncode == 1, result.stderr
        assert "Traceback" not in result.stderr
        failures = (tmp_path / "out/chex-ray14/failures.csv").read_text()
        for name, (reason, _) in zip(images, plants.values(), strict=False):
            assert re.search(rf"{Path(name).stem},.*,{reason},", failures), reason
        assert "root:" not in failures
        assert len(json.loads((tmp_path / "out/chex-ray14/index.json").read_text())) == len(images) - len(
            plants
        )

    @pytest.mark.parametrize("plant", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
    def test_headers_are_read_from_files_only(self, tmp_path: Path, plant: Callable[[Path], None]) -> None:
        plant(tmp_path / "a.dcm")
        with pytest.raises(Refusal) as caught:
            scan_header(Source(str(tmp_path / "a.dcm")))
        assert caught.value.reason is Reason.UNREADABLE
