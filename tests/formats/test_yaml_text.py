from __future__ import annotations

from pathlib import Path

import pytest

from springtide.formats.entries import Entry, Source
from springtide.formats.yaml_text import parse_yaml, read_yaml
from springtide.model.errors import FleetFileError, InputError


def parse(text: str) -> Entry:
    return parse_yaml(text, Source("some.yaml", FleetFileError))


def refusal(text: str) -> InputError:
    with pytest.raises(FleetFileError) as caught:
        parse(text)
    return caught.value


def test_every_key_and_item_knows_its_line_and_dotted_key() -> None:
    root = parse("a:\n  b: 1\n  c:\n    - x\n    -\n      d: 2\n")
    inner = root.mapping()["a"].mapping()["c"].sequence()[1].mapping()["d"]
    assert (inner.line, inner.key, inner.value) == (6, "a.c[1].d", 2)
    assert root.mapping()["a"].mapping()["c"].line == 3


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-0x1F", -31),
        ("0o17", 15),
        ("1_000", 1000),
        ("1.50", 1.5),
        ("true", True),
        ("yes", "yes"),
        ("null", None),
        ("~", None),
        ("2020-01-01", "2020-01-01"),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("22:22", "22:22"),
        (".inf", float("inf")),
        ("-.inf", float("-inf")),
        ("=", "="),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    assert parse(text).value == value


def test_an_empty_file_is_nothing_on_line_1() -> None:
    assert parse("# only a comment\n") == Entry(None, 1, "", Source("some.yaml", FleetFileError))


def test_merged_mappings_give_way_to_own_keys_and_earlier_ones_to_later_lists() -> None:
    root = parse("x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: [*x, *y]\n  a: 3\n")
    assert root.mapping()["z"].plain() == {"a": 3, "b": 1, "c": 2}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "second time; the first is on line 1"),
        ("a:\n\tb: 1\n", 2, "A tab"),
        ("a: [1\n", 1, "isn't valid YAML"),
        ("a: 'x\n", 1, "isn't valid YAML"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: 1\nb: *nowhere\n", 2, "undefined alias"),
        ("a: 1\nb: !reset 2\n", 2, "The tag !reset"),
        ("a: !!set {x}\n", 1, "The tag !!set"),
        ("a: 1\n2: b\n", 2, "A key must be text, not '2'"),
        ("? [a]\n: b\n", 1, "A key must be text, not a list or mapping"),
        ("a: &a [*a]\n", 1, "contains itself"),
        ("a: 1\n<<: 5\n", 2, "Only mappings can be merged"),
        ("a: !!int x\n", 1, "isn't a number"),
        ("a:\n  mode: 0755\n", 2, "755 to some readers of YAML and 493 to others"),
        ("[" * 5000, 0, "nested too deeply"),
        ("a: \0", 0, "isn't valid YAML"),
        ("a: 0x" + "f" * 5000, 1, "isn't a number"),
    ],
)
def test_malformed_text_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    error = refusal(text)
    assert words in error.sentence
    assert (error.file, error.line) == ("some.yaml", line)
    assert error.remedy


def test_aliases_of_aliases_are_refused_before_they_fill_the_memory() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "more than 100000 values" in refusal("\n".join(lines)).sentence


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FleetFileError, match="no such file"):
        read_yaml(tmp_path / "nowhere.yaml", FleetFileError)


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FleetFileError, match="can't be read"):
        read_yaml(tmp_path, FleetFileError)


def test_a_file_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    with pytest.raises(FleetFileError, match="Byte 3 isn't valid UTF-8"):
        read_yaml(tmp_path / "latin.yaml", FleetFileError)


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(tmp_path / "bom.yaml", FleetFileError).plain() == {"a": 1}
