"""Every file that comes with pydicom and pydicom-data ends as a known picture, or as a named refusal.

After a release of either with other files, print the table anew by

    python -m tests.composer.imaging.test_corpus
"""

import tempfile
import warnings
import zlib
from functools import cache
from pathlib import Path

import pydicom.data
import pytest
from pydicom import uid

from composer.imaging import Reason, Refusal
from tests.composer.imaging.support import convert_bytes, picture, real_file, reason_with_remedy

FOLDERS = [
    Path(str(pydicom.data.__file__)).parent / "test_files",
    real_file("RG1_UNCR.dcm").parent,
]
# Their decoders compute with fractions: the last bits may differ by processor.
LOSSY = {uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEG2000}

# Rows, columns, mean of the 8-bit picture and, where arithmetic is exact, its CRC-32; or the reason.
TABLE = {
    "693_J2KI.dcm": "512 512 44.328",
    "CT_small.dcm": "128 128 131.012 fc160e21",
    "ExplVR_BigEnd.dcm": "unsupported",
    "ExplVR_BigEndNoMeta.dcm": "unsupported",
    "ExplVR_LitEndNoMeta.dcm": "unsupported",
    "GDCMJ2K_TextGBR.dcm": "unsupported",
    "J2K_pixelrep_mismatch.dcm": "512 512 63.207 20fdda8a",
    "JPEG-lossy.dcm": "1024 256 13.241",
    "JPEG2000-embedded-sequence-delimiter.dcm": "damaged",
    "JPEG2000.dcm": "1024 256 127.848",
    "JPEGLSNearLossless_08.dcm": "45 10 55.556 fae22d14",
    "JPEGLSNearLossless_16.dcm": "50 10 46.700 60e8a93c",
    "JPGExtended.dcm": "1024 256 13.241",
    "MR_small.dcm": "64 64 113.066 2e1c98d1",
    "MR_small_RLE.dcm": "64 64 113.066 2e1c98d1",
    "MR_small_bigendian.dcm": "64 64 113.066 2e1c98d1",
    "MR_small_expb.dcm": "64 64 113.066 2e1c98d1",
    "MR_small_implicit.dcm": "64 64 113.066 2e1c98d1",
    "MR_small_jp2klossless.dcm": "64 64 113.066 2e1c98d1",
    "MR_small_jpeg_ls_lossless.dcm": "64 64 113.066 2e1c98d1",
    "MR_small_padded.dcm": "64 64 113.066 2e1c98d1",
    "MR_truncated.dcm": "truncated",
    "README.txt": "mislabelled",
    "SC_jpeg_no_color_transform.dcm": "256 256 243.977",
    "SC_jpeg_no_color_transform_2.dcm": "unsupported",
    "SC_rgb_dcmtk_+eb+cr.dcm": "unsupported",
    "SC_rgb_dcmtk_+eb+cy+n1.dcm": "unsupported",
    "SC_rgb_dcmtk_+eb+cy+n2.dcm": "unsupported",
    "SC_rgb_dcmtk_+eb+cy+np.dcm": "unsupported",
    "SC_rgb_dcmtk_+eb+cy+s2.dcm": "unsupported",
    "SC_rgb_dcmtk_+eb+cy+s4.dcm": "unsupported",
    "SC_rgb_gdcm_KY.dcm": "unsupported",
    "SC_rgb_jls_lossy_line.dcm": "unsupported",
    "SC_rgb_jls_lossy_sample.dcm": "unsupported",
    "SC_rgb_jpeg.dcm": "256 256 243.977",
    "SC_rgb_jpeg_app14_dcmd.dcm": "unsupported",
    "SC_rgb_jpeg_dcmd.dcm": "256 256 243.977 cdbe5bb2",
    "SC_rgb_jpeg_dcmtk.dcm": "unsupported",
    "SC_rgb_jpeg_gdcm.dcm": "unsupported",
    "SC_rgb_jpeg_lossy_gdcm.dcm": "unsupported",
    "SC_rgb_rle.dcm": "unsupported",
    "SC_rgb_rle_16bit.dcm": "unsupported",
    "SC_rgb_rle_16bit_2frame.dcm": "unsupported",
    "SC_rgb_rle_2frame.dcm": "unsupported",
    "SC_rgb_rle_32bit.dcm": "unsupported",
    "SC_rgb_rle_32bit_2frame.dcm": "unsupported",
    "SC_rgb_small_odd.dcm": "unsupported",
    "SC_rgb_small_odd_big_endian.dcm": "unsupported",
    "SC_rgb_small_odd_jpeg.dcm": "unsupported",
    "SC_ybr_full_422_uncompressed.dcm": "unsupported",
    "UN_sequence.dcm": "unsupported",
    "badVR.dcm": "10 10 123.240 eb147d94",
    "crayons.icc": "mislabelled",
    "dicomdirtests/77654033/CR1/6154": "16 16 97.734 e5f4da38",
    "dicomdirtests/77654033/CR2/6247": "16 16 157.625 91a2c29b",
    "dicomdirtests/77654033/CR3/6278": "16 16 105.734 93282024",
    "dicomdirtests/77654033/CT2/17106": "16 16 12.020 5402c3cd",
    "dicomdirtests/77654033/CT2/17136": "16 16 254.969 3b854aaa",
    "dicomdirtests/77654033/CT2/17166": "16 16 255.000 fea8a821",
    "dicomdirtests/77654033/CT2/17196": "16 16 255.000 fea8a821",
    "dicomdirtests/98892001/CT2N/6293": "16 18 238.375",
    "dicomdirtests/98892001/CT2N/6924": "16 18 163.861",
    "dicomdirtests/98892001/CT5N/2062": "16 16 44.195 53968e7d",
    "dicomdirtests/98892001/CT5N/2392": "16 16 66.766 d90f191e",
    "dicomdirtests/98892001/CT5N/2693": "16 16 88.270 32c32735",
    "dicomdirtests/98892001/CT5N/3023": "16 16 78.035 b517147e",
    "dicomdirtests/98892001/CT5N/3353": "16 16 58.316 5e1ff80f",
    "dicomdirtests/98892003/MR1/15820": "16 16 225.039 affa6d4a",
    "dicomdirtests/98892003/MR1/4919": "16 16 239.918 f53f6b44",
    "dicomdirtests/98892003/MR1/5641": "16 16 233.961 d9be5119",
    "dicomdirtests/98892003/MR2/15970": "16 16 109.402 5caadaaa",
    "dicomdirtests/98892003/MR2/4950": "16 16 208.977 bff61a50",
    "dicomdirtests/98892003/MR2/4981": "16 16 211.848 df31a42f",
    "dicomdirtests/98892003/MR2/5011": "16 16 206.590 49879a5b",
    "dicomdirtests/98892003/MR2/6273": "16 16 219.148 7a8ea4ce",
    "dicomdirtests/98892003/MR2/6605": "16 16 214.262 a23af96f",
    "dicomdirtests/98892003/MR2/6935": "16 16 237.883 85d53606",
    "dicomdirtests/98892003/MR700/4467": "16 16 65.395 78df64f4",
    "dicomdirtests/98892003/MR700/4528": "16 16 79.461 89883b81",
    "dicomdirtests/98892003/MR700/4558": "16 16 129.859 c0128d1d",
    "dicomdirtests/98892003/MR700/4588": "16 16 66.656 dfed1bac",
    "dicomdirtests/98892003/MR700/4618": "16 16 63.996 927b6aee",
    "dicomdirtests/98892003/MR700/4648": "16 16 41.980 c7f986a6",
    "dicomdirtests/98892003/MR700/4678": "16 16 43.090 615732c2",
    "dicomdirtests/DICOMDIR": "unsupported",
    "dicomdirtests/DICOMDIR-bigEnd": "unsupported",
    "dicomdirtests/DICOMDIR-empty.dcm": "unsupported",
    "dicomdirtests/DICOMDIR-implicit": "unsupported",
    "dicomdirtests/DICOMDIR-nooffset": "unsupported",
    "dicomdirtests/DICOMDIR-nopatient": "unsupported",
    "dicomdirtests/DICOMDIR-reordered": "unsupported",
    "dicomdirtests/README.txt": "mislabelled",
    "dicomdirtests/TINY_ALPHA/DICOMDIR": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000000": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000001": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000002": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000003": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000004": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000005": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000006": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000007": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000008": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000009": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000A": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000B": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000C": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000D": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000E": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000F": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000G": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000H": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000I": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000J": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000K": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000L": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000M": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000N": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000O": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000P": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000Q": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000R": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000S": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000T": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000U": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000V": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000W": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000X": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000Y": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00000Z": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000010": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000011": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000012": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000013": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000014": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000015": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000016": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000017": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000018": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000019": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00001A": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00001B": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00001C": "unsupported",
    "dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM00001D": "unsupported",
    "dicomdirtests/TINY_ALPHA/README": "mislabelled",
    "empty_charset_LEI.dcm": "unsupported",
    "examples_jpeg2k.dcm": "unsupported",
    "examples_overlay.dcm": "300 484 48.113 f7ba9588",
    "examples_palette.dcm": "unsupported",
    "examples_rgb_color.dcm": "unsupported",
    "examples_ybr_color.dcm": "unsupported",
    "image_dfl.dcm": "512 512 127.116 dc91a455",
    "liver_1frame.dcm": "512 512 35.246 6411c523",
    "liver_expb_1frame.dcm": "512 512 35.246 6411c523",
    "meta_missing_tsyntax.dcm": "damaged",
    "nested_priv_SQ.dcm": "damaged",
    "no_meta.dcm": "mislabelled",
    "no_meta_group_length.dcm": "unsupported",
    "priv_SQ.dcm": "unsupported",
    "reportsi.dcm": "unsupported",
    "reportsi_with_empty_number_tags.dcm": "unsupported",
    "rtdose.dcm": "unsupported",
    "rtdose_1frame.dcm": "10 10 123.240 eb147d94",
    "rtdose_expb.dcm": "unsupported",
    "rtdose_expb_1frame.dcm": "10 10 123.240 eb147d94",
    "rtdose_rle.dcm": "unsupported",
    "rtdose_rle_1frame.dcm": "10 10 123.240 eb147d94",
    "rtplan.dcm": "unsupported",
    "rtplan.dump": "mislabelled",
    "rtplan_truncated.dcm": "truncated",
    "rtstruct.dcm": "unsupported",
    "rtstruct.dump": "mislabelled",
    "test-SR.dcm": "unsupported",
    "test1.json": "mislabelled",
    "test_PN.json": "mislabelled",
    "waveform_ecg.dcm": "unsupported",
    "zipMR.gz": "mislabelled",
    "693_J2KR.dcm": "512 512 40.145 e119aa7a",
    "693_UNCI.dcm": "512 512 44.328 3cc0eb6b",
    "693_UNCR.dcm": "512 512 40.145 e119aa7a",
    "JPEG-LL.dcm": "1024 256 12.605 2ffab030",
    "JPEG2000_UNC.dcm": "1024 256 127.848 e388c9f4",
    "JPGLosslessP14SV1_1s_1f_8b.dcm": "768 1024 17.358 a54f6f23",
    "MR-SIEMENS-DICOM-WithOverlays.dcm": "484 484 29.822 f61fffe7",
    "MR2_J2KI.dcm": "1024 1024 36.149",
    "MR2_J2KR.dcm": "1024 1024 36.128 3bbcfcca",
    "MR2_UNCI.dcm": "1024 1024 36.149 aa797c32",
    "MR2_UNCR.dcm": "1024 1024 36.128 3bbcfcca",
    "OBXXXX1A.dcm": "unsupported",
    "OBXXXX1A_2frame.dcm": "unsupported",
    "OBXXXX1A_expb.dcm": "unsupported",
    "OBXXXX1A_expb_2frame.dcm": "unsupported",
    "OBXXXX1A_rle.dcm": "unsupported",
    "OBXXXX1A_rle_2frame.dcm": "unsupported",
    "OT-PAL-8-face.dcm": "unsupported",
    "RG1_J2KI.dcm": "1955 1841 192.171",
    "RG1_J2KR.dcm": "1955 1841 192.170 fe4dac1f",
    "RG1_UNCI.dcm": "1955 1841 192.171 34d5dd9e",
    "RG1_UNCR.dcm": "1955 1841 192.170 fe4dac1f",
    "RG3_J2KI.dcm": "1760 1760 177.497",
    "RG3_J2KR.dcm": "1760 1760 177.499 6f399ca1",
    "RG3_UNCI.dcm": "1760 1760 177.497 6adf6e95",
    "RG3_UNCR.dcm": "1760 1760 177.499 6f399ca1",
    "SC_rgb.dcm": "unsupported",
    "SC_rgb_16bit.dcm": "unsupported",
    "SC_rgb_16bit_2frame.dcm": "unsupported",
    "SC_rgb_2frame.dcm": "unsupported",
    "SC_rgb_32bit.dcm": "unsupported",
    "SC_rgb_32bit_2frame.dcm": "unsupported",
    "SC_rgb_dcmtk_ebcr_dcmd.dcm": "unsupported",
    "SC_rgb_dcmtk_ebcyn1_dcmd.dcm": "unsupported",
    "SC_rgb_dcmtk_ebcyn2_dcmd.dcm": "unsupported",
    "SC_rgb_dcmtk_ebcynp_dcmd.dcm": "unsupported",
    "SC_rgb_dcmtk_ebcys2_dcmd.dcm": "unsupported",
    "SC_rgb_dcmtk_ebcys4_dcmd.dcm": "unsupported",
    "SC_rgb_expb.dcm": "unsupported",
    "SC_rgb_expb_16bit.dcm": "unsupported",
    "SC_rgb_expb_16bit_2frame.dcm": "unsupported",
    "SC_rgb_expb_2frame.dcm": "unsupported",
    "SC_rgb_expb_32bit.dcm": "unsupported",
    "SC_rgb_expb_32bit_2frame.dcm": "unsupported",
    "SC_rgb_gdcm2k_uncompressed.dcm": "unsupported",
    "SC_ybr_full_uncompressed.dcm": "unsupported",
    "US1_J2KI.dcm": "unsupported",
    "US1_J2KR.dcm": "unsupported",
    "US1_UNCI.dcm": "unsupported",
    "US1_UNCR.dcm": "unsupported",
    "bad_sequence.dcm": "512 512 119.119 9bb2f9f6",
    "color-pl.dcm": "unsupported",
    "color-px.dcm": "unsupported",
    "color3d_jpeg_baseline.dcm": "unsupported",
    "eCT_Supplemental.dcm": "unsupported",
    "emri_small.dcm": "unsupported",
    "emri_small_RLE.dcm": "unsupported",
    "emri_small_big_endian.dcm": "unsupported",
    "emri_small_jpeg_2k_lossless.dcm": "unsupported",
    "emri_small_jpeg_2k_lossless_too_short.dcm": "truncated",
    "emri_small_jpeg_ls_lossless.dcm": "unsupported",
    "explicit_VR-UN.dcm": "512 512 125.120 3efa8378",
    "gdcm-US-ALOKA-16.dcm": "unsupported",
    "gdcm-US-ALOKA-16_big.dcm": "unsupported",
    "liver.dcm": "unsupported",
    "liver_expb.dcm": "unsupported",
    "mlut_18.dcm": "512 512 128.833 f42ea7f7",
    "vlut_04.dcm": "512 512 128.830 f3bada5d",
}


