"""The files of a profile: profile.json, .csv, .md and .html, each there as a whole or not at all."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from mmact_eval.errors import RunFolderError
from mmact_eval.machine.whole_file import write_whole
from mmact_eval.profiling import plot, tables
from mmact_eval.profiling.columns import known
from mmact_eval.profiling.profile import Profile, as_json


def write(made: Profile, folder: Path) -> list[Path]:
    """Write all of them into a folder, which is made if it is not there.

    Raises:
        RunFolderError: one cannot be written.
    """
    texts = {
        "profile.json": json.dumps(as_json(made), indent=2, default=str) + "\n",
        "profile.csv": tables.as_csv(made),
        "profile.md": tables.markdown(made),
        "profile.html": page(made),
    }
    for name, text in texts.items():
        try:
            write_whole(folder / name, text)
        except OSError as error:
            raise RunFolderError(f"cannot write {folder / name}: {error.strerror or error}") from error
    return [folder / name for name in texts]


def page(made: Profile) -> str:
    """``profile.html``: everything in it, for light and dark, with the roofline plot."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    size = {"width": plot.WIDTH, "height": plot.HEIGHT, "left": plot.LEFT, "right": plot.RIGHT, "top": plot.TOP,
            "bottom": plot.BOTTOM}  # fmt: skip
    return environment.from_string(_file("page.html.jinja")).render(
        made=made,
        title=tables.title(made),
        base=tables.base_point(made),
        sequences=tables.sequences(made),
        notes=[text for text in tables.notes(made) if not text.startswith("Not the real thing")],
        roofs=tables.roofs(made),
        columns=known(made.rows),
        label=tables.label,
        plot=plot.roofline(made),
        size=size,
        css=_file("page.css"),
    )


def _file(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")
