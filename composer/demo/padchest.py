"""PadChest in miniature, in every form in which users have it: ten films of six invented patients.

It has the release's oddities that do no harm: originals of 10 bits that fill a quarter of the range, blank
cells, blanks and empty items inside the lists, a bare ``nan``, list texts without commas, views that are
excluded, and files that are not part of the release.
"""

from __future__ import annotations

import csv
import functools
import gzip
import io
import re
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from composer.demo.carriers import write_lines, write_png
from composer.demo.findings import shown
from composer.demo.layout import Layout
from composer.demo.phantom import film
from composer.demo.shapes import Film

TABLE = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
# The first column, the index of an older table, has no name.
HEADER = (
    ",ImageID,ImageDir,StudyDate_DICOM,StudyID,PatientID,PatientBirth,PatientSex_DICOM,ViewPosition_DICOM,"
    "Projection,MethodProjection,Pediatric,Modality_DICOM,Manufacturer_DICOM,PhotometricInterpretation_DICOM,"
    "PixelRepresentation_DICOM,PixelAspectRatio_DICOM,SpatialResolution_DICOM,BitsStored_DICOM,"
    "WindowCenter_DICOM,WindowWidth_DICOM,Rows_DICOM,Columns_DICOM,XRayTubeCurrent_DICOM,Exposure_DICOM,"
    "ExposureInuAs_DICOM,ExposureTime,RelativeXRayExposure_DICOM,ReportID,Report,MethodLabel,Labels,"
    "Localizations,LabelsLocalizationsBySentence,labelCUIS,LocalizationsCUIS"
)


class _Study(NamedTuple):
    patient: int
    date: str
    birth: str
    sex: str
    # Report, MethodLabel, Labels, Localizations, LabelsLocalizationsBySentence, labelCUIS, LocalizationsCUIS.
    reading: tuple[str, str, str, str, str, str, str]
    pediatric: str = "No"


_HEALTHY = _Study(
    11,
    "20150302",
    "1950.0",
    "F",
    (" siluet cardiac normal .", "Physician", "['normal']", "[]", "['normal']", "[]", "[]"),
)
_EFFUSION = _Study(
    12,
    "20110718",
    "1938.0",
    "M",
    (
        " derram pleural izquierd . cardiomegali .",
        "RNN_model",
        "['pleural effusion', ' cardiomegaly']",
        "['loc  pleural', 'loc  left']",
        "[['pleural effusion', 'loc pleural', 'loc left'], [' cardiomegaly']]",
        "['C0032227' 'C0018800']",
        "['C0032225' 'C0443246']",
    ),
)
_RIBS = _Study(
    13,
    "20120104",
    "1971.0",
    "F",
    (
        " fractur costal .",
        "Physician",
        "['rib fracture', '', 'rib fracture']",
        "[]",
        "['rib fracture']",
        "['C0035522']",
        "[]",
    ),
)
_UNREAD = _Study(13, "20140611", "1971.0", "F", ("nan", "Physician", "", "", "[['exclude'], nan]", "", ""))
_CHILD = _Study(
    14,
    "20160220",
    "2011.0",
    "M",
    (" sin cambi .", "RNN_model", "['unchanged']", "[]", "['unchanged']", "[]", "[]"),
    pediatric="PED",
)
_MASS = _Study(
    15,
    "20130915",
    "",
    "",
    (
        " mas pulmonar .",
        "Physician",
        "['pulmonary mass', 'suboptimal study']",
        "['loc right upper lobe']",
        "[['pulmonary mass', 'loc right upper lobe'], ['suboptimal study']]",
        "['C0149726']",
        "['C1261074']",
    ),
)
_BLANK = _Study(16, "20170505", "1944.0", "F", ("", "RNN_model", "[]", "[]", "", "[]", "[]"))


class _Image(NamedTuple):
    study: _Study
    suffix: str
    # Of the archive: 50 holds a single image, 54 those that were left over, 51 to 53 do not exist.
    image_dir: int
    projection: str
    view_position: str = ""
    bits: int = 12
    photometric: str = "MONOCHROME2"

    @property
    def study_id(self) -> str:
        """The older studies have longer numbers, with the date inside."""
        if "-" in self.suffix:
            return f"9984011136696401{self.study.patient:014d}{self.study.date}0000000"
        return f"{990_000_000 + self.study.patient:09d}{int(self.study.date):029d}"

    @property
    def name(self) -> str:
        return f"{self.study_id}_{self.suffix}.png"


IMAGES = (
    _Image(_HEALTHY, "ab12cd", 0, "PA", "POSTEROANTERIOR"),
    _Image(_HEALTHY, "ab12ce", 0, "L", "LATERAL"),
    _Image(_EFFUSION, "01-002-003", 27, "AP_horizontal", bits=10),
    _Image(_RIBS, "02-017-101", 27, "COSTAL", bits=10),
    _Image(_RIBS, "02-017-102", 3, "PA", "PA", bits=10),
    _Image(_UNREAD, "9xk2ab", 54, "EXCLUDE"),
    _Image(_CHILD, "qq07rs", 54, "AP", "AP"),
    _Image(_MASS, "m00n1x", 50, "PA", photometric="MONOCHROME1"),
    _Image(_BLANK, "t5t5t5", 1, "UNK"),
    _Image(_BLANK, "t5t5t6", 1, "PA", "POSTEROANTERIOR"),
)


