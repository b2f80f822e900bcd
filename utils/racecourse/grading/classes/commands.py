"""`racecourse class ...`: an instructor's commands for a class directory, each a thin layer over one module.

Each imports what it needs when it is called, and says at the end what comes next.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from racecourse.plain_errors import plain_errors

class_app = typer.Typer(no_args_is_help=True, help="A class of your own: settings, roster, hand-out, state, marks.")
Class = Annotated[Path | None, typer.Option("--class", help="the class's directory; else the one you are in")]
Set = Annotated[str, typer.Argument(help="a set, such as 01_transformers")]
Yes = Annotated[bool, typer.Option("--yes", help="do it without asking")]


class LatePolicy(StrEnum):
    """As class.toml names them."""

    NONE = "none"
    ZERO = "zero"
    PER_DAY = "per-day"


@class_app.command()
@plain_errors
def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a new folder, outside of the course's clone")],
    roster: Annotated[Path | None, typer.Option(help="CSV from the registrar, Canvas or Moodle")] = None,
    sets: Annotated[str, typer.Option(help="01_transformers,02_...; all if left out")] = "",
    due: Annotated[list[str] | None, typer.Option(help="SET=2026-12-01T23:59:00+01:00; repeat for other sets")] = None,
    name: Annotated[str, typer.Option(help="of the class, for people")] = "",
    db_url: Annotated[str, typer.Option(help="a PostgreSQL gradebook; a file in DIR if left out")] = "",
    late: Annotated[LatePolicy, typer.Option(help="what it costs to hand in late")] = LatePolicy.NONE,
    percent: Annotated[float, typer.Option(min=0, max=100, help="of the score for each day, for per-day")] = 10,
    no_variants: Annotated[bool, typer.Option("--no-variants", help="all students get the public version")] = False,
    exchange: Annotated[str, typer.Option(help="nbgrader's exchange folder, on a server with accounts")] = "",
    course: Annotated[Path | None, typer.Option(help="the course's clone; else the one you are in")] = None,
) -> None:
    """Make the private directory of a class."""
    from racecourse.grading.classes.directory import Late, read_roster
    from racecourse.grading.classes.making import new_class
    from racecourse.learn.notebooks import course_root

    dates = dict(_pair(one) for one in due or [])
    this_class = new_class(
        folder, course_root(course), sets=[one.strip() for one in sets.split(",") if one.strip()], name=name,
        db_url=db_url, variants=not no_variants, due=dates, exchange=exchange,
        late=Late.model_validate({"policy": late.value, "percent": percent}),
        roster=read_roster(roster) if roster else [],
    )  # fmt: skip
    n = len(this_class.roster())
    typer.echo(f"Made {this_class.folder}: {len(this_class.sets)} sets, {n} students.")
    typer.echo(f"Its settings, due dates among them, are in {this_class.folder / 'class.toml'}.")
    first = next(iter(this_class.sets), "SET")
    typer.echo(f"Next: cd {this_class.folder} && " + ("" if n else "racecourse class roster FILE.csv && ")
               + f"racecourse class release {first}")  # fmt: skip


def _pair(text: str) -> tuple[str, str]:
    name, separator, date = text.partition("=")
    if not separator:
        raise ValueError(f"--due wants SET=DATE, such as 01_transformers=2026-12-01T23:59:00+01:00; got {text!r}")
    return name, date


@class_app.command()
@plain_errors
def roster(
    file: Annotated[Path, typer.Argument(help="CSV from the registrar, Canvas or Moodle")], folder: Class = None
) -> None:
    """Add students, and take over changed names; nobody is removed."""
    from racecourse.grading.classes.directory import ClassDirectory, read_roster

    this_class = ClassDirectory.named(folder)
    change = this_class.update_roster(read_roster(file))
    for what, students in (("added", change.added), ("changed", change.changed)):
        for student in students:
            typer.echo(f"{what}: {student.id} ({student.name})")
    for student in change.absent:
        typer.echo(f"not in {file.name}, kept: {student.id} ({student.name})")
    if change.absent:
        typer.echo("Who has left the class is deleted, with all their work, by `racecourse class forget ID`.")
    typer.echo(f"{len(this_class.roster())} students. Next: racecourse class release SET, for those who are new.")


@class_app.command()
@plain_errors
def status(
    students: Annotated[bool, typer.Option("--students", help="also who, for each set")] = False, folder: Class = None
) -> None:
    """Say for each set who handed in, what is graded, missing, late, to be marked by hand, and what to do next."""
    from racecourse.grading.classes.directory import ClassDirectory
    from racecourse.grading.classes.status import status as status_of

    this_class = ClassDirectory.named(folder)
    _show_status(this_class, status_of(this_class), with_students=students)


def _show_status(this_class, found, *, with_students: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=max(Console().width, 100), soft_wrap=True)  # no figure is broken over two lines
    title = f"{this_class.name}: {len(this_class.roster())} students, course {this_class.version}"
    table = Table(title=title, title_justify="left")
    for column in ("set", "due", "handed in", "graded", "refused", "missing", "late", "by hand"):
        table.add_column(column, justify="left" if column in ("set", "due") else "right")
    for one in found:
        counts = (
            one.n_handed_in, one.n("graded"), one.n("refused"), one.n("missing"), one.count(lambda work: work.is_late),
            one.count(lambda work: work.by_hand),
        )  # fmt: skip
        due = f"{one.due:%Y-%m-%d %H:%M}" if one.due else ""
        table.add_row(one.name, due, *map(str, counts))
    console.print(table, markup=False)
    for one in found:
        console.print(f"{one.name}: {one.next_step}", markup=False)
        unknown = [work.student for work in one.works if not work.is_known]
        if unknown:
            console.print(f"{one.name}: not on the roster: {', '.join(unknown)}", markup=False)
        if with_students:
            for work in one.works:
                notes = [work.state, *["late"] * work.is_late, *["to be marked by hand"] * work.by_hand]
                console.print(f"{one.name}  {work.student}: {', '.join(notes)}", markup=False)


@class_app.command()
@plain_errors
def release(
    name: Set,
    to: Annotated[Path | None, typer.Option(help="also copy into this folder, a file for each student")] = None,
    zip_file: Annotated[Path | None, typer.Option("--zip", help="also write them into this zip")] = None,
    folder: Class = None,
) -> None:
    """Make what students get, for each their own version. A version that was drawn before stays."""
    from racecourse.grading.classes.directory import ClassDirectory
    from racecourse.grading.classes.releasing import hand_outs, write_folder, write_zip
    from racecourse.grading.classes.releasing import release as release_set

    this_class = ClassDirectory.named(folder)
    released = release_set(this_class, name)
    if released.notebooks:
        where = next(iter(released.notebooks.values())).parent
        typer.echo(f"{len(released.notebooks)} notebooks in {where}, {released.n_drawn} of them drawn now.")
    else:
        typer.echo(f"All students get the public notebook, in {released.public}.")
    files = hand_outs(this_class, name, released) if to or zip_file else {}
    if to:
        write_folder(files, to)
        typer.echo(f"Copied {len(files)} files to {to}.")
    if zip_file:
        write_zip(files, zip_file)
        typer.echo(f"Wrote {len(files)} files into {zip_file}.")
    typer.echo(f"Next: give them out, and when they come back: racecourse grade {name} submissions.zip")


class Platform(StrEnum):
    """Who reads the marks."""

    CSV = "csv"
    CANVAS = "canvas"
    MOODLE = "moodle"
    WORKSHEET = "moodle-worksheet"


@class_app.command()
@plain_errors
def export(
    file: Annotated[Path, typer.Argument(help="the CSV to write")],
    to: Annotated[Platform, typer.Option(help="whose gradebook will read it")] = Platform.CSV,
    sets: Annotated[list[str] | None, typer.Option("--set", help="only this set; repeat for others")] = None,
    worksheet: Annotated[Path | None, typer.Option(help="the one from Moodle, for --to moodle-worksheet")] = None,
    include_unmarked: Annotated[bool, typer.Option("--include-unmarked", help="also what waits for a person")] = False,
    missing_as_zero: Annotated[bool, typer.Option("--missing-as-zero", help="0 for who handed in nothing")] = False,
    out_of: Annotated[float, typer.Option(help="scale every set's marks to so many points")] = 0.0,
    folder: Class = None,
) -> None:
    """Write the marks for Canvas, Moodle or a spreadsheet. Submissions that wait for a person stay empty."""
    from racecourse.grading.classes.directory import ClassDirectory
    from racecourse.grading.classes.exports import export_class
    from racecourse.grading.classes.late import refresh_penalties

    this_class = ClassDirectory.named(folder)
    refresh_penalties(this_class.folder, this_class.db_url)
    notes = export_class(
        this_class, to.value, file, sets=sets or [], worksheet=worksheet,
        include_unmarked=include_unmarked, missing_as_zero=missing_as_zero, out_of=out_of,
    )  # fmt: skip
    for note in notes:
        typer.echo(f"Note: {note}")
    typer.echo(f"Wrote {file}. Next: import it there, and look at its preview before you confirm.")


@class_app.command()
@plain_errors
def upgrade(
    course: Annotated[Path | None, typer.Option(help="a clone of the newer version; else the class's own")] = None,
    redraw: Annotated[bool, typer.Option("--redraw", help="new versions for who has an impossible one")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="take it over; without this it is only shown")] = False,
    folder: Class = None,
) -> None:
    """Show what a newer version of the course would change; with --yes take it over, after a backup."""
    from racecourse.grading.classes.directory import ClassDirectory, course_version
    from racecourse.grading.classes.upgrading import changes, database_file
    from racecourse.grading.classes.upgrading import upgrade as take_over
    from racecourse.learn.notebooks import course_root

    this_class = ClassDirectory.named(folder)
    root = course_root(course) if course else this_class.root
    found = changes(this_class, root)
    typer.echo(f"{this_class.version} -> {course_version(root)}, {root}")
    for one in found:
        _show_change(one)
    for name in [name for name in this_class.sets if not this_class.has_copy(name)]:
        typer.echo(f"{name}: not handed out yet")
    if not yes:
        typer.echo("Nothing was changed. To take it over: racecourse class upgrade --yes"
                   + (f" --course {course}" if course else ""))  # fmt: skip
        return
    if not database_file(this_class.db_url) and "sqlite" not in this_class.db_url:
        typer.echo("The gradebook is on a server: its backup is yours to make, with pg_dump.")
    backup = take_over(this_class, root, redraw=redraw)
    typer.echo(f"Taken over. Backup: {backup}")
    if root != this_class.course:
        typer.echo(
            f"From now on use that clone's own command, {root / '.venv/bin/racecourse'}: the grader is its own, too."
        )
    for one in found:
        if one.concerns_students or one.impossible:
            typer.echo(f"Next: racecourse class release {one.name}, if students should get the new notebook")
        if one.is_other:
            typer.echo(f"Next: racecourse grade {one.name}, which grades again what the change touches")


def _show_change(one) -> None:
    if one.is_gone:
        typer.echo(f"{one.name}: not in this version of the course; its marks stay, but it can no longer be graded")
        return
    kinds = {
        "tests": one.tests, "points": one.points, "texts": one.texts, "stubs": one.stubs, "solutions": one.solutions,
        "new cells": one.new, "cells that are gone": one.gone,
    }  # fmt: skip
    shown = [f"  {kind}: {', '.join(cells)}" for kind, cells in kinds.items() if cells]
    shown += [
        f"  {cell} has marks given by hand: put it back, or lose them with `racecourse grade {one.name} --drop {cell}`"
        for cell in one.gone_with_marks
    ]
    shown += [f"  {student}'s version: {'; '.join(problems)}" for student, problems in one.impossible.items()]
    if not shown and one.is_other:
        shown = ["  other files of the set"]
    typer.echo("\n".join([f"{one.name}:" if shown else f"{one.name}: as it was", *shown]))


@class_app.command()
@plain_errors
def forget(
    student: Annotated[str, typer.Argument(help="the id on the roster")] = "",
    everyone: Annotated[bool, typer.Option("--everyone", help="the whole class, at its end")] = False,
    yes: Yes = False,
    folder: Class = None,
) -> None:
    """Delete what is kept of one student, or of all: work, marks, feedback, versions. It cannot be undone."""
    from racecourse.grading.classes import forgetting
    from racecourse.grading.classes.directory import ClassDirectory

    if bool(student) == everyone:
        raise ValueError("name one student, or say --everyone")
    this_class = ClassDirectory.named(folder)
    wanted = this_class.course_id if everyone else student
    if not yes:
        what = f"everything of all students of {this_class.name!r}" if everyone else f"everything of {student!r}"
        if typer.prompt(f"This deletes {what}, backups too. To go on, type {wanted}") != wanted:
            raise ValueError("that is another name; nothing was deleted")
    deleted = forgetting.forget_everyone(this_class) if everyone else forgetting.forget(this_class, student)
    for line in deleted:
        typer.echo(f"deleted: {line}")
    if not this_class.exchange:
        typer.echo("class.toml names no exchange of nbgrader's; if there is one, write it there, and forget again.")
    left = forgetting.mentions(this_class, student) if student else []
    for path in left:
        typer.echo(f"still names them, and is yours to look at: {path}")


@class_app.command()
@plain_errors
def link(
    hub: Annotated[str, typer.Option(help="the hub's address, https://hub.example.edu")], folder: Class = None
) -> None:
    """Put the notebooks without outputs on the branch `students`, and print the link that students pull it by."""
    from racecourse.grading.classes.branch import link as link_to
    from racecourse.grading.classes.branch import publish, repository_of
    from racecourse.grading.classes.directory import ClassDirectory

    this_class = ClassDirectory.named(folder)
    published = publish(this_class.root, exercises=not this_class.variants)
    state = "has a new commit" if published.is_new else "is up to date"
    typer.echo(f"The branch students {state}: {published.commit[:10]}")
    typer.echo("Next: git push origin students    (never with --force)")
    typer.echo(link_to(hub, repository_of(this_class.root)))
