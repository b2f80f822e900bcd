"""Lists of students as registrars and platforms export them. Columns are those of Canvas's and Moodle's own exports."""

from pathlib import Path

import pytest

from racecourse.grading.classes.rosters import Student, read_roster, write_roster

CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,Set 01 (77)
    Points Possible,,,,,100
"Lovelace, Ada",4711,S-001,ada7,Autumn A,
"Öztürk, Mert Can",4712,S-002,mert,"Autumn A and Autumn B",
"Student, Test",4999,,8f3a9c,Autumn A,
"""
MOODLE = """\
First name,Last name,ID number,Email address,Groups
Ada,Lovelace,S-001,ada@example.org,A
Mert Can,Öztürk,S-002,mert@example.org,
"""
REGISTRAR = """\
Student ID;Surname;First name;Programme
S 1/24;Lovelace;Ada;Maths
0815;Öztürk;Mert Can;Physics
;;;
"""
IN_CANVAS = [
    Student("ada7", "Ada", "Lovelace", lms_id="4711", sis_id="S-001", login="ada7", section="Autumn A"),
    Student("mert", "Mert Can", "Öztürk", lms_id="4712", sis_id="S-002", login="mert",
            section="Autumn A and Autumn B"),
]  # fmt: skip
IN_MOODLE = [
    Student("S-001", "Ada", "Lovelace", "ada@example.org", sis_id="S-001", section="A"),
    Student("S-002", "Mert Can", "Öztürk", "mert@example.org", sis_id="S-002"),
]
AT_REGISTRAR = [Student("S_1_24", "Ada", "Lovelace", sis_id="S 1/24"), Student("0815", "Mert Can", "Öztürk")]


def written(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "list.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_platforms_export_is_taken_as_it_comes(tmp_path: Path, encoding: str, separator: str, newline: str) -> None:
    text = MOODLE.replace(",", separator).replace("\n", newline)
    if encoding == "cp1252":
        text = text.replace("ş", "s")
    assert read_roster(written(tmp_path, text, encoding)) == IN_MOODLE


@pytest.mark.parametrize(("text", "students"), [(CANVAS, IN_CANVAS), (REGISTRAR, AT_REGISTRAR)])
def test_each_column_goes_where_it_belongs(tmp_path: Path, text: str, students: list[Student]) -> None:
    assert read_roster(written(tmp_path, text)) == students


@pytest.mark.parametrize(
    ("header", "student"),
    [
        ("id", Student("x1")),
        ("ID", Student("x1")),
        ("Student ID", Student("x1")),
        ("SIS User ID", Student("x1", sis_id="x1")),
        ("ID number", Student("x1", sis_id="x1")),
        ("Username", Student("x1", login="x1")),
        ("login", Student("x1", login="x1")),
        ("E-mail address", Student("x1", email="x1")),
        ("lms_id", Student("x1", lms_id="x1")),
    ],
)
def test_any_of_the_usual_columns_gives_the_id(tmp_path: Path, header: str, student: Student) -> None:
    assert read_roster(written(tmp_path, f"{header},Note\nx1,late\n")) == [student]


def test_of_several_ids_the_one_called_so_counts(tmp_path: Path) -> None:
    text = "Email,Login,ID,Name\na@x.org,ada7,1,Ada Lovelace\n"
    assert read_roster(written(tmp_path, text)) == [Student("1", "Ada", "Lovelace", "a@x.org", login="ada7")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id\nada\nbo\nada\n", "line 4: the id 'ada' is that of line 2, too"),
        ("id\na b\na_b\n", "line 3: the id 'a_b'"),
        ("id,First name\nada,Ada\n,Bo\n", "line 3: there is no id"),
        ('id,Note\nada,"two\nlines"\n,x\n', "line 4: there is no id"),
        ("id\nada\n...\n", "line 3: there is no id"),
        ("Surname,Age\nLovelace,36\n", "it has 'Surname', 'Age'"),
        ("", "an empty line"),
    ],
)
def test_what_cannot_be_a_list_of_students_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        read_roster(written(tmp_path, text))
    assert said in str(refused.value) and "list.csv" in str(refused.value)


def test_neither_utf8_nor_windows(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"id\n\x81\n")
    with pytest.raises(ValueError, match="save it as 'CSV UTF-8'"):
        read_roster(path)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    students = [*IN_CANVAS, Student("q", 'A "B"', "C, D; E"), Student("z")]
    write_roster(tmp_path / "roster.csv", students)
    assert read_roster(tmp_path / "roster.csv") == students
    first = (tmp_path / "roster.csv").read_text(encoding="utf-8").split("\n")[0]
    assert first == "id,first_name,last_name,email,lms_id,sis_id,login,section"
