"""The files of a release: which entries of a folder are images, and where members of an archive lie."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePath, PureWindowsPath
from typing import Self

from processors.base.contract import Location, SourceError

_NO_ENTRIES = ("__MACOSX", "lost+found")
# What tarfile reads whole: long names and further fields of the next member, a few hundred bytes.
_TAR_EXTENSIONS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
_MOST_OF_TAR_EXTENSION = 1 << 20


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what lies in a folder, sorted by name; nothing when the folder does not exist.

    Names that start with a dot are left out (``._x.png`` of macOS, ``.azDownload-x`` of azcopy), as are the
    ``__MACOSX`` folder of zips made there and the ``lost+found`` of file systems.

    Raises
    ------
    SourceError
        When the folder may not be listed.
    """
    try:
        with os.scandir(folder) as scan:
            found = [entry for entry in scan if entry.name[0] != "." and entry.name not in _NO_ENTRIES]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError as error:
        raise SourceError(
            f"{folder}: permission denied; make it readable, or move it away if it is no part of the release"
        ) from error
    return sorted(found, key=lambda entry: entry.name)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Say whether an entry is a folder; no to what cannot be looked at, such as a link to itself."""
    with suppress(OSError):
        return entry.is_dir()
    return False


def is_file(entry: os.DirEntry[str]) -> bool:
    """Say whether an entry is a file; no to what cannot be looked at."""
    with suppress(OSError):
        return entry.is_file()
    return False


def subfolders(folder: Path) -> list[Path]:
    """Return the folders directly inside a folder, sorted by name."""
    return [Path(entry.path) for entry in entries(folder) if is_folder(entry)]


# No function here asks an entry with an image's name for its type: on network storage that can be a call per
# file, and a folder named like an image shows itself when it is opened.


def image_names(folder: Path, suffixes: Sequence[str]) -> list[str]:
    """Return the names in a flat folder that end with one of the suffixes (lower case, with the dot)."""
    return [entry.name for entry in entries(folder) if entry.name.lower().endswith(tuple(suffixes))]


def walk_images(folder: Path, suffixes: Sequence[str]) -> Iterator[str]:
    """Yield the path of every image file below a folder, relative to it, however deep, in sorted order.

    Links to folders are followed, but not those that lead back to a folder above them.
    """
    return _walk(folder, tuple(suffixes), ())


def _walk(folder: Path, suffixes: tuple[str, ...], left: tuple[Path, ...]) -> Iterator[str]:
    # Texts, because a hundred thousand Path objects take seconds.
    for entry in entries(folder):
        if entry.name.lower().endswith(suffixes):
            yield entry.name
        elif is_folder(entry):
            # The folders that the links on the way have left.
            left_here = left
            if entry.is_symlink():
                target = Path(entry.path).resolve()
                left_here = (*left, folder.resolve())
                if any(place.is_relative_to(target) for place in left_here):
                    continue
            for path in _walk(Path(entry.path), suffixes, left_here):
                yield f"{entry.name}/{path}"


def contents(folder: Path) -> str:
    """Say what a folder holds, for a message: how many folders, and how many files of which endings.

    Names are left out: folders are often named after patients.
    """
    found = entries(folder)
    folders = sum(is_folder(entry) for entry in found)
    endings = sorted(
        {PurePath(entry.name).suffix.lower() or "none" for entry in found if not is_folder(entry)}
    )
    files = f"{len(found) - folders:,} files" + (f" (endings {', '.join(endings[:5])})" if endings else "")
    return f"{folders:,} folders and {files}"


def base_name(path: str) -> str:
    r"""Return what stands behind the last slash of a path, be it ``/`` or ``\``.

    Some zip programs of Windows write backslashes, and so do tables that were made there.
    """
    return path.replace("\\", "/").rpartition("/")[2]


def tar_members(archive: Path, root: Path, suffixes: Sequence[str]) -> Iterator[tuple[str, Location]]:
    """Yield name and place of every image in an uncompressed tar file.

    The images are read from the archive where they lie; nothing is unpacked.

    Raises
    ------
    SourceError
        When the archive is compressed, cut short, made to mislead, or no tar file at all.
    """
    relative = archive.relative_to(root).as_posix()
    try:
        with tarfile.open(archive, mode="r:", tarinfo=_TarHeader) as tar:
            for member in tar:
                if member.size < 0:
                    raise tarfile.ReadError("a member has a negative size")
                name = member.name.rpartition("/")[2]
                if not member.isreg() or name.startswith(".") or not name.lower().endswith(tuple(suffixes)):
                    continue
                yield name, Location(relative, member.offset_data, member.size)
            _check_end(archive, tar.offset)
    except (tarfile.TarError, OSError) as error:
        raise SourceError(
            f"{archive}: not readable as an uncompressed tar file ({error}); unpack it, or download it again"
        ) from error


class _TarHeader(tarfile.TarInfo):
    """A header that does not lead back, without end (CVE-2025-8194), nor has a name of gigabytes."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Return the header in a block; raise `tarfile.ReadError` when following it would do harm."""
        header = super().frombuf(buf, encoding, errors)
        if header.size < 0 or (header.type in _TAR_EXTENSIONS and header.size > _MOST_OF_TAR_EXTENSION):
            raise tarfile.ReadError(f"a header announces {header.size:,} bytes")
        return header


def _check_end(archive: Path, offset: int) -> None:
    # tarfile takes an archive that is cut between two members, or inside a header, for a complete one.
    with archive.open("rb") as file:
        file.seek(offset)
        if file.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
            raise tarfile.ReadError("the mark of its end is missing")


# What Python's zlib undoes; a local header that tells another method is refused when the image is read.
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ZIP_ENCRYPTED = 0x1


def zip_members(archive: Path, root: Path, suffixes: Sequence[str]) -> Iterator[tuple[str, Location]]:
    """Yield path and place of every image in a zip file, as its central directory lists them.

    The images are read from the archive where they lie; nothing is unpacked.

    Raises
    ------
    SourceError
        When the archive is cut short, encrypted, packed by an unusual method, or no zip file at all.
    """
    relative = archive.relative_to(root).as_posix()
    try:
        with zipfile.ZipFile(archive) as packed:
            members = packed.infolist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, OSError) as error:
        raise SourceError(
            f"{archive}: not readable as a zip file ({error}); download it again, or move it away"
        ) from error
    for member in members:
        name = base_name(member.filename)
        if name.startswith(".") or not name.lower().endswith(tuple(suffixes)):
            continue
        if member.flag_bits & _ZIP_ENCRYPTED or member.compress_type not in _ZIP_METHODS:
            raise SourceError(f"{archive}: encrypted or packed by an unusual method; unpack it")
        yield member.filename, Location(relative, member.header_offset, member.compress_size, zipped=True)


def path_inside(cell: str) -> str | None:
    r"""Return the path in a table's cell with forward slashes, None when it would lead out of the root.

    Examples
    --------
    >>> path_inside(r"images\a.png"), path_inside("../../etc/passwd"), path_inside("/etc/passwd")
    ('images/a.png', None, None)
    """
    path = PureWindowsPath(cell)
    if path.anchor or ".." in path.parts or "\0" in cell or not path.parts:
        return None
    return path.as_posix()
