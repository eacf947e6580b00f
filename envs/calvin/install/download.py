"""Files of the public repository mees/calvin_env over the network."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from mmact_eval.envs.calvin.install.published import COMMIT, Asset
from mmact_eval.errors import UsageError

BASE = f"https://raw.githubusercontent.com/mees/calvin_env/{COMMIT}"

OTHERWISE = (
    "behind a proxy set HTTPS_PROXY; without a network, with a checkout of mees/calvin_env: "
    "mmact-eval setup calvin --from PATH"
)
_AT_ONCE, _TRIES, _SECONDS, _STEP = 4, 3, 30.0, 25
_PAUSE = 0.5
"""Before the second try, s; twice that before the third."""


def download(wanted: Sequence[Asset], folder: Path, base: str, say: Callable[[str], None]) -> None:
    """Put files into a folder, each checked.

    Args:
        wanted: which.
        folder: where to; subfolders are made.
        base: address of the repository's root.
        say: told how far it is.

    Raises:
        UsageError: one of them cannot be had, or is another than was published.
    """
    say(f"Downloading {len(wanted)} files ({sum(asset.size for asset in wanted) / 1e6:.1f} MB) from {base}")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        under_way = [pool.submit(_bring, asset, folder, base) for asset in wanted]
        try:
            for number, done in enumerate(as_completed(under_way), start=1):
                done.result()
                if number % _STEP == 0 and number < len(wanted):
                    say(f"  {number} of {len(wanted)}")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _bring(asset: Asset, folder: Path, base: str) -> None:
    address = f"{base}/{asset.in_repository}"
    for remaining in reversed(range(_TRIES)):
        try:
            with urllib.request.urlopen(address, timeout=_SECONDS) as answer:
                content: bytes = answer.read(asset.size + 1)
            if asset.is_in(content):
                break
            problem = f"{len(content)} bytes, not the {asset.size} that were published"
        except (OSError, ValueError) as error:  # urllib's and http's errors among them
            answered = isinstance(error, urllib.error.HTTPError)
            problem = str(error.reason) if isinstance(error, urllib.error.URLError) and not answered else str(error)
            if isinstance(error, urllib.error.HTTPError) and error.code < 500:
                remaining = 0
        except Exception as error:  # http.client has errors of its own for half an answer
            problem = f"{type(error).__name__}: {error}"
        if not remaining:
            raise UsageError(f"cannot download {address} ({problem}): {OTHERWISE}")
        time.sleep(_PAUSE * (_TRIES - remaining))
    target = folder / asset.path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
