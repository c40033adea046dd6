"""Tables in files: the right numbers whoever wrote them, or a refusal that names the file and the line."""

import gzip
import io
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from desgd_fast.common.files import tables

NAN = math.nan


def read(text: str | bytes, **options: object) -> tables.Table:
    data = text.encode() if isinstance(text, str) else text
    return tables.parse("path", "x.csv", data, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "names", "columns"),
    [
        # The four values of a published example, by whoever wrote them.
        ("9.5\n4.25\n2.5\n1.75\n", (), [[9.5, 4.25, 2.5, 1.75]]),
        ("x\n9,5\n4,25\n2,5\n1,75\n", ("x",), [[9.5, 4.25, 2.5, 1.75]]),
        ('"9.5"\n4.25\n2.5\n1.75\n', (), [[9.5, 4.25, 2.5, 1.75]]),
        ("\ufeff9.5\n4.25\n2.5\n1.75\n", (), [[9.5, 4.25, 2.5, 1.75]]),
        ("a,b\n9.5,1.5,\n4.25,2.5,\n", ("a", "b"), [[9.5, 4.25], [1.5, 2.5]]),
        ("a,b,\n9.5,1.5\n4.25,2.5\n", ("a", "b"), [[9.5, 4.25], [1.5, 2.5]]),
        # Separators and decimals.
        ("a;b\n1,5;2\n1;3,25\n", ("a", "b"), [[1.5, 1], [2, 3.25]]),
        ("a\tb\n1,5\t2\n1\t3,25\n", ("a", "b"), [[1.5, 1], [2, 3.25]]),
        ("a b\n 1,5   2\n1\t3,25 \n", ("a", "b"), [[1.5, 1], [2, 3.25]]),
        ('a,b\n"1,5","2"\n"1","3,25"\n', ("a", "b"), [[1.5, 1], [2, 3.25]]),
        ("1.5, 2.5\n3.5, 4.5\n", (), [[1.5, 3.5], [2.5, 4.5]]),
        ("x,y\n1,5\n2,7\n", ("x", "y"), [[1, 2], [5, 7]]),
        ("a;b\n1,234;5\n2,34;6\n", ("a", "b"), [[1.234, 2.34], [5, 6]]),
        ("wait time\n1\n2\n", ("wait time",), [[1, 2]]),
        ("# made by hand\n\n1.5\n2.5\n\n", (), [[1.5, 2.5]]),
        ("a,b\r1,2\r3,4", ("a", "b"), [[1, 3], [2, 4]]),
        # Headers and rows that look like the other.
        ("n,0.1,0.2\n1,5,6\n2,7,8\n", ("n", "0.1", "0.2"), [[1, 2], [5, 7], [6, 8]]),
        ("2020\n2021\n1999\n", (), [[2020, 2021, 1999]]),
        ("9\n3\n4000\n", (), [[9, 3, 4000]]),
        ("2020,x\n3,4\n5,6\n", ("2020", "x"), [[3, 5], [4, 6]]),
        # Numbers of any length, and missing ones.
        ("x\n12345678901234567890123456\n1e3\n", ("x",), [[12345678901234567890123456.0, 1000]]),
        ("x\n1.5\n\nNA\n2.5\n", ("x",), [[1.5, NAN, NAN, 2.5]]),
        ("a,b\n1,\n2,3\n", ("a", "b"), [[1, 2], [NAN, 3]]),
        ("x\ninf\n-Infinity\n.5\n5.\n+1\n", ("x",), [[math.inf, -math.inf, 0.5, 5, 1]]),
    ],
)
def test_the_numbers_are_those_that_were_written(text: str, names: tuple, columns: list) -> None:
    table = read(text)
    assert table.names == names
    np.testing.assert_array_equal(table.values, columns)
    np.testing.assert_array_equal(read(gzip.compress(text.encode())).values, columns)
    np.testing.assert_array_equal(read(text.encode("utf-16")).values, columns)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no values"),
        ("a,b\n1,2\n3\n", "line 3: 1 cells where line 1 has 2"),
        ("a,b\n1,2\n\n3,4,5\n", "line 4: 3 cells where line 1 has 2"),
        ('a,b\n1,2\n"3,4\n', "line 3: unexpected end of data"),
        ('x\n1\n"2"3\n', "line 3: more text behind a closing quote"),
        ("a,a\n1,2\n3,4\n", "line 1: the name 'a' stands over two columns"),
        ("9,5\n4,25\n2,5\n", r"2 columns \(separator='comma', .*\) or 1 column \(decimal='comma'\)"),
        ("a;b\n1,234;5\n5,678;6\n", "numbers like 1,234, whose comma may stand before decimals or not"),
        ("x\n1,5\n2,7\n3,1\n", "whose comma may stand before decimals or not"),
        ("a;b;c\n1,5;2;t\n1,5;2.5;t\n1.5;2.5;t\n", "can be read as"),
        ("2020\n1.5\n2.5\n", r"the first line \(2020\) may be a header or a row"),
        ("2020\n3\n4\n", r"the first line \(2020\) may be a header or a row"),
        ("2019;2020\n0;2020\n0;0\n", "may be a header or a row"),
        ("0;1\n0;1\n1;0\n", "may be a header or a row"),
        ("0\n0.5\n0.7\n", "may be a header or a row"),
        ("0,1,2\n5,6,7\n8,9,7\n", "may be a header or a row"),
        ("country,2020\nFrance,1.5\nSpain,2.5\n", "may be a header or a row"),
        ("1_000\n2\n3\n", "may be a header or a row"),
        ("a,b\nx,y\n", "holds no column of numbers, but entries like 'x'"),
        ("x\n1\n2\0\n", "line 3: no text but bytes"),
    ],
)
def test_what_would_be_a_guess_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        read(text)
    assert "x.csv" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "options", "columns"),
    [
        ("9,5\n4,25\n", {"decimal": "comma"}, [[9.5, 4.25]]),
        ("9,5\n4,25\n", {"separator": "comma"}, [[9, 4], [5, 25]]),
        ("2020\n1.5\n2.5\n", {"header": True}, [[1.5, 2.5]]),
        ("2020\n1.5\n2.5\n", {"header": False}, [[2020, 1.5, 2.5]]),
        ("a;b\n1,234;5\n5,678;6\n", {"decimal": "comma"}, [[1.234, 5.678], [5, 6]]),
    ],
)
def test_what_is_refused_can_be_said(text: str, options: dict, columns: list) -> None:
    np.testing.assert_array_equal(read(text, **options).values, columns)


