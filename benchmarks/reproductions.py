"""Pages that `aae reproduce` has written, put together as docs/reproduction.md.

    aae reproduce table-3 --seeds 1 --out FOLDER
    python benchmarks/reproductions.py FOLDER ... [--keep PICTURE]
    python benchmarks/reproductions.py --renew

The section of each folder is replaced or added, and the sections of other experiments stay as they are. Rows of the
table that the folder has no run of stay, too, with their pictures and commands: take them out of the page by hand when
their recipe has changed. With --renew words and other people's numbers are those of the program, and what was measured
stays. Pictures go to docs/images/reproduction, smaller than they were drawn. --keep curves leaves the file of that name
as it is: a folder with a few of the rows would draw a few of the curves.
"""

from __future__ import annotations

import argparse
import io
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from aae.reproduction import EXPERIMENTS, Budget
from aae.reproduction.experiment import Case
from aae.reproduction.page import page
from aae.storage import write_atomic

ROOT = Path(__file__).parents[1]
HEAD = """# The paper's experiments, run again

Each section is the page that `aae reproduce NAME` writes; the folder that it writes also holds the runs, the pictures
and every setting. `--budget quick` trains for as long as the section says, `--budget full` for as long as the recipe; a
reproduction that was stopped goes on. Sections are made from those folders by
`python benchmarks/reproductions.py FOLDER ...`.
"""
WIDEST = 900
"""Pixels across a picture of the documentation."""


def section(folder: Path, pictures: Path, keep: Collection[str] = ()) -> tuple[str, str]:
    """The name of the experiment in a folder, and its page as a section; its pictures are copied to `pictures`.

    keep: stems of pictures that are not copied over those that are there.
    """
    text = (folder / "README.md").read_text(encoding="utf-8")
    name = _name(text)
    if name not in EXPERIMENTS:
        raise SystemExit(f"{folder}/README.md does not say which experiment it is; run aae reproduce again")

    def copied(match: re.Match[str]) -> str:
        target = pictures / f"{name}-{match[2]}"
        if not (target.exists() and Path(match[2]).stem in keep):
            write_atomic(target, smaller(folder / match[2]))
        return f"![{match[1]}]({target.relative_to(pictures.parents[1])})"

    return name, "#" + re.sub(r"!\[([^\]]*)\]\(([^)/]+)\)", copied, text).strip() + "\n"


def smaller(file: Path) -> bytes:
    """A picture of at most 256 colours and WIDEST pixels across, as the content of a PNG file."""
    with Image.open(file) as image:
        image = image.convert("RGB")
        if image.width > WIDEST:
            image = image.resize((WIDEST, round(image.height * WIDEST / image.width)), Image.Resampling.LANCZOS)
        content = io.BytesIO()
        image.quantize(256, dither=Image.Dither.NONE).save(content, "PNG", optimize=True)
    return content.getvalue()


def sections(text: str) -> dict[str, str]:
    """The sections of a page by the names of their experiments, which their titles begin with."""
    parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)[1:]
    titles = {experiment.title.split(":")[0]: name for name, experiment in EXPERIMENTS.items()}
    return {titles[part[3:].split(":")[0]]: part.strip() + "\n" for part in parts}


@dataclass
class Section:
    """A section taken apart. table: cells, the head first; pictures: with their captions; made: who made the rows."""

    head: str
    table: list[list[str]]
    words: str
    pictures: list[str]
    made: list[str]

    @classmethod
    def of(cls, text: str) -> Section:
        lines = text.splitlines()
        rows = [i for i, line in enumerate(lines) if line.startswith("|")]
        table = [
            [cell.strip() for cell in lines[i][2:-2].split(" | ")] for i in rows if not lines[i].startswith("| ---")
        ]
        head, rest = "\n".join(lines[: rows[0]]), "\n".join(lines[rows[-1] + 1 :])
        pictures = re.findall(r"^!\[[^\]]*\]\([^)]+\)\n\n.+$", rest, re.MULTILINE)
        made = re.findall(r"^Made .+$", rest, re.MULTILINE)
        for part in (*pictures, *made):
            rest = rest.replace(part, "")
        return cls(head, table, re.sub(r"\n{3,}", "\n\n", rest), pictures, made)

    def __str__(self) -> str:
        first, *others = ["| " + " | ".join(row) + " |" for row in self.table]
        table = "\n".join([first, "| " + " | ".join(["---"] * len(self.table[0])) + " |", *others])
        parts = [self.head, table, self.words, *self.pictures, *self.made]
        return "\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"


