"""What the encoder did not bring to its end is no video."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import imageio.v3 as iio
import imageio_ffmpeg
import numpy as np
import pytest

from mmact_eval.errors import UsageError
from mmact_eval.observers.video_encoder import EncodingFailed, encode, require_encoder

FRAMES = [np.full((64, 64, 3), 20 * i, np.uint8) for i in range(12)]
REAL = imageio_ffmpeg.get_ffmpeg_exe()

StandIn = Callable[[str], None]


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Put a shell script in FFmpeg's place for writing ``*.mp4``; what only reads gets the real one."""

    def put(script: str) -> None:
        file = tmp_path / "ffmpeg"
        file.write_text(f'#!/bin/bash\ncase "${{@: -1}}" in *.mp4) {script};; *) exec {REAL} "$@";; esac\n')
        file.chmod(0o755)
        monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(file))

    return put


@pytest.mark.parametrize(("size", "shown"), [((64, 64), (64, 64)), ((65, 64), (66, 64)), ((64, 33), (64, 34))])
def test_a_whole_video_has_its_frames(tmp_path: Path, size: tuple[int, int], shown: tuple[int, int]) -> None:
    encode(tmp_path / "v.mp4", [np.full((*size, 3), 20 * i, np.uint8) for i in range(12)], 20.0)
    assert iio.imread(tmp_path / "v.mp4").shape == (12, *shown, 3)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("cat > /dev/null; kill -9 $$", r"ended by SIGKILL \(the memory may be full\)"),
        ("kill -9 $$", "ended by SIGKILL"),
        (f'{REAL} "$@"; exit 137', "ended by SIGKILL"),
        ("cat > /dev/null; echo 'Unknown encoder libx264' >&2; exit 1", "exit code 1: Unknown encoder libx264"),
        ("cat > /dev/null; echo 'av_interleaved_write_frame(): No space left on device' >&2; exit 228", "disk is full"),
        ("cat > /dev/null", "wrote no file v.mp4"),
        ('cat > "${@: -1}"', r"v\.mp4 cannot be played"),
        (f'{REAL} "$@"; truncate -s -200 "${{@: -1}}"', r"v\.mp4 (cannot be played|holds)"),
        (f'{REAL} "${{@:1:$#-1}}" -frames:v 5 "${{@: -1}}"; cat > /dev/null', "holds 5 of 12 frames"),
    ],
)
def test_a_video_that_is_not_whole_is_an_error_and_leaves_no_file(
    tmp_path: Path, stand_in: StandIn, script: str, why: str
) -> None:
    stand_in(script)
    with pytest.raises(EncodingFailed, match=why):
        encode(tmp_path / "v.mp4", FRAMES, 20.0)
    assert not (tmp_path / "v.mp4").exists()


def test_an_encoder_that_cannot_be_run_is_found_out_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    require_encoder("go without")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")
    with pytest.raises(UsageError, match="Mend IMAGEIO_FFMPEG_EXE=/nowhere/ffmpeg, or unset it, or go without"):
        require_encoder("go without")


def test_an_encoder_that_fails_is_found_out_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/bash\ncat > /dev/null; echo \"Unknown encoder 'libx264'\" >&2; exit 8\n")
    broken.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(broken))
    with pytest.raises(UsageError, match="exit code 8: Unknown encoder 'libx264'"):
        require_encoder("go without")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", mount], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs privileges")
    yield mount
    subprocess.run(["umount", mount], check=True)


def test_a_full_disk_is_called_so(small_disk: Path) -> None:
    noise = [np.random.default_rng(i).integers(0, 255, (256, 256, 3), np.uint8) for i in range(10)]
    with pytest.raises(EncodingFailed, match="the disk is full"):
        encode(small_disk / "v.mp4", noise, 20.0)
    assert not list(small_disk.iterdir())