def test_row_numbers_of_pandas_are_no_data() -> None:
    frame = pd.DataFrame({"size": [1.5, 2.5, 0.25]}, index=[7, 3, 5])
    table = read(frame.to_csv())
    assert table.column("column", None) == 1
    assert table.notes() == ("'x.csv': the first column, row numbers without a name, left out",)
    again = read(pd.read_csv(io.StringIO(frame.to_csv())).to_csv())
    assert again.n_row_numbers == 2
    np.testing.assert_array_equal(again.numbers(again.column("column", "size")), frame["size"])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [",", ";", "\t", " "])
@pytest.mark.parametrize("decimal", [".", ","])
def test_cell_by_cell_and_all_at_once_are_the_same(mark: str, decimal: str, end: str) -> None:
    if mark == decimal:
        return
    x = np.random.default_rng(0).standard_cauchy((40, 3)) * 10.0 ** np.arange(-300, 300, 15)[:, np.newaxis]
    lines = [mark.join(map(repr, row)) for row in x.tolist()]
    fast = end.join(["a b c".replace(" ", mark), *(line.replace(".", decimal) for line in lines)])
    # One quoted name makes the text less than regular.
    slow = fast.replace("a", '"a"', 1)
    for table in (read(fast), read(slow)):
        np.testing.assert_array_equal(table.values.T, x)
        np.testing.assert_array_equal(table.lines, np.arange(2, 42))


def test_columns_are_found_by_name_and_by_number() -> None:
    table = read("a,2,c\n1,2,x\n3,4,y\n")
    assert table.column("target", "a") == 0
    assert table.column("target", "1") == 1
    with pytest.raises(ValueError, match="target: '2' is the name of one column and the number of another"):
        table.column("target", "2")
    with pytest.raises(ValueError, match="target must be one of the columns 'a', '2', 'c', got 'b'"):
        table.column("target", "b")
    with pytest.raises(ValueError, match="line 2: column 'c' is not numeric, it holds 'x'"):
        table.numbers(2)