def merged(before: str, after: str) -> str:
    """The section `after`, and from the one before it the rows that it has no run of, their pictures and commands.

    What the paper and others report stands in both, and is taken from `after`. SystemExit rather than a row lost or
    described as it was not made.
    """
    old, new = Section.of(before), Section.of(after)
    seeds, known = new.table[0].index("seeds"), {row[0]: row for row in old.table}
    there_now = {row[0] for row in new.table}
    lost = [row[0] for row in old.table[1:] if row[0] not in there_now and row[seeds] not in ("", "0")]
    if old.table[0] != new.table[0] or lost:
        what = f"has no row {lost[0]}" if lost else "has other columns"
        raise SystemExit(
            f"{new.head.strip('# ')} {what} now: put that right in docs/reproduction.md by hand, or run it again"
        )
    kept = []
    for i, row in enumerate(new.table):
        there = known.get(row[0], row)
        if row[seeds] == "0" and there[seeds] != "0":
            new.table[i] = [*row[:2], *there[2:-1], row[-1]]
            kept.append(row[0])
    if not any(row[seeds] == "" for row in new.table):
        new.table += [row for row in old.table if row[seeds] == ""]  # controls
    if not kept:
        return str(new)
    if _budget(before) != _budget(after):
        raise SystemExit(f"{new.head.strip('# ')}: the page has rows of another budget; run all rows with one of them")
    if any("±" in row[2] for row in new.table):
        new.words = new.words.replace("Ours: one seed each, seed 0.", SPREAD)
    drawn = [picture.split("](")[1].split(")")[0] for picture in new.pictures]
    new.pictures += [picture for picture in old.pictures if not any(f"({file})" in picture for file in drawn)]
    made_by = makers(old.made, EXPERIMENTS[_name(after)].cases)
    if unclaimed := [name for name in kept if name not in made_by]:
        raise SystemExit(f"{new.head.strip('# ')}: no line says which command made {unclaimed[0]}; add one by hand")
    of_kept: dict[str, list[str]] = {}
    for name in kept:
        of_kept.setdefault(made_by[name], []).append(name)
    new.made += [f"Made before, by {command}: {', '.join(names)}." for command, names in of_kept.items()]
    return str(new)


def makers(made: Sequence[str], cases: Sequence[Case]) -> dict[str, str]:
    """The command that made each row of a table, by the row's name, from the lines below the table.

    A line "Made before" names its rows. The line "Made by" may have several commands: each made the rows of its --only,
    and one without --only every row that no other one is said to have made. SystemExit for a row that has no case.
    """
    found: dict[str, str] = {}
    for line in made:
        commands = re.findall(r"`aae reproduce [^`]*`", line)
        if line.startswith("Made before"):
            rest = line.partition(f"{commands[0]}: ")[2].removesuffix(".")
            while rest:
                listed = [case.name for case in cases if rest == case.name or rest.startswith(f"{case.name}, ")]
                if not listed:
                    raise SystemExit(f'"{rest}" is no row that the program has; mend that line by hand: {line}')
                name = max(listed, key=len)  # a name may begin with another one, and have commas in it
                found[name] = commands[0]
                rest = rest[len(name) :].removeprefix(", ")
            continue
        for command in commands:
            only = command.strip("`").partition(" --only ")[2].split()
            found |= {case.name: command for case in cases if case.key in only or (not only and case.name not in found)}
    return found


def renewed(name: str, before: str) -> str:
    """The section with the words that the program has now, and the numbers and pictures that it had."""
    words = "#" + page(name, EXPERIMENTS[name], {}, _budget(before), {})
    found = Section.of(merged(before, words))
    found.made = Section.of(before).made
    return str(found)


SPREAD = "Ours: mean and standard deviation over seeds, from 0 on."


def _budget(text: str) -> Budget:
    return "full" if "--budget full" in text else "quick"


def _name(text: str) -> str:
    """The experiment that a page or section says it is; "" if it does not."""
    made = re.search(r"Made by `aae reproduce (\S+)", text)
    return made[1] if made else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--renew", action="store_true", help="take words and other people's numbers from the program")
    parser.add_argument("--keep", action="append", default=[], metavar="PICTURE", help="a picture that stays as it is")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "reproduction.md")
    args = parser.parse_args()
    if not (args.folders or args.renew):
        parser.error("name the folders of reproductions, or --renew")
    if unknown := [name for name in args.keep if not any((folder / f"{name}.png").exists() for folder in args.folders)]:
        parser.error(f"--keep {unknown[0]}: no folder has a picture {unknown[0]}.png")
    pictures = args.out.parent / "images" / "reproduction"
    pictures.mkdir(parents=True, exist_ok=True)
    found = sections(args.out.read_text(encoding="utf-8")) if args.out.exists() else {}
    if args.renew:
        found = {name: renewed(name, text) for name, text in found.items()}
    for folder in args.folders:
        name, made = section(folder, pictures, args.keep)
        found[name] = merged(found[name], made) if name in found else made
    write_atomic(args.out, "\n".join([HEAD, *absent(found), *in_order(found)]).encode())


def in_order(found: dict[str, str]) -> list[str]:
    return [found[name] for name in EXPERIMENTS if name in found]


def absent(found: dict[str, str]) -> list[str]:
    """What the command can run and the page has no section of."""
    names = [f"`{name}`" for name in EXPERIMENTS if name not in found]
    return [f"Not run yet: {', '.join(names)}.\n"] if names else []


if __name__ == "__main__":
    main()