@cache
def _files() -> dict[str, Path]:
    return {
        path.relative_to(folder).as_posix(): path
        for folder in FOLDERS
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def _outcome(folder: Path, data: bytes) -> str:
    try:
        conversion = convert_bytes(folder, data)
    except Refusal as refusal:
        return str(reason_with_remedy(refusal))
    pixels = picture(conversion)
    facts = conversion.facts
    outcome = f"{pixels.shape[0]} {pixels.shape[1]} {pixels.mean():.3f}"
    if facts.transfer_syntax in LOSSY or (facts.scale_row, facts.scale_column) != (1, 1):
        return outcome
    return f"{outcome} {zlib.crc32(pixels.tobytes()):08x}"


def test_table_and_files_are_the_same() -> None:
    assert sorted(TABLE) == sorted(_files()), f"print the table anew: {__doc__}"


@pytest.mark.parametrize("name", TABLE)
def test_outcome(tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = _outcome(tmp_path, _files()[name].read_bytes()).split()
    assert capfd.readouterr() == ("", "")
    known = TABLE[name].split()
    if known[0].isdigit() and found[0].isdigit():
        assert float(found.pop(2)) == pytest.approx(float(known.pop(2)), abs=0.01)
    assert found == known


def test_reasons_are_of_the_list() -> None:
    refused = {outcome for outcome in TABLE.values() if not outcome[0].isdigit()}
    assert refused <= set(Reason)


def _print_table() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, path in _files().items():
            print(f'    "{name}": "{_outcome(Path(folder), path.read_bytes())}",')  # noqa: T201


if __name__ == "__main__":
    _print_table()
