"""H.264 videos by FFmpeg. What cannot be played is an error and leaves no file: it must not pass for a video."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmact_eval.errors import MmactEvalError, UsageError

Image = NDArray[np.uint8]

_FULL = ("No space left on device", "Disk quota exceeded")
_ALMOST_NOTHING = 64 * 1024
"""Bytes: a disk with less left is full, whatever FFmpeg says."""


class EncodingFailed(MmactEvalError):
    """There is no video; the message says why."""


def encode(file: Path, frames: Iterable[Image], fps: float, options: Sequence[str] = ()) -> None:
    """Write a video, read it back and bring it to the disk.

    Args:
        file: an ``.mp4`` file.
        frames: (H, W, 3) uint8 RGB, at least one, all of one size; an odd H or W is scaled up by a pixel.
        fps: frames a second.
        options: more arguments of FFmpeg for its output.

    Raises:
        EncodingFailed: FFmpeg is missing, failed, was killed, or its file does not hold these frames; nothing is left.
    """
    try:
        sent = _feed(frames, fps, [*options, str(file)], file.parent)
        _read_back(file, sent)
        with open(file, "rb") as stream:
            os.fsync(stream.fileno())
    except OSError as error:
        file.unlink(missing_ok=True)
        raise EncodingFailed(f"cannot write {file.name}: {error.strerror or error}") from error
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def require_encoder(otherwise: str) -> None:
    """Encode two frames into nothing, before hours of rollouts whose videos somebody wants.

    Args:
        otherwise: what can be done without FFmpeg, for the message.

    Raises:
        UsageError: it does not work; says why, and what to do.
    """
    try:
        _feed([np.zeros((64, 64, 3), np.uint8)] * 2, 10.0, ["-f", "null", "-"], Path())
    except EncodingFailed as error:
        asked = os.environ.get("IMAGEIO_FFMPEG_EXE")
        means = f"Mend IMAGEIO_FFMPEG_EXE={asked}, or unset it" if asked else "Reinstall the package imageio-ffmpeg"
        raise UsageError(f"videos cannot be made: {error}. {means}, or {otherwise}.") from error


def _feed(frames: Iterable[Image], fps: float, output: Sequence[str], folder: Path) -> int:
    """Run FFmpeg on these frames, to its end.

    Returns:
        How many frames it was given.

    Raises:
        EncodingFailed: it did not work.
    """
    queue = iter(frames)
    first = next(queue)
    height, width, _ = first.shape
    command = [_ffmpeg(), "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    command += ["-r", str(Fraction(fps).limit_denominator()), "-i", "-", "-an", "-c:v", "libx264"]
    command += ["-pix_fmt", "yuv420p", *_even(width, height), "-v", "error", *output]
    try:
        # In a session of its own: Ctrl-C is for us, and the video of a finished episode is still written.
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise EncodingFailed(f"{command[0]} cannot be run: {error.strerror}") from error
    said: list[str] = []
    with _killed_unless_done(process):
        listener = threading.Thread(target=lambda: said.extend(_lines(process)), daemon=True)
        listener.start()
        sent = _send(process, itertools.chain([first], queue))
        process.wait()
        listener.join()
    if process.returncode:
        raise EncodingFailed(_why(process.returncode, said, folder))
    return sent


def _send(process: subprocess.Popen[bytes], frames: Iterable[Image]) -> int:
    assert process.stdin is not None
    sent = 0
    # A broken pipe says that FFmpeg has ended; its exit status says why.
    with contextlib.suppress(BrokenPipeError), process.stdin:
        for frame in frames:
            process.stdin.write(np.ascontiguousarray(frame).data)
            sent += 1
    return sent


def _lines(process: subprocess.Popen[bytes]) -> list[str]:
    assert process.stderr is not None
    with process.stderr:
        return process.stderr.read().decode(errors="replace").splitlines()


@contextlib.contextmanager
def _killed_unless_done(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _read_back(file: Path, frames: int) -> None:
    """Decode the file and count.

    Raises:
        EncodingFailed: it does not hold so many frames.
    """
    import imageio_ffmpeg

    if not file.is_file():
        raise EncodingFailed(f"FFmpeg wrote no file {file.name}")
    try:
        found, _ = imageio_ffmpeg.count_frames_and_secs(file)
    except RuntimeError as error:
        said = [line for line in str(error).splitlines() if line.strip()]
        raise EncodingFailed(f"{file.name} cannot be played after FFmpeg wrote it: {said[-1].strip()}") from error
    if found != frames:
        raise EncodingFailed(f"{file.name} holds {found} of {frames} frames after FFmpeg wrote it")


def _ffmpeg() -> str:
    import imageio_ffmpeg

    try:
        program: str = imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise EncodingFailed("there is no FFmpeg") from error
    return program


def _even(width: int, height: int) -> list[str]:
    """H.264 with 4:2:0 colours has even sizes alone."""
    if width % 2 == height % 2 == 0:
        return []
    return ["-vf", f"scale={width + width % 2}:{height + height % 2}"]


def _why(code: int, said: Sequence[str], folder: Path) -> str:
    """Why FFmpeg failed, in words. A shell that stands in for it tells a signal as a code above 128."""
    if any(text in line for text in _FULL for line in said) or _is_full(folder):
        return "the disk is full"
    number = -code if code < 0 else code - 128
    if number in set(signal.Signals):
        killed = " (the memory may be full)" if number == signal.SIGKILL else ""
        return f"FFmpeg was ended by {signal.Signals(number).name}{killed}"
    last = next((line.strip() for line in reversed(said) if line.strip()), "it said nothing")
    return f"FFmpeg failed with exit code {code}: {last}"


def _is_full(folder: Path) -> bool:
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _ALMOST_NOTHING
