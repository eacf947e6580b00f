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
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmact_eval import __version__
from mmact_eval.errors import MmactEvalError, UsageError
from mmact_eval.machine.regular_file import read_bytes, require_regular
from mmact_eval.results.report_data import Report
from mmact_eval.results.reporting import read_report
from mmact_eval.runs.made_with import as_map
from mmact_eval.studies.as_it_stands import report_as_it_stands
from mmact_eval.view.catalogue import Catalogue
from mmact_eval.view.page_files import page_file
from mmact_eval.view.reports import linked, media_name
from mmact_eval.wording import counted

_LARGEST = 4 << 30
"""Bytes of a video that is copied."""

MARK = "view-bundle.json"

_OURS = {"index.html", "view.css", "view.js", "data.js", "reports", MARK}
_REPORT = re.compile("[rsp]-[0-9a-f]{12}")


def write_bundle(
    roots: Sequence[Path], out: Path, videos: bool = True, tell: Callable[[str], None] = lambda text: None
) -> str:
    """Write everything under some folders.

    Args:
        roots: folders with runs and studies.
        out: the bundle's folder: a new one, an empty one, or an earlier bundle with nothing else in it, which is
            replaced.
        videos: whether videos and pictures are copied into it, or left out.
        tell: called with a line where a report could not be made.

    Returns:
        What was written, a sentence.

    Raises:
        UsageError: there is something else in `out`, it cannot be written, or there are no runs.
    """
    out = Path(os.path.realpath(out))
    earlier = _earlier_bundle(out)
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
    replaced = f" The bundle that was there, {earlier}, is replaced." if earlier else ""
    return f"Wrote {out / 'index.html'}: {counted(made, 'report')}. It opens in a browser as it is.{replaced}"


def _earlier_bundle(out: Path) -> str:
    """Of when the bundle is that is there, "" if there is none. Nothing of anybody else's is overwritten.

    Raises:
        UsageError: there is something else.
    """
    try:
        there = set(os.listdir(out))
        reports = set(os.listdir(out / "reports")) if "reports" in there else set()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise UsageError(f"cannot write the bundle to {out}: {error.strerror}.") from error
    if not there:
        return ""
    try:
        mark = as_map(json.loads(read_bytes(out / MARK, 4096)))
    except (OSError, ValueError):
        mark = {}
    if not mark.get("made") or not mark.get("version"):
        raise UsageError(f"{out} holds something else than a bundle; choose a new folder.")
    foreign = sorted(there - _OURS) + sorted(f"reports/{name}" for name in reports if not _REPORT.fullmatch(name))
    if foreign:
        raise UsageError(
            f"{out} is a bundle, and holds something else too, which would be lost: {', '.join(foreign[:5])}"
            f"{', …' if len(foreign) > 5 else ''}. Move it out of there, or choose a new folder."
        )
    return f"of {mark['made']}"


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
        f"by mmact-eval {__version__}.{left_out} Comparisons are made by `mmact-eval view` and "
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
        return None if study is None or record["why"] else lambda: report_as_it_stands(*study.folders)
    if not record.get("done") or record["state"] == "damaged":
        return None
    run = catalogue.run(identity)
    runs, named = ([run], {}) if run is not None else catalogue.parts(identity)
    names = [named.get("name", "")] * len(runs)
    return (lambda: read_report([run.folder for run in runs], names)) if runs else None


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
