"""Tables as text, whatever happened to them on their way to a user's disk."""

from __future__ import annotations

import gzip
import io
import warnings
import zipfile
from pathlib import Path

import pytest

from processors.base import SourceError, Table, find_table, read_lines

pytestmark = pytest.mark.filterwarnings("error")


HEADERS = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,View Position,OriginalImage[Width,Height]",
    "Image Index,Finding Label,Bbox [x,y,w,h]",
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Lung Opacity",
    "image_id,rad_id,class_name,x_min,y_min,x_max,y_max",
    "image_id,rad_ID,Nodule/Mass,No finding",
    "image_id,rad_id,Nodule/Mass,No finding",
)
FIRST_ROWS = (
    "00099991_000.png,Cardiomegaly,0,99991,PA,2682,2749",
    "00099991_001.png,Infiltrate,225.0847458,547.0192168,86.7796610,79.1864407",
    "CheXpert-v1.0/train/patient99001/study1/view1_frontal.jpg,Female,68,Frontal,AP,,1.0",
    "feedc0de000000000000000000001770,R11,No finding,,,,",
    "feedc0de000000000000000000001770,R11,0,1",
    # The row of another table, one cell of which is the name of a column here.
    "feedc0de000000000000000000001770,R11,No finding,,,,",
)


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def zipped(*members: tuple[str, str]) -> bytes:
    """Return a zip file of the named texts."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members:
            archive.writestr(name, text)
    return content.getvalue()


# The packed bytes begin after a local header of 30 bytes and the name.
DAMAGED = zipped(("t.csv", "a\n1\n" * 99))
DAMAGED = DAMAGED[:36] + b"\xff\xff\xff" + DAMAGED[39:]


class TestFindTable:
    def test_letter_case_does_not_matter(self, tmp_path: Path) -> None:
        path = put(tmp_path / "Train.CSV", "a\n")
        assert find_table([tmp_path], "train.csv") == path

    def test_a_packed_table_stands_in(self, tmp_path: Path) -> None:
        path = put(tmp_path / "Train.csv.GZ", "")
        assert find_table([tmp_path], "train.csv") == path

    def test_the_unpacked_of_two_is_taken(self, tmp_path: Path) -> None:
        put(tmp_path / "train.csv.gz", "")
        path = put(tmp_path / "train.csv", "a\n")
        assert find_table([tmp_path], "train.csv") == path

    def test_a_zipped_table_stands_in_after_the_others(self, tmp_path: Path) -> None:
        last = put(tmp_path / "Train.csv.ZIP", "")
        # The images of the split, not its table.
        put(tmp_path / "train.zip", "")
        assert find_table([tmp_path], "train.csv") == last
        second = put(tmp_path / "train.csv.gz", "")
        assert find_table([tmp_path], "train.csv") == second
        first = put(tmp_path / "train.csv", "a\n")
        assert find_table([tmp_path], "train.csv") == first

    @pytest.mark.parametrize("packed", [".gz", ".zip"])
    def test_a_packed_table_of_the_first_name_wins(self, tmp_path: Path, packed: str) -> None:
        put(tmp_path / "old.csv", "a\n")
        path = put(tmp_path / f"new.csv{packed}", "")
        assert find_table([tmp_path], "new.csv", "old.csv") == path

    def test_the_first_name_wins_within_a_folder(self, tmp_path: Path) -> None:
        put(tmp_path / "old.csv", "a\n")
        path = put(tmp_path / "new.csv", "a\n")
        assert find_table([tmp_path], "new.csv", "old.csv") == path

    def test_the_first_folder_wins_over_the_first_name(self, tmp_path: Path) -> None:
        path = put(tmp_path / "a" / "old.csv", "a\n")
        put(tmp_path / "b" / "new.csv", "a\n")
        assert find_table([tmp_path / "a", tmp_path / "b"], "new.csv", "old.csv") == path

    def test_nothing_is_found_where_nothing_is(self, tmp_path: Path) -> None:
        (tmp_path / "train.csv").mkdir()
        put(tmp_path / "._train.csv", "")
        assert find_table([tmp_path, tmp_path / "absent"], "train.csv") is None


class TestTable:
    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("a,b\n1,2\n3,4\n", id="plain"),
            pytest.param("\ufeffa,b\n1,2\n3,4\n", id="byte-order-mark"),
            pytest.param("a,b\r\n1,2\r\n3,4\r\n", id="crlf"),
            pytest.param("a,b\n1,2\n3,4", id="no-last-line-end"),
            pytest.param("a,b,\n1,2\n3,4\n", id="comma-on-header"),
            pytest.param("a,b\n1,2,\n3,4,\n", id="comma-on-rows"),
            pytest.param("a,b,\n1,2,\n3,4,\n", id="comma-on-both"),
            pytest.param("a,b,,,\n1,2\n3,4\n", id="commas-on-header"),
            pytest.param("a,b\n1,2,\n3,4\n", id="comma-on-the-first-row"),
            pytest.param(" a , b\n 1 ,2\n3, 4\n", id="blanks"),
            pytest.param('"a","b"\n"1","2"\n\n"3","4"\n', id="quotes-and-an-empty-line"),
        ],
    )
    @pytest.mark.parametrize("packed", [False, True])
    def test_accidents_of_form_make_no_difference(self, tmp_path: Path, text: str, packed: bool) -> None:
        path = put(tmp_path / "table.csv", text)
        if packed:
            path = tmp_path / "table.csv.gz"
            path.write_bytes(gzip.compress(text.encode()))
        table = Table(path, columns=("a", "b"))
        assert list(table.rows("a", "b")) == [("1", "2"), ("3", "4")]
        assert table.columns[:2] == ["a", "b"]
        assert len(table) == 2

    def test_cells_stay_as_they_are_written(self, tmp_path: Path) -> None:
        cells = [
            "1216840915670130610239681234561234567",
            "00099991",
            "NA",
            "nan",
            "1.0",
            "True",
            "2017-01-01",
            "",
        ]
        path = put(tmp_path / "t.csv", ",".join("abcdefgh") + "\n" + ",".join(cells) + "\n")
        assert list(Table(path).rows(*"abcdefgh")) == [tuple(cells)]

    def test_cells_may_hold_commas_and_line_ends(self, tmp_path: Path) -> None:
        path = put(tmp_path / "t.csv", 'a,b\n"x, y\nz",2\n')
        assert list(Table(path).rows("a", "b")) == [("x, y\nz", "2")]

    def test_short_rows_end_in_empty_cells(self, tmp_path: Path) -> None:
        path = put(tmp_path / "t.csv", "a,b,c\n1,2,3\n4\n5,6,7\n")
        assert list(Table(path).rows("c", "a")) == [("3", "1"), ("", "4"), ("7", "5")]

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("a,b,c\n1,2,3\n4,5", id="a-cell"),
            pytest.param("a,b,c\r\n1,2,3\r\n4", id="two-cells"),
            pytest.param("a,b,c\n1,2,\n4,", id="blank-cells"),
            pytest.param('a,b,c\n1,2,3\n"4,5\n6",7', id="comma-and-line-end-in-a-cell"),
            pytest.param("a,b,c,,\n1,2,3\n4,5", id="commas-on-header"),
            pytest.param("a,b,c\n1,2,3,\n4,5", id="comma-on-rows"),
        ],
    )
    @pytest.mark.parametrize("packed", [False, True])
    def test_a_cut_last_line_is_an_error(self, tmp_path: Path, text: str, packed: bool) -> None:
        path = put(tmp_path / "t.csv", text)
        if packed:
            path = tmp_path / "t.csv.gz"
            path.write_bytes(gzip.compress(text.encode()))
        with pytest.raises(SourceError, match=rf"{path.name}: the last line is cut; download it again"):
            Table(path)

    @pytest.mark.parametrize(
        ("text", "last"),
        [
            pytest.param("a,b,c\n1,2,3\n4,,", ("4", "", ""), id="blank-cells"),
            pytest.param("a,b,c\n1,2\n1,2,3\n4,5\n", ("4", "5", ""), id="as-short-as-the-first"),
            pytest.param("a,b,c\n1,2\n", ("1", "2", ""), id="one-row"),
            pytest.param("a,b,c\n1,2,3\n4,5\n", ("4", "5", ""), id="short-but-whole-as-of-Excel"),
            pytest.param('a,b,c\n1,2,3\n"4\n5",6,', ("4\n5", "6", ""), id="line-end-in-a-cell"),
            pytest.param("\ufeffa,b,c\n1,2,\n\n4,5,\n\n", ("4", "5", ""), id="empty-lines"),
            pytest.param("a,b,c\n1,2,,\n4,5,\n", ("4", "5", ""), id="comma-on-the-first-row"),
            pytest.param("a,b,c,\n1,2,,\n4,5,\n", ("4", "5", ""), id="comma-on-header-and-first-row"),
        ],
    )
    def test_a_last_line_that_ends_in_blanks_is_not_cut(
        self, tmp_path: Path, text: str, last: tuple[str, ...]
    ) -> None:
        assert list(Table(put(tmp_path / "t.csv", text)).rows("a", "b", "c"))[-1] == last

    def test_an_optional_column_reads_as_empty(self, tmp_path: Path) -> None:
        table = Table(put(tmp_path / "t.csv", "a,sex\n1,F\n2,M\n"))
        assert list(table.rows("a", table.first_of("gender", "sex"))) == [("1", "F"), ("2", "M")]
        assert list(table.rows("a", table.first_of("view", "projection"))) == [("1", ""), ("2", "")]

    @pytest.mark.parametrize("text", ["a,b\n", "a,b", "a,b\r\n\r\n"])
    def test_a_header_alone_is_an_error(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(SourceError, match=r"t\.csv: a header without rows; download it again"):
            Table(put(tmp_path / "t.csv", text), columns=("a",))

    @pytest.mark.parametrize(
        ("wanted", "message"),
        [
            (("a", "c"), "t.csv: expected column 'c', found 'a', 'b';"),
            (("a", "b", "c", "d"), "t.csv: expected columns 'c', 'd', found 'a', 'b';"),
            (("A", "c"), "t.csv: expected columns 'A', 'c', found 'a', 'b';"),
        ],
    )
    def test_missing_columns_are_named(self, tmp_path: Path, wanted: tuple[str, ...], message: str) -> None:
        path = put(tmp_path / "t.csv", "a,b\n1,2\n")
        with pytest.raises(SourceError) as caught:
            Table(path, columns=wanted)
        assert message in str(caught.value)

    def test_a_missing_choice_of_columns_is_named(self, tmp_path: Path) -> None:
        table = Table(put(tmp_path / "t.csv", "a,b\n1,2\n"), columns=("a",))
        with pytest.raises(SourceError, match="expected column 'c' or 'd', found 'a', 'b';"):
            table.one_of("c", "d")

    @pytest.mark.parametrize("header", HEADERS)
    def test_a_real_header_is_shown(self, tmp_path: Path, header: str) -> None:
        names = header.split(",")
        for lacking in range(len(names)):
            rest = [*names[:lacking], *names[lacking + 1 :]]
            path = put(tmp_path / "t.csv", ",".join(rest) + "\n" + "1," * (len(rest) - 1) + "1\n")
            with pytest.raises(SourceError) as caught:
                Table(path, columns=names)
            assert f"found {', '.join(map(repr, rest))};" in str(caught.value)

    @pytest.mark.parametrize(("header", "row"), [*zip(HEADERS, FIRST_ROWS, strict=True)])
    def test_a_first_row_in_the_place_of_a_header_is_not_shown(
        self, tmp_path: Path, header: str, row: str
    ) -> None:
        path = put(tmp_path / "t.csv", f"{row}\n{row}\n")
        with pytest.raises(SourceError) as caught:
            Table(path, columns=header.split(","))
        count = len(row.split(","))
        assert f"found {count} columns of other names, or no header line;" in str(caught.value)
        with pytest.raises(SourceError, match=r"expected column 'z', found .* or no header line;"):
            Table(path).one_of("z")

    @pytest.mark.parametrize("text", ["a,b\n1,2,3\n", "a,b\n1,2\n1,2,3\n", "a,b\n1,2,\n1,2,3\n"])
    def test_rows_with_more_cells_than_the_header_are_not_guessed_at(self, tmp_path: Path, text: str) -> None:
        path = put(tmp_path / "t.csv", text)
        with pytest.raises(SourceError, match=r"t\.csv: .*download or unpack it again"):
            Table(path)

    def test_whether_warnings_are_shown_makes_no_difference(self, tmp_path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert list(Table(put(tmp_path / "t.csv", "a,b\n1,2,\n")).rows("a", "b")) == [("1", "2")]
            with pytest.raises(SourceError, match="rows have up to 3 cells, the header has 2 columns"):
                Table(put(tmp_path / "t.csv", "a,b\n1,2,3\n"))

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            pytest.param("t.csv", b"", id="empty"),
            pytest.param("t.csv", b"a\n\xff\xfe\n", id="no-utf-8"),
            pytest.param("t.csv", gzip.compress(b"a\n1\n"), id="packed-under-the-plain-name"),
            pytest.param("t.csv.gz", b"a\n1\n", id="plain-under-the-packed-name"),
            pytest.param("t.csv.gz", gzip.compress(b"a\n1\n" * 99)[:-5], id="cut-short"),
            pytest.param("t.csv.gz", gzip.compress(b"a\n1\n")[:10] + b"\xff" * 20, id="damaged"),
        ],
    )
    def test_a_broken_file_is_named_with_the_remedy(self, tmp_path: Path, name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SourceError, match=rf"{name}: not readable as a CSV table .*again"):
            Table(tmp_path / name)
        if content:
            with pytest.raises(SourceError, match=rf"{name}: not readable as a list .*again"):
                read_lines(tmp_path / name)


class TestZippedTable:
    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("a,b\n1,2\n3,4\n", id="plain"),
            pytest.param("\ufeffa,b\n1,2\n3,4\n", id="byte-order-mark"),
            pytest.param("a,b\r\n1,2\r\n3,4\r\n", id="crlf"),
            pytest.param("a,b\n1,2\n3,4", id="no-last-line-end"),
            pytest.param("a,b\n1,2,\n3,4,\n", id="comma-on-rows"),
        ],
    )
    @pytest.mark.parametrize("suffix", [".csv.zip", ".CSV.ZIP"])
    def test_it_reads_like_the_plain_one(self, tmp_path: Path, text: str, suffix: str) -> None:
        path = tmp_path / f"table{suffix}"
        path.write_bytes(zipped(("table.csv", text)))
        table = Table(path, columns=("a", "b"))
        assert list(table.rows("a", "b")) == [("1", "2"), ("3", "4")]
        assert table.path == path

    @pytest.mark.parametrize("name", ["table.csv", "another name.csv", "deep/in/a folder/table.csv"])
    def test_the_name_inside_does_not_matter(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "t.csv.zip").write_bytes(zipped((name, "a\n1\n")))
        assert list(Table(tmp_path / "t.csv.zip").rows("a")) == [("1",)]

    def test_what_macos_adds_is_no_table(self, tmp_path: Path) -> None:
        packed = zipped(("t.csv", "a\n1\n"), ("__MACOSX/._t.csv", "\0\5\26\7"))
        (tmp_path / "t.csv.zip").write_bytes(packed)
        assert list(Table(tmp_path / "t.csv.zip").rows("a")) == [("1",)]

    @pytest.mark.parametrize("text", ["a,b,c\n1,2,3\n4,5", "a,b,c\r\n1,2,3\r\n4"])
    def test_a_cut_last_line_is_an_error(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "t.csv.zip").write_bytes(zipped(("t.csv", text)))
        with pytest.raises(SourceError, match=r"t\.csv\.zip: the last line is cut; download it again"):
            Table(tmp_path / "t.csv.zip")

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            pytest.param(b"a\n1\n", "not a zip file", id="plain-under-the-packed-name"),
            pytest.param(zipped(("t.csv", "a\n1\n"))[:-9], "not a zip file", id="cut-short"),
            pytest.param(zipped(), "0 files inside, expected one table", id="empty"),
            pytest.param(
                zipped(("t.csv", "a\n1\n"), ("u.csv", "a\n1\n")),
                "2 files inside, expected one table",
                id="two-tables",
            ),
            pytest.param(DAMAGED, "", id="damaged"),
            pytest.param(
                zipped(("t.csv", "a\n1\n" * 99)).replace(b"t.csv", b"u.csv", 1), "differ", id="two-names"
            ),
        ],
    )
    def test_a_broken_file_is_named_with_the_remedy(
        self, tmp_path: Path, content: bytes, reason: str
    ) -> None:
        (tmp_path / "t.csv.zip").write_bytes(content)
        with pytest.raises(
            SourceError, match=rf"t\.csv\.zip: not readable as a CSV table .*{reason}.*unpack it again"
        ):
            Table(tmp_path / "t.csv.zip")

    def test_a_list_reads_the_same(self, tmp_path: Path) -> None:
        (tmp_path / "list.txt.zip").write_bytes(zipped(("list.txt", "\ufeffa\r\n\r\n b \r\n")))
        assert read_lines(tmp_path / "list.txt.zip") == ["a", "b"]


class TestReadLines:
    @pytest.mark.parametrize("text", ["a\nb\n", "a\r\nb\r\n", "\ufeffa\n\n b \n\n", "a\nb"])
    def test_accidents_of_form_make_no_difference(self, tmp_path: Path, text: str) -> None:
        assert read_lines(put(tmp_path / "list.txt", text)) == ["a", "b"]
        packed = tmp_path / "list.txt.gz"
        packed.write_bytes(gzip.compress(text.encode()))
        assert read_lines(packed) == ["a", "b"]


class TestNatives:
    def test_are_the_cells_of_columns_that_are_there(self, tmp_path: Path) -> None:
        table = Table(put(tmp_path / "a.csv", "a,b,c\n1, 2 ,\n3,,5\n"))
        assert list(table.natives(("b", "x", "a"))) == [{"b": "2", "a": "1"}, {"b": "", "a": "3"}]

    def test_without_such_columns_every_row_has_none(self, tmp_path: Path) -> None:
        table = Table(put(tmp_path / "a.csv", "a\n1\n2\n"))
        assert list(table.natives(("x",))) == [{}, {}]


def test_semicolons_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Image;View\n1.png;PA\n")
    with pytest.raises(SourceError, match="semicolons between the columns: save it with commas"):
        Table(tmp_path / "a.csv", columns=("Image",))
