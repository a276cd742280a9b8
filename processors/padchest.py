"""PadChest: 160,000 films of 67,000 patients as 16-bit PNG, with labels and stemmed Spanish reports."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from processors.base import (
    KnownBad,
    Label,
    Location,
    Processor,
    Record,
    Release,
    Report,
    Table,
    UnknownCells,
    UnusableRows,
    age_in_years,
    floats,
    no_image_found,
    sex_of,
    tar_members,
    view_of,
    walk_images,
    zip_members,
)

# The names used in the release, findings and others: padchest.md of github.com/f10409/RadHarmony.
LABELS = frozenset(
    re.split(
        r",\s+",
        """
        COPD signs, Chilaiditi sign, NSG tube, abnormal foreign body, abscess, adenopathy, air bronchogram,
        air fluid level, air trapping, alveolar pattern, aortic aneurysm, aortic atheromatosis,
        aortic button enlargement, aortic elongation, aortic endoprosthesis, apical pleural thickening,
        artificial aortic heart valve, artificial heart valve, artificial mitral heart valve,
        asbestosis signs, ascendent aortic elongation, atelectasis, atelectasis basal, atypical pneumonia,
        axial hyperostosis, azygoesophageal recess shift, azygos lobe, blastic bone lesion, bone cement,
        bone metastasis, breast mass, bronchiectasis, bronchovascular markings, bullas,
        calcified adenopathy, calcified densities, calcified fibroadenoma, calcified granuloma,
        calcified mediastinal adenopathy, calcified pleural plaques, calcified pleural thickening,
        callus rib fracture, cardiomegaly, catheter, cavitation, central vascular redistribution,
        central venous catheter, central venous catheter via jugular vein,
        central venous catheter via subclavian vein, central venous catheter via umbilical vein,
        cervical rib, chest drain tube, chronic changes, clavicle fracture, consolidation,
        costochondral junction hypertrophy, costophrenic angle blunting, cyst, dai,
        descendent aortic elongation, dextrocardia, diaphragmatic eventration, double J stent,
        dual chamber device, electrical device, emphysema, empyema, end on vessel, endoprosthesis,
        endotracheal tube, esophagic dilatation, exclude, external foreign body, fibrotic band,
        fissure thickening, flattened diaphragm, fracture, gastrostomy tube, goiter, granuloma,
        ground glass pattern, gynecomastia, heart insufficiency, heart valve calcified,
        hemidiaphragm elevation, hiatal hernia, hilar congestion, hilar enlargement, humeral fracture,
        humeral prosthesis, hydropneumothorax, hyperinflated lung, hypoexpansion, hypoexpansion basal,
        increased density, infiltrates, interstitial pattern, kerley lines, kyphosis, laminar atelectasis,
        lepidic adenocarcinoma, lipomatosis, lobar atelectasis, loculated fissural effusion,
        loculated pleural effusion, lung metastasis, lung vascular paucity, lymphangitis carcinomatosa,
        lytic bone lesion, major fissure thickening, mammary prosthesis, mass, mastectomy,
        mediastinal enlargement, mediastinal mass, mediastinal shift, mediastinic lipomatosis, metal,
        miliary opacities, minor fissure thickening, multiple nodules, nephrostomy tube, nipple shadow,
        nodule, non axial articular degenerative changes, normal, obesity, osteopenia, osteoporosis,
        osteosynthesis material, pacemaker, pectum carinatum, pectum excavatum, pericardial effusion,
        pleural effusion, pleural mass, pleural plaques, pleural thickening, pneumomediastinum, pneumonia,
        pneumoperitoneo, pneumothorax, post radiotherapy changes, prosthesis, pseudonodule,
        pulmonary artery enlargement, pulmonary artery hypertension, pulmonary edema, pulmonary fibrosis,
        pulmonary hypertension, pulmonary mass, pulmonary venous hypertension,
        reservoir central venous catheter, respiratory distress, reticular interstitial pattern,
        reticulonodular interstitial pattern, rib fracture, right sided aortic arch, round atelectasis,
        sclerotic bone lesion, scoliosis, segmental atelectasis, single chamber device, soft tissue mass,
        sternoclavicular junction hypertrophy, sternotomy, subacromial space narrowing,
        subcutaneous emphysema, suboptimal study, superior mediastinal enlargement, supra aortic elongation,
        surgery, surgery breast, surgery heart, surgery humeral, surgery lung, surgery neck,
        suture material, thoracic cage deformation, total atelectasis, tracheal shift, tracheostomy tube,
        tuberculosis, tuberculosis sequelae, unchanged, vascular hilar enlargement, vascular redistribution,
        ventriculoperitoneal drain tube, vertebral anterior compression, vertebral compression,
        vertebral degenerative changes, vertebral fracture, volume loss
        """.strip(),
    )
)

# <StudyID>_<suffix>.png
_IMAGE_NAME = re.compile(r"([0-9]{10,64})_(?:[0-9]{2}-[0-9]{3}-[0-9]{3}|[0-9a-z]{6})\.png", re.IGNORECASE)
_EXPECTED_NAME = "<StudyID>_<suffix>.png with a suffix such as 00-000-000 or six letters and digits"
# 0.zip to 50.zip and 54.zip; they need not be unpacked.
_NUMBERED_ZIP = re.compile(r"(?:.*/)?[0-9]{1,2}\.zip", re.IGNORECASE)
# The folders of the resized copies (images-224, images-512-PC, images-64) and their uncompressed archives.
_RESIZED = re.compile(r"/images-(512|224|64)(?![0-9])", re.IGNORECASE)
_RESIZED_TAR = re.compile(r"(?:.*/)?images-(?:512|224|64)[^0-9/]*\.tar", re.IGNORECASE)
# In order of preference.
_CARRIERS = ("", "512 px", "224 px", "64 px")
_ARCHIVE_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz")

_OFFICIAL_TABLE = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
# Older drafts have the same columns under names such as SJ_chest_x_ray_images_labels_160K_....csv.
_TABLE = re.compile(r"(?:.*/)?([^/]*chest_x_ray_images_labels[^/]*\.csv)(\.gz|\.zip)?", re.IGNORECASE)

_VIEWS = {
    "PA": "PA",
    "AP": "AP",
    "AP_HORIZONTAL": "AP supine",
    # TorchXRayVision writes it so.
    "AP SUPINE": "AP supine",
    "L": "lateral",
    # Films of the ribs.
    "COSTAL": "other",
    "UNK": "unknown",
    "EXCLUDE": "unknown",
}
# What is written so is in no collection.
_EXCLUDED = {"EXCLUDE": "EXCLUDE in column 'Projection'"}
# The labeller of a row that names none.
_NO_METHOD = "PadChest"
_MISSING = frozenset(("", "None", "nan", "NaN"))
# The text of a Python list; a bare nan between the strings is no label.
_LIST = re.compile(r"\[.*\]", re.DOTALL)
_LIST_ITEM = re.compile(r"'([^']*)'|\"([^\"]*)\"")

# Cells worth keeping as they are written. The README spells the second names of ExposureTime and labelCUIS.
_NATIVE_COLUMNS = """
    ImageDir StudyDate_DICOM PatientBirth PatientSex_DICOM ViewPosition_DICOM Projection
    MethodProjection Pediatric Modality_DICOM Manufacturer_DICOM PhotometricInterpretation_DICOM
    PixelRepresentation_DICOM PixelAspectRatio_DICOM SpatialResolution_DICOM BitsStored_DICOM
    WindowCenter_DICOM WindowWidth_DICOM Rows_DICOM Columns_DICOM XRayTubeCurrent_DICOM Exposure_DICOM
    ExposureInuAs_DICOM ExposureTime ExposureTime_DICOM RelativeXRayExposure_DICOM ReportID MethodLabel
    Labels Localizations LabelsLocalizationsBySentence labelCUIS LabelCUIS LocalizationsCUIS
