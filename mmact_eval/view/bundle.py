"""The page as a folder of files that opens without a server: as things stand, whole or not at all.

index.html, view.css, view.js, data.js    the list; the data are in a script, as a page from a disk may fetch none
reports/NAME/report.html                  of each run and study, with copies of its videos and pictures beside it
view-bundle.json                          says that the folder is one of these and may be replaced
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmact_eval import __version__
from mmact_eval.errors import MmactEvalError, UsageError
from mmact_eval.machine.regular_file import require_regular
from mmact_eval.results.report_data import Report
from mmact_eval.results.reporting import read_report
from mmact_eval.studies.as_it_stands import report_as_it_stands
from mmact_eval.view.catalogue import Catalogue
from mmact_eval.view.page_files import page_file
from mmact_eval.view.reports import linked, media_name
from mmact_eval.wording import counted

_LARGEST = 4 << 30
"""Bytes of a video that is copied."""

MARK = "view-bundle.json"


def write_bundle(
    roots: Sequence[Path], out: Path, videos: bool = True, tell: Callable[[str], None] = lambda text: None
) -> str:
    """Write everything under some folders.

    Args:
        roots: folders with runs and studies.
        out: the bundle's folder: a new one, an empty one, or an earlier bundle, which is replaced.
        videos: whether videos and pictures are copied into it, or left out.
        tell: called with a line where a report could not be made.

    Returns:
        What was written, a sentence.

    Raises:
        UsageError: there is something else in `out`, it cannot be written, or there are no runs.
    """
    out = Path(os.path.abspath(out))
    _require_own(out)
    catalogue = Catalogue(roots)
    catalogue.look()
    found = catalogue.changes()
    if not found["items"]:
        raise UsageError(f"there are no runs under {', '.join(map(str, roots))}.")
    part = out.with_name(f".part-{out.name}")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        made = _write(part, catalogue, found, videos, tell)
        _put_in_place(part, out)
    except OSError as error:
        raise UsageError(f"cannot write the bundle to {out}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return f"Wrote {out / 'index.html'}: {counted(made, 'report')}. It opens in a browser as it is."


def _require_own(out: Path) -> None:
    """Nothing of anybody else's is overwritten."""
    try:
        there = os.listdir(out)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"cannot write the bundle to {out}: {error.strerror}.") from error
    if there and MARK not in there:
        raise UsageError(f"{out} holds something else than a bundle; choose a new folder.")


def _write(part: Path, catalogue: Catalogue, found: dict[str, Any], videos: bool, tell: Callable[[str], None]) -> int:
    made = 0
    for identity, record in found["items"].items():
        make = _report_of(catalogue, identity, record)
        if make is None:
            continue
        name = f"{record['kind'][0]}-{identity}"
        folder = part / "reports" / name
        folder.mkdir(parents=True)
        try:
            text = linked(make(), _copier(folder, videos))
        except MmactEvalError as error:
            folder.rmdir()
            tell(f"No report of {record['name']}: {' '.join(str(error).split())}")
            continue
        (folder / "report.html").write_text(text, encoding="utf-8", errors="backslashreplace")
        record["report"] = f"reports/{name}/report.html"
        made += 1
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    left_out = "" if videos else " Videos and pictures were left out."
    found["note"] = (
        f"As of {now}, by mmact-eval {__version__}.{left_out} Comparisons are made by `mmact-eval view` and "
        "`mmact-eval report`; of studies they are here."
    )
    data = json.dumps(found, separators=(",", ":")).replace("<", "\\u003c")
    (part / "data.js").write_text(f"window.VIEW = {data};\n", encoding="utf-8")
    index = page_file("index.html").replace("<!--data-->", '<script src="data.js"></script>')
    (part / "index.html").write_text(index, encoding="utf-8")
    for name in ("view.css", "view.js"):
        (part / name).write_text(page_file(name), encoding="utf-8")
    (part / MARK).write_text(json.dumps({"made": now, "version": __version__}) + "\n", encoding="utf-8")
    return made


def _report_of(catalogue: Catalogue, identity: str, record: dict[str, Any]) -> Callable[[], Report] | None:
    """How the report of a run or study is made; None if it has nothing to show."""
    if record["kind"] == "study":
        study = catalogue.study(identity)
        return None if study is None or record["why"] else lambda: report_as_it_stands(study)
    run = catalogue.run(identity)
    if run is None or not record.get("done") or record["state"] == "damaged":
        return None
    return lambda: read_report([run.folder])


def _copier(folder: Path, videos: bool) -> Callable[[Path], str | None]:
    """What puts a page's files beside it and says what they are called there."""

    def copy(file: Path) -> str | None:
        name = media_name(file) if videos else None
        if name is None:
            return None
        place = folder / name
        if not place.exists():
            try:
                require_regular(file, _LARGEST)
            except OSError:
                return None
            shutil.copyfile(file, place)
        return name

    return copy


def _put_in_place(part: Path, out: Path) -> None:
    old = out.with_name(f".old-{out.name}")
    shutil.rmtree(old, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        out.rename(old)
    try:
        part.rename(out)
    except OSError:
        with contextlib.suppress(OSError):
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)
