"""What kind of file system a folder is on, and whether a lock on it is seen by other machines."""

from __future__ import annotations

import os
import re
from pathlib import Path

_OF_ONE_MACHINE = frozenset(
    {"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "ramfs", "reiserfs", "tmpfs", "xfs", "zfs"}
)
_MOUNTS = Path("/proc/self/mountinfo")


def kind(folder: Path) -> str:
    """``ext4``, ``nfs4``, ``fuse.sshfs``, as the kernel calls it; "" if that cannot be told."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        there = os.path.realpath(folder)
    except OSError:
        return ""
    found, longest = "", -1
    for line in lines:  # of two on one place the later hides the earlier
        mount, _, about = line.partition(" - ")
        fields, name = mount.split(" "), about.partition(" ")[0]
        if len(fields) < 5:
            continue
        place = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        if len(place) >= longest and (there == place or there.startswith(place.rstrip("/") + "/")):
            found, longest = name, len(place)
    return found


def may_be_shared(folder: Path) -> bool:
    """Whether other machines may write there, whom a lock of this kernel may not keep out: NFS without lock service,
    Lustre with ``localflock``, BeeGFS as it comes, 9p, SMB with ``nobrl`` and many a FUSE grant the same lock twice."""
    name = kind(folder)
    return bool(name) and name not in _OF_ONE_MACHINE