"""

_VILMEDIC = "make_padchest.py of github.com/jbdel/vilmedic"
_XRV = "TorchXRayVision"
_MICROSOFT = "github.com/microsoft/MedImaging-ModelDriftMonitoring"
_MACHEX = "MaCheX (github.com/saiboxx/machex)"
# What one reader alone lists may be damage of one copy: it is tried.
_KNOWN_BAD = (
    *KnownBad.each(
        "absent",
        "no file in the release",
        f"{_VILMEDIC}, {_XRV}, {_MICROSOFT}, {_MACHEX}",
        """
        216840111366964012283393834152009033102258826_00-059-087
        216840111366964012339356563862009072111404053_00-043-192
        216840111366964012373310883942009117084022290_00-064-025
        216840111366964012373310883942009170084120009_00-097-074
        216840111366964012558082906712009327122220177_00-102-064
        216840111366964012819207061112010306085429121_04-020-102
        216840111366964012819207061112010307142602253_04-014-084
        216840111366964012819207061112010315104455352_04-024-184
        216840111366964012959786098432011033083840143_00-176-115
        216840111366964012989926673512011074122523403_00-163-058
        216840111366964013076187734852011291090445391_00-196-188
        """,
    ),
    *KnownBad.each(
        "absent",
        "no file in the release",
        f"{_VILMEDIC}, {_MICROSOFT}",
        """
        216840111366964012339356563862009068084200743_00-045-105
        216840111366964012558082906712009300162151055_00-078-079
        216840111366964012989926673512011101154138555_00-191-086
        216840111366964012989926673512011132200139442_00-157-099
        216840111366964013076187734852011178154626671_00-145-086
        """,
    ),
    *KnownBad.each(
        "suspicious",
        "broken PNG chunks in one copy",
        _XRV,
        """
        216840111366964012989926673512011083134050913_00-168-009
        216840111366964012989926673512011151082430686_00-157-045
        """,
    ),
    *KnownBad.each(
        "suspicious",
        "truncated in one copy",
        _XRV,
        """
        216840111366964012373310883942009152114636712_00-102-045
        216840111366964012487858717522009280135853083_00-075-001
        216840111366964012819207061112010281134410801_00-129-131
        216840111366964013590140476722013043111952381_02-065-198
        216840111366964013590140476722013058110301622_02-056-111
        216840111366964013686042548532013208193054515_02-026-007
        216840111366964013829543166512013353113303615_02-092-190
        216840111366964013962490064942014134093945580_01-178-104
        """,
    ),
    *KnownBad.each(
        "suspicious",
        "left out there, no reason given",
        _MICROSOFT,
        """
        216840111366964012283393834152009026160348294_00-014-160
        216840111366964012339356563862009041122518701_00-061-032
        216840111366964012339356563862009047085820744_00-054-000
        216840111366964012373310883942009111121552024_00-072-099
        216840111366964012373310883942009203115626970_00-031-135
        216840111366964012487858717522009251095944293_00-018-154
        216840111366964012558082906712009330202206556_00-102-040
        216840111366964012734950068292010154110220411_04-008-052
        216840111366964012734950068292010166125223829_04-006-138
        216840111366964012819207061112010314122154282_04-013-126
        216840111366964012819207061112010320134721426_04-022-028
        216840111366964012819207061112010322100558680_04-001-153
        216840111366964012819207061112010322154706609_04-021-011
        216840111366964012904401302362010328092649206_04-014-085
        216840111366964012904401302362010329193325676_04-016-070
        216840111366964012904401302362010333080926354_04-019-163
        216840111366964012922382741642010350171324419_04-000-122
        216840111366964012922382741642011010093926179_00-126-037
        216840111366964012948363412702011018092612949_00-124-038
        216840111366964012959786098432011032091803456_00-172-113
        216840111366964012959786098432011054135834306_00-176-162
        216840111366964012989926673512011068092304604_00-163-066
        216840111366964012989926673512011069111543722_00-165-111
        216840111366964012989926673512011083122446341_00-158-003
        216840111366964012989926673512011101135816654_00-184-188
        216840111366964013076187734852011259174838161_00-131-007
        """,
    ),
    *KnownBad.each(
        "suspicious",
        "all pixels alike in one copy",
        _MACHEX,
        """
        16318114638720496804398478863603181862_hsqx37
        232387753838738339711526121280969069202_3kz4uc
        """,
    ),
    *KnownBad.each(
        "suspicious",
        "left out there, no reason given",
        _MACHEX,
        """
        216840111366964012373310883942009118085640636_00-070-094
        216840111366964012373310883942009183085424538_00-030-080
        216840111366964012487858717522009209140601076_00-032-109
        """,
    ),
)


class _Reading:
    """Reads the cells of a row, equal ones once, and keeps count of what is not as expected.

    Parameters
    ----------
    table
        Name of the table.
    """

    def __init__(self, table: str) -> None:
        self.view = functools.cache(_view)
        self.age = functools.cache(_age)
        self.bits = functools.cache(_bits)
        self.part = functools.cache(_part)
        self._names = functools.cache(_names)
        self._label = functools.cache(Label)
        self._labels: dict[tuple[str, str], list[Label]] = {}
        self._label_cells: Counter[str] = Counter()
        self._projections: Counter[str] = Counter()
        self._patients = UnknownCells(table, "PatientID", "digits only, which spreadsheets round")
        self._views = UnknownCells(
            table,
            "Projection",
            "PA, L, AP, AP_horizontal, COSTAL, UNK or EXCLUDE",
            fate=UnknownCells.NO_VIEW,
        )
        self._lists = UnknownCells(table, "Labels", "a list such as ['normal']")
        self._unknown = UnknownCells(table, "Labels", "labels of the release", fate=UnknownCells.KEPT)

    def record(self, name: str, patient: str, report: str, native: dict[str, str]) -> Record:
        """Return what a row says of an image; where its file lies is for the caller to add."""
        cell = native.get
        projection = cell("Projection", "")
        self._projections[projection] += 1
        return Record(
            identity=name[: -len(".png")],
            key=name,
            file=None,
            view=self.view(projection, cell("ViewPosition_DICOM")),
            patient_id=self._patient(patient),
            study_id=_study(name),
            sex=sex_of(cell("PatientSex_DICOM", "")),
            age=self.age(cell("StudyDate_DICOM", "")[:4], cell("PatientBirth", "")),
            labels=self._list(cell("Labels", ""), cell("MethodLabel", _NO_METHOD)),
            report=None if report in _MISSING else Report(report),
            original_bits_stored=self.bits(cell("BitsStored_DICOM", "")),
            native=native,
            excluded=_EXCLUDED.get(projection.upper()),
        )

    def _list(self, cell: str, method: str) -> list[Label]:
        self._label_cells[cell] += 1
        labels = self._labels.get((cell, method))
        if labels is None:
            labels = [self._label(name, 1, method) for name in self._names(cell)]
            self._labels[cell, method] = labels
        return labels

    def _patient(self, cell: str) -> str | None:
        if cell.isdecimal():
            return cell
        if cell not in _MISSING:
            self._patients.add(cell)
        return None

    @property
    def warnings(self) -> list[str]:
        """What in the cells was not as expected, one line each."""
        for projection, rows in self._projections.items():
            if projection and projection.upper() not in _VIEWS:
                self._views.add(projection, rows)
        for cell, rows in self._label_cells.items():
            if cell and not _LIST.fullmatch(cell):
                self._lists.add(cell, rows)
            for name in self._names(cell):
                if name not in LABELS:
                    self._unknown.add(name, rows)
        found = (self._patients, self._views, self._lists, self._unknown)
        return [line for cells in found for line in cells.warnings]


class PadChest(Processor):
    """The release of BIMCV, full size or resized, unpacked or inside its archives."""

    name = "PadChest"
    folder = "padchest"
    config_key = "PADCHEST_ROOT"
    licence = "PadChest Dataset Research Use Agreement"
    access = "registration at BIMCV"
    homepage = "https://bimcv.cipf.es/bimcv-projects/padchest/"
    citation = (
        "Bustos A, Pertusa A, Salinas JM, de la Iglesia-Vayá M. PadChest: A large chest x-ray image dataset "
        "with multi-label annotated reports. Medical Image Analysis 66, 101797 (2020)."
    )
    releases = (
        Release(
            "160K, table of 01.02.19",
            160_861,
            note="rows of the table; 16 of them have no file, and the paper counts 160,868 images; an older "
            "224 px torrent (e0aeda79) has white borders",
        ),
    )
    known_bad = _KNOWN_BAD

    def recognise(self) -> str:
        """Collect images and tables by name: the forms of the release differ in the folders they lie in."""
        paths = list(walk_images(self.root, (".png", ".csv", ".csv.gz", ".csv.zip", *_ARCHIVE_ENDINGS)))
        found = self._collect(self._loose_or_zipped(paths)) or self._collect(self._inside_tar(paths))
        if not found:
            raise no_image_found(
                self,
                f"files {_EXPECTED_NAME}, in images/, 0/ to 54/, 0.zip to 54.zip, images-224/ or "
                "images-224.tar",
                paths,
            )
        self._carrier = min(found, key=_CARRIERS.index)
        self._images = found.pop(self._carrier)
        size = self._carrier or "full-size"
        self.warnings += [
            f"{len(others):,} copies of {carrier} are not used: {size} images are here"
            for carrier, others in found.items()
        ]
        self._table = self._choose_table(paths)
        return f"{size} PNG files {_arrangement(self._images.values())}"

    def _loose_or_zipped(self, paths: list[str]) -> Iterator[tuple[str, Location]]:
        """Yield path and place of the PNG files, then of those inside the numbered archives."""
        for path in paths:
            if path.lower().endswith(".png"):
                yield path, Location(path)
        for path in filter(_NUMBERED_ZIP.fullmatch, paths):
            for member, location in zip_members(self.root / path, self.root, (".png",)):
                yield f"{path}/{member}", location

    def _inside_tar(self, paths: list[str]) -> Iterator[tuple[str, Location]]:
        for path in filter(_RESIZED_TAR.fullmatch, paths):
            for name, location in tar_members(self.root / path, self.root, (".png",)):
                yield f"{path}/{name}", location

    def _collect(self, pictures: Iterable[tuple[str, Location]]) -> dict[str, dict[str, Location]]:
        """Return the images of each carrier by name in lower case, of duplicates the first."""

        @functools.cache
        def carrier_of(folder: str) -> str:
            size = _RESIZED.search(f"/{self.root.name}/{folder}")
            return f"{size[1]} px" if size else ""

        found: dict[str, dict[str, Location]] = {}
        others = again = 0
        for path, location in pictures:
            folder, _, name = path.rpartition("/")
            if not _IMAGE_NAME.fullmatch(name):
                others += 1
                continue
            images = found.setdefault(carrier_of(folder), {})
            again += images.setdefault(name.lower(), location) is not location
        if others:
            self.warnings.append(f"{others:,} PNG files are not used: expected names {_EXPECTED_NAME}")
        if again:
            self.warnings.append(f"{again:,} files are not used: the same images are here in other folders")
        return found

    def _choose_table(self, paths: list[str]) -> Path | None:
        """Return the official table if it is here, else a draft; unpacked rather than packed."""
        found = [match for match in map(_TABLE.fullmatch, paths) if match]

        def rank(match: re.Match[str]) -> tuple[bool, int, bool, str]:
            draft = match[1].lower() != _OFFICIAL_TABLE.lower()
            return draft, match[0].count("/"), match[2] is not None, match[0]

        found.sort(key=rank)
        if not found:
            return None
        chosen = self.root / found[0][0]
        # Beside the unpacked table its archive may lie.
        if others := len({match[0][: match.end(1)].lower() for match in found}) - 1:
            self.warnings.append(f"{others:,} more tables are not used: {chosen.name} is here")
        return chosen

    def records(self) -> Iterator[Record]:
        """Yield every row of the table, then the files that no row names."""
        listed: set[str] = set()
        excluded = None
        if self._table is None:
            self.warnings.append(
                f"{_OFFICIAL_TABLE} not found: images are written without labels, reports, patient, sex and "
                "age, and, as their view is unknown, only with FRONTAL_ONLY: false"
            )
        else:
            excluded = f"not in {self._table.name}"
            for record in self._listed(self._table):
                listed.add(record.key)
                yield record
        for name, location in self._images.items():
            if name not in listed:
                yield Record(
                    identity=name[: -len(".png")],
                    key=name,
                    file=location,
                    carrier=self._carrier,
                    view="unknown",
                    study_id=_study(name),
                    excluded=excluded,
                )
        # A processor lives as long as the run, and these are large.
        del self._images

    def _listed(self, path: Path) -> Iterator[Record]:
        table = Table(path, columns=("ImageID", "Projection", "Labels"))
        self.tables.append(self.relative(path))
        unusable, reading = UnusableRows(path.name), _Reading(path.name)
        columns = ("ImageID", table.first_of("PatientID"), table.first_of("Report"))
        natives = [column for column in _NATIVE_COLUMNS.split() if column in table.columns]
        rows = zip(table.rows(*columns), table.rows(*natives), strict=True)
        for row, ((image, patient, report), cells) in enumerate(rows, start=2):
            # In lower case, as the release has them, whatever became of the table.
            name = f"{image.lower().removesuffix('.png')}.png"
            if not _IMAGE_NAME.fullmatch(name):
                yield unusable.record(row, f"column 'ImageID': expected {_EXPECTED_NAME}")
                continue
            native = {
                column: cell for column, cell in zip(natives, cells, strict=True) if cell not in _MISSING
            }
            record = reading.record(name, patient, report, native)
            record.file = self._images.get(name)
            record.carrier = self._carrier
            if not self._carrier:
                # Resized copies are not published in the numbered archives.
                record.part = reading.part(native.get("ImageDir", ""))
            yield record
        self.warnings += [*unusable.warnings, *reading.warnings]


def _names(cell: str) -> tuple[str, ...]:
    """Return the labels in the text of a Python list, each once, without the blanks around them."""
    if not _LIST.fullmatch(cell):
        return ()
    names = dict.fromkeys([(single or double).strip() for single, double in _LIST_ITEM.findall(cell)])
    names.pop("", None)
    return tuple(names)


def _view(projection: str, view_position: str | None) -> str:
    if not projection:
        return view_of(view_position, None) or "unknown"
    return _VIEWS.get(projection.upper(), "unknown")


def _age(study_year: str, birth_year: str) -> float | None:
    # Of the birth no more than the year is told.
    birth = floats((birth_year,))
    return age_in_years(str(int(study_year) - int(birth[0]))) if study_year.isdecimal() and birth else None


def _study(name: str) -> str:
    # The column StudyID says the same, but a spreadsheet makes one number of those that start alike.
    return name.partition("_")[0]


def _bits(cell: str) -> int | None:
    number = floats((cell,))
    return int(number[0]) if number and 1 <= number[0] <= 16 else None


def _part(image_dir: str) -> str | None:
    # Drafts write 0.0.
    number = floats((image_dir,))
    return f"{int(number[0])}.zip" if number else None


def _arrangement(locations: Iterable[Location]) -> str:
    """Say in what the images lie."""
    kinds: set[str] = set()
    for location in locations:
        if location.offset is None:
            parent = location.path.rpartition("/")[0].rpartition("/")[2]
            kinds.add("in a folder per archive" if parent.isdecimal() else "in one folder")
        else:
            kinds.add("inside zip archives" if location.zipped else "inside a tar archive")
    return " and ".join(sorted(kinds))
