"""Unpack Debian packages into a private folder, without installing anything and without being root.

The machine's own apt configuration says where packages come from and which keys sign them; package lists and downloads
are kept in the private folder, so the system's state is only read.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import deque
from pathlib import Path

from mmact_eval.errors import UsageError

_FORMAT = "$(SITE)\t$(CODENAME)\t$(COMPONENT)\t$(SIGNED_BY)\t$(ORIGIN)"
_SECONDS = 900.0


class PrivateApt:
    """Downloads and unpacks packages below one folder."""

    def __init__(self, folder: Path) -> None:
        """`folder`: is made if need be; holds package lists, downloads and what was unpacked (``root``).

        Raises:
            UsageError: this is no Debian-like system.
        """
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            raise UsageError("apt-get and dpkg-deb are needed to unpack Mesa privately; this system has none.")
        self.root = folder / "root"
        self._downloads = folder / "downloads"
        self._sources = folder / "sources.list"
        for path in (self.root, self._downloads, folder / "lists/partial", folder / "cache/archives/partial"):
            path.mkdir(parents=True, exist_ok=True)
        self._options = [
            f"Dir::Etc::sourcelist={self._sources}",
            "Dir::Etc::sourceparts=-",
            f"Dir::State::lists={folder / 'lists'}",
            f"Dir::Cache={folder / 'cache'}",
            "APT::Sandbox::User=root",  # the download folder belongs to whoever runs this
            "Acquire::Languages=none",
        ]

    def use_release(self, suffixes: tuple[str, ...]) -> str:
        """Read the package lists of the system's release and of its variants.

        Args:
            suffixes: of the release's name, e.g. ``("", "-backports")``.

        Returns:
            The release's code name.

        Raises:
            UsageError: apt has no source to go by, or it cannot be reached.
        """
        site, release, options = self._main_source()
        lines = [f"deb {options}{site} {release}{suffix} main" for suffix in suffixes]
        self._sources.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._apt("update")
        return release

    def unpack(self, package: str, release: str = "") -> None:
        """Unpack a package and those of its dependencies that the system lacks.

        Args:
            package: its name.
            release: take it from this release (``bookworm-backports``) instead of the default one.

        Raises:
            UsageError: it cannot be downloaded.
        """
        todo = deque([f"{package}/{release}" if release else package])
        done: set[str] = set()
        while todo:
            wanted = todo.popleft()
            name = wanted.partition("/")[0]
            if name in done:
                continue
            done.add(name)
            archive = self._download(wanted)
            _run(["dpkg-deb", "-x", str(archive), str(self.root)])
            depends = _run(["dpkg-deb", "-f", str(archive), "Depends"])
            todo.extend(dependency for dependency in _first_choices(depends) if not _is_installed(dependency))

    def _main_source(self) -> tuple[str, str, str]:
        """Where the release's main packages come from: site, code name and ``[signed-by=…] `` if that is set."""
        release = _os_release().get("VERSION_CODENAME", "")
        for line in _run(["apt-get", "indextargets", "--format", _FORMAT, "Created-By: Packages"]).splitlines():
            site, codename, component, key, _ = (line.split("\t") + [""] * 5)[:5]
            if component == "main" and codename == release:
                signed = f"[signed-by={key}] " if key.startswith("/") else _signed_by(site)
                return site, codename, signed
        raise UsageError(
            f'apt has no source for the main packages of "{release or "this system"}"; run `apt-get update` as root '
            "once, then try again."
        )

    def _download(self, wanted: str) -> Path:
        name = wanted.partition("/")[0]
        for old in self._downloads.glob(f"{name}_*.deb"):
            old.unlink()
        self._apt("download", wanted)
        found = list(self._downloads.glob(f"{name}_*.deb"))
        if not found:
            raise UsageError(f'apt downloaded no package "{name}".')
        return found[0]

    def _apt(self, *arguments: str) -> str:
        options = [part for option in self._options for part in ("-o", option)]
        return _run(["apt-get", "-q", *options, *arguments], self._downloads)


def _run(command: list[str], folder: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"`{' '.join(command[:2])} …` did not end within {_SECONDS:.0f} s.") from error
    if done.returncode != 0:
        reason = [line for line in done.stderr.splitlines() if line.strip()][-1:] or [f"status {done.returncode}"]
        raise UsageError(f"`{command[0]} {command[-1]}` failed: {reason[0].strip()}")
    return done.stdout


def _first_choices(depends: str) -> list[str]:
    """Package names of a Depends field; of alternatives, the first."""
    names = []
    for entry in depends.replace("\n", " ").split(","):
        found = re.match(r"\s*([a-z0-9][a-z0-9+.\-]*)", entry)
        if found:
            names.append(found[1])
    return names


def _is_installed(package: str) -> bool:
    asked = ["dpkg-query", "-W", "-f", "${db:Status-Status}\n", package]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return "installed" in done.stdout.split()


def _os_release() -> dict[str, str]:
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name: value.strip('"') for name, _, value in pairs}


def _signed_by(site: str) -> str:
    """``[signed-by=KEYRING] `` as the system's sources say it for a site, "" if they say nothing."""
    folder = Path("/etc/apt")
    for file in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        try:
            stanzas = file.read_text(encoding="utf-8").split("\n\n")
        except OSError:
            continue
        for stanza in stanzas:
            found = re.search(r"(?im)^signed-by:\s*(/\S+)|\[[^\]]*signed-by=(/[^\s\]]+)", stanza)
            if found and site.rstrip("/") in stanza:
                return f"[signed-by={found[1] or found[2]}] "
    return ""
