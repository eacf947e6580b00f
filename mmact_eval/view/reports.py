"""Reports of runs, comparisons and studies as they stand, made when somebody looks and kept while nothing changes."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmact_eval import registry
from mmact_eval.errors import UsageError
from mmact_eval.machine.regular_file import signature
from mmact_eval.results.report_data import LinksMedia, Report
from mmact_eval.results.reporting import read_report
from mmact_eval.studies.as_it_stands import report_as_it_stands
from mmact_eval.view.catalogue import Catalogue
from mmact_eval.view.runs.run_watch import RunWatch
from mmact_eval.view.studies import FoundStudy

_KEPT = 12
"""Pages; each is a few megabytes at most, as videos are outside."""

MOST_COMPARED = 8
"""Runs in one comparison: more arms than the page has colours for nobody can tell apart."""

_NAME = re.compile(rf"[rs]-[0-9a-f]{{12}}|c(?:-[0-9a-f]{{12}}){{2,{MOST_COMPARED}}}")
_ENDINGS = (".mp4", ".webm", ".png", ".jpg", ".jpeg", ".webp")


class NoSuchPage(UsageError):
    """What the page was to be of is not there (any more)."""


@dataclass
class Page:
    """A report.

    Attributes:
        text: HTML.
        state: of the files that it was made of.
        media: name in the page's folder → file.
    """

    text: str
    state: object
    media: dict[str, Path] = field(default_factory=dict)


class Reports:
    """Makes pages, one at a time. Names: ``r-RUN``, ``c-RUN-RUN…`` for a comparison, ``s-STUDY``, by identities.

    Parts of a run count as one, in which they are put together.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._pages: OrderedDict[str, Page] = OrderedDict()
        self._media: dict[str, dict[str, Path]] = {}
        self._lock = threading.Lock()

    def page(self, name: str) -> Page:
        """The page of this name, made anew if files have changed. It takes seconds where there are many episodes.

        Raises:
            NoSuchPage: there is no such run or study.
            RunFolderError, UsageError: no report can be made; says why.
        """
        if not _NAME.fullmatch(name):
            raise NoSuchPage("there is no such page.")
        with self._lock:
            state, make = self._asked(name)
            page = self._pages.get(name)
            if page is None or page.state != state:
                media = self._media.setdefault(name, {})  # a page that is open still asks for what it links
                page = Page(linked(make(), lambda file: _called(file, media)), state, media)
                self._pages[name] = page
            self._pages.move_to_end(name)
            while len(self._pages) > _KEPT:
                dropped, _ = self._pages.popitem(last=False)
                self._media.pop(dropped, None)
            return page

    def file(self, name: str, media: str) -> Path | None:
        """A file that a page links, None if it does not."""
        return self._media.get(name, {}).get(media)

    def _asked(self, name: str) -> tuple[object, Callable[[], Report]]:
        """The state of the files that a page is of, and how its report is made."""
        kind, *identities = name.split("-")
        if kind == "s":
            study = self._catalogue.study(identities[0])
            if study is None:
                raise NoSuchPage("this study is not there any more.")
            return study_state(study), lambda: report_as_it_stands(*study.folders)
        runs: list[RunWatch] = []
        names: list[str] = []
        for identity in identities:
            run = self._catalogue.run(identity)
            found, called = ([run], {}) if run is not None else self._catalogue.parts(identity)
            if not found:
                raise NoSuchPage("this run is not there any more." if kind == "r" else "a run is not there any more.")
            name = called.get("name", "")
            runs += found
            names += [called["path"] if name and name in names else name] * len(found)
        return [run.state_of_files() for run in runs], lambda: read_report([run.folder for run in runs], names)


def study_state(study: FoundStudy) -> object:
    """Equal as long as a study's report would come out the same."""
    arms = [folder / arm.name for folder in study.folders for arm in study.read().arms]
    names = ("manifest.json", "sessions.jsonl", "episodes.jsonl")
    return [study.signature(), *(signature(arm / name) for arm in arms for name in names)]


def linked(report: Report, link: Callable[[Path], str | None]) -> str:
    """The report's page; see `LinksMedia`.

    Raises:
        UsageError: the installed writer of HTML cannot make one that is put elsewhere.
    """
    writer = registry.report("html")
    if not isinstance(writer, LinksMedia):
        raise UsageError("the report writer html that is installed here makes no page whose videos lie elsewhere.")
    return writer.linked_page(report, link)


def media_name(file: Path) -> str | None:
    """What a video or picture is called beside a page; None for what is neither."""
    ending = file.suffix.lower()
    return hashlib.blake2b(os.fsencode(file), digest_size=10).hexdigest() + ending if ending in _ENDINGS else None


def _called(file: Path, media: dict[str, Path]) -> str | None:
    name = media_name(file)
    if name is not None:
        media[name] = file
    return name


def comparison(runs: Sequence[str]) -> str:
    """The name of a comparison's page, or of a run's if it is alone.

    Raises:
        UsageError: there are too many, or one is named twice.
    """
    if len(runs) > MOST_COMPARED:
        raise UsageError(f"at most {MOST_COMPARED} runs are compared at once.")
    if len(set(runs)) < len(runs):
        raise UsageError("a run is named twice.")
    return f"c-{'-'.join(runs)}" if len(runs) > 1 else f"r-{''.join(runs)}"