def _row(number: int, image: _Image) -> str:
    study, is_older = image.study, image.bits == 10
    rows, columns = _size(number)
    cells = (
        # The index has gaps.
        900_000 + 3 * number,
        image.name,
        image.image_dir,
        study.date,
        image.study_id,
        f"99000000000000000000000000000000000{study.patient:03d}",
        study.birth,
        study.sex,
        image.view_position,
        image.projection,
        "Manual review of DICOM fields" if image.view_position else "resnet-50.t7",
        study.pediatric,
        "CR" if is_older else "DX",
        "ImagingDynamicsCompanyLtd" if is_older else "PhilipsMedicalSystems",
        image.photometric,
        0,
        "['1', '1']" if is_older else "None",
        "None" if is_older else "0.2000000029802",
        image.bits,
        "5.115000e+02" if is_older else "2047.0",
        "1.023000e+03" if is_older else "4095.0",
        rows,
        columns,
        "400" if is_older else "None",
        1,
        "None" if is_older else "1000",
        4,
        -150,
        9_000_000 + study.patient,
        *study.reading,
    )
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def _size(number: int) -> tuple[int, int]:
    # Films differ in size as in the release.
    return 280 + 10 * number, 380 - 10 * number


@functools.cache
def _picture(number: int, side: int | None) -> Film:
    image = IMAGES[number]
    rows, columns = (side, side) if side else _size(number)
    view = "lateral" if image.projection == "L" else "AP" if image.projection.startswith("AP") else "PA"
    # The publisher divided the values by 4096, whatever their number of bits.
    share = np.float32((2**image.bits - 1) / 4096)
    _, method, labels, *_ = image.study.reading
    findings = shown("padchest", [(label, 1, method) for label in re.findall("'([^']+)'", labels)])
    picture: Film = film(3000 + number, rows=rows, columns=columns, view=view, findings=findings) * share
    return picture


def _write_images(root: Path, folder: Callable[[_Image], str], side: int | None = None) -> None:
    for number, image in enumerate(IMAGES):
        write_png(root / folder(image) / image.name, _picture(number, side), mode="I;16")


def _write_table(path: Path, *, packed: bool = False) -> None:
    write_lines(path, [HEADER, *(_row(number, image) for number, image in enumerate(IMAGES))])
    if packed:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        path.unlink()


def _write_notes(root: Path) -> None:
    write_lines(root / "LICENSE.md", ["Stands in for the agreement."])
    write_lines(root / "README.md", ["Stands in for the publisher's notes."])
    (root / "Verify_Zips_ImageCounts.csv.xlsx").write_bytes(b"PK stands in for a spreadsheet")


def _make_flat(root: Path) -> None:
    _write_images(root, lambda image: "images")
    _write_table(root / TABLE, packed=True)
    _write_notes(root)
    (root / "images" / f"._{IMAGES[0].name}").write_bytes(b"\0\x05\x16\x07 left by macOS")
    (root / "images/.DS_Store").write_bytes(b"\0\0\0\x01Bud1")
    (root / "images/index.html").write_text("<html>left by wget</html>\n", encoding="utf-8")


def _make_folders(*above: str) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        _write_images(root, lambda image: "/".join((*above, str(image.image_dir))))
        _write_table(root / TABLE)

    return make


def _make_zips(folder: str, table: str, *, packed: bool) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        _write_images(root, lambda image: str(image.image_dir))
        for image_dir in sorted({image.image_dir for image in IMAGES}):
            names = sorted(image.name for image in IMAGES if image.image_dir == image_dir)
            _pack_zip(root / folder / f"{image_dir}.zip", root / str(image_dir), names)
        _write_table(root / table, packed=packed)
        _write_notes(root)

    return make


def _pack_zip(archive: Path, source: Path, names: Sequence[str]) -> None:
    """Move the files of a folder into a zip file, flat."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in names:
            packed.writestr(_zip_info(name), (source / name).read_bytes())
            (source / name).unlink()
        packed.writestr(_zip_info(f"__MACOSX/._{names[0]}"), b"\0\x05\x16\x07 left by macOS")
    source.rmdir()


def _zip_info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=(2019, 2, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    # Otherwise the system that made the archive is written.
    info.create_system = 3
    return info


def _make_resized(folder: str, side: int) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        _write_images(root, lambda image: folder, side)
        _write_table(root / TABLE, packed=True)

    return make


def _make_tar(root: Path) -> None:
    _write_images(root, lambda image: "images-224", 224)
    with tarfile.open(root / "images-224.tar", "w") as archive:
        for image in IMAGES:
            path = root / "images-224" / image.name
            # Of a default header, so that neither date nor user is written.
            info = tarfile.TarInfo(f"images-224/{image.name}")
            info.size = path.stat().st_size
            archive.addfile(info, io.BytesIO(path.read_bytes()))
            path.unlink()
    (root / "images-224").rmdir()
    _write_table(root / TABLE, packed=True)


LAYOUTS = tuple(
    Layout(name, make, images=len(IMAGES))
    for name, make in (
        ("one folder, images/", _make_flat),
        ("images/ with a folder per archive", _make_folders("images")),
        ("a folder per archive", _make_folders()),
        ("png/ with a folder per archive", _make_folders("png")),
        ("archives as downloaded", _make_zips(".", TABLE, packed=True)),
        ("torrent, still packed", _make_zips("image_zips", f"labels_csv/{TABLE}", packed=False)),
        ("224 px folder", _make_resized("images-224", 224)),
        ("224 px folder, nested", _make_resized("mnt/data/padchest/images-224", 224)),
        ("224 px tar", _make_tar),
        ("512 px folder", _make_resized("images-512-PC", 512)),
        ("64 px folder", _make_resized("images-64", 64)),
    )
)
