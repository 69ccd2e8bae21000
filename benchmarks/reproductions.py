"""Pages that `aae reproduce` has written, put together as docs/reproduction.md.

    aae reproduce table-3 --seeds 1 --out FOLDER
    python benchmarks/reproductions.py FOLDER ...

The section of each folder is replaced or added, and the sections of other experiments stay as they are. Rows of the
table that the folder has no run of stay, too, with their pictures and commands: take them out of the page by hand when
their recipe has changed. Pictures go to docs/images/reproduction, smaller than they were drawn.
"""

from __future__ import annotations

import argparse
import io
import re
from pathlib import Path

from PIL import Image

from aae.reproduction import EXPERIMENTS
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


def section(folder: Path, pictures: Path) -> tuple[str, str]:
    """The name of the experiment in a folder, and its page as a section; its pictures are copied to `pictures`."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    name = _name(text)
    if name not in EXPERIMENTS:
        raise SystemExit(f"{folder}/README.md does not say which experiment it is; run aae reproduce again")

    def copied(match: re.Match[str]) -> str:
        target = pictures / f"{name}-{match[2]}"
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


def sections(page: str) -> dict[str, str]:
    """The sections of a page by the names of their experiments, which their titles begin with."""
    parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)[1:]
    titles = {experiment.title.split(":")[0]: name for name, experiment in EXPERIMENTS.items()}
    return {titles[part[3:].split(":")[0]]: part.strip() + "\n" for part in parts}


def merged(before: str, after: str) -> str:
    """The section `after`, and from the one before it the rows that it has no run of, their pictures and commands."""
    old = {cells[0]: cells for cells in _table(before)}
    new = {cells[0]: cells for cells in _table(after)}
    seeds = new[""].index("seeds")
    if old[""] != new[""]:
        return after
    kept = [name for name, cells in new.items() if cells[seeds] == "0" and old.get(name, cells)[seeds] != "0"]
    if not kept:
        return after
    for name in kept:
        after = after.replace(_line(new[name]), _line(old[name]))
    if any("±" in old[name][2] for name in kept):
        after = after.replace("Ours: one seed each.", "Ours: mean and standard deviation over seeds.")
    fresh = set(re.findall(PICTURE, after))
    pictures = [found for found in re.findall(rf"{PICTURE}\n\n.*\n\n", before) if found.split("\n")[0] not in fresh]
    body, made, last = after.partition("\nMade by ")
    keys = {case.name: case.key for case in EXPERIMENTS[_name(after)].cases}
    earlier = [
        command for command in dict.fromkeys(re.findall(r"`aae reproduce [^`]*`", before)) if command not in made + last
    ]
    of_kept = [
        command
        for command in earlier
        if "--only" not in command or any(re.search(rf" {keys[name]}[ `]", command) for name in kept)
    ]
    said = f"Made before, by {', then '.join(of_kept)}: {', '.join(kept)}.\n"
    return body.rstrip("\n") + "\n\n" + "".join(pictures) + made.lstrip("\n") + last.rstrip("\n") + "\n\n" + said


PICTURE = r"!\[[^\]]*\]\([^)]+\)"


def _name(text: str) -> str:
    """The experiment that a page or section says it is; "" if it does not."""
    made = re.search(r"Made by `aae reproduce (\S+)", text)
    return made[1] if made else ""


def _table(text: str) -> list[list[str]]:
    """The cells of each row of the section's table, its head first."""
    rows = [line[2:-2].split(" | ") for line in text.splitlines() if line.startswith("| ") and line.endswith(" |")]
    return [[cell.strip() for cell in row] for row in rows if row[0] != "---"]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "reproduction.md")
    args = parser.parse_args()
    pictures = args.out.parent / "images" / "reproduction"
    pictures.mkdir(parents=True, exist_ok=True)
    found = sections(args.out.read_text(encoding="utf-8")) if args.out.exists() else {}
    for folder in args.folders:
        name, made = section(folder, pictures)
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