def test_text_beyond_the_head_is_held_to_the_dialect() -> None:
    rows = "1.5,2.5\n" * 3000
    assert read("a,b\n" + rows).values.shape == (2, 3000)
    for odd, message in (
        ("1;5,2.5\n", "line 3002: column 'a' is not numeric"),
        ("1\n", "line 3002: 1 cells"),
    ):
        with pytest.raises(ValueError, match=message):
            read("a,b\n" + rows + odd).numbers(0)


@pytest.mark.parametrize("dtype", [">f4", "<i8", "u1", "f2"])
def test_arrays_come_back_as_written(tmp_path: Path, dtype: str) -> None:
    array = np.arange(6).reshape(3, 2).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    np.savez_compressed(tmp_path / "one.npz", array)
    np.savez(tmp_path / "two.npz", left=array[:, 0], right=array[:, 1])
    for name in ("a.npy", "one.npz", "two.npz"):
        table = tables.read("path", tmp_path / name)
        np.testing.assert_array_equal(table.values, array.T)
    assert table.names == ("left", "right")


@pytest.mark.parametrize(
    "array", [np.zeros((2, 2, 2)), np.float64(3), np.array([1 + 2j]), np.array(["a"]), np.zeros(0)]
)
def test_arrays_that_are_no_tables_are_refused(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=r"a\.npy"):
        tables.read("path", tmp_path / "a.npy").numbers(0)


@pytest.mark.parametrize(
    "content", [b"\x93NUMPY", b"PK\x03\x04abc", b"\x1f\x8babc", b"\xff\xfe\x00", b"\xe4\n1\n"]
)
def test_damaged_files_are_refused_by_name(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"x\.csv"):
        read(content)


def read_or_refuse(data: str | bytes) -> tables.Table | None:
    """The table, or None where the file is refused by its name."""
    try:
        return read(data)
    except ValueError as error:
        if "x.csv" not in str(error):
            raise
        return None


def written(value: float, decimal: str) -> str:
    return repr(value).replace(".", decimal)


@st.composite
def files(draw: st.DrawFn) -> tuple[str, list[list[float]]]:
    """A table in any dialect, and its columns."""
    number = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**30), 10**30).map(float)
    if draw(st.booleans()):
        number = st.integers(0, 12).map(float)
    width = draw(st.integers(1, 3))
    rows = draw(st.lists(st.lists(number, min_size=width, max_size=width), min_size=1, max_size=6))
    whole = draw(st.booleans())
    decimal = draw(st.sampled_from(".,"))
    mark = draw(st.sampled_from([",", ";", "\t", " ", ", ", "  "]))
    quoted = draw(st.sampled_from(["none", "first", "all"]))
    header = draw(st.sampled_from(["", "", "names", "years", "blank"]))

    def cell(value: float, first: bool) -> str:
        text = written(value, decimal)
        if whole and value == int(value) and abs(value) < 1e15:
            text = str(int(value))
        needs = decimal == "," and mark[0] == "," and "," in text
        return f'"{text}"' if needs or quoted == "all" or (quoted == "first" and first) else text

    lines = [mark.join(cell(v, r == 0 and c == 0) for c, v in enumerate(row)) for r, row in enumerate(rows)]
    names = [str(2019 + c) if header == "years" else f"n{c}" for c in range(width)]
    if header:
        lines.insert(
            0,
            mark.join(['""' if header == "blank" and c == 0 < width - 1 else n for c, n in enumerate(names)]),
        )
    trailing = mark[0] if draw(st.booleans()) else ""
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = draw(st.sampled_from(["", "\ufeff"])) + end.join(line + trailing for line in lines)
    return text + draw(st.sampled_from(["", end, end + end])), [
        list(column) for column in zip(*rows, strict=True)
    ]


@given(files())
@example(("1,5\n2,6", [[1.5, 2.6]]))
def test_files_of_any_dialect_are_read_right_or_refused(file: tuple[str, list[list[float]]]) -> None:
    text, columns = file
    table = read_or_refuse(text)
    if table is None:
        return
    assert table.values[table.n_row_numbers :].tolist() == columns[table.n_row_numbers :]
    assert not table.odd


@given(st.text(alphabet="0123456789.,;\t \n\r\"'abN#-+e\ufeff", max_size=60) | st.binary(max_size=60))
def test_anything_is_read_or_refused_with_its_name(data: str | bytes) -> None:
    table = read_or_refuse(data)
    assert table is None or (table.values.ndim == 2 and table.values.size)
