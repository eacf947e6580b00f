"""Drives a headless Chromium over its DevTools pipe: no driver program, no package, no port.

On Debian: ``apt-get install chromium``. Found as chromium, chromium-browser, google-chrome or chrome, or by the
variable CHROMIUM.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_PATIENCE = 60.0


def find_chromium() -> str | None:
    """The program, or None."""
    wanted = os.environ.get("CHROMIUM")
    return wanted or next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """One page in a headless browser. Use as a context manager.

    Attributes:
        problems: what the page's console, the page's script and the network said that should not be: errors and
            warnings, uncaught exceptions, loads from outside.
        requests: the schemes and hosts of all that was loaded.
    """

    def __init__(self, program: str, width: int = 1200, height: int = 900) -> None:
        self.problems: list[str] = []
        self.requests: set[str] = set()
        self._size = (width, height)
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        read, child_write = os.pipe()
        child_read, write = os.pipe()
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                   "--autoplay-policy=no-user-gesture-required", "--remote-debugging-pipe", "--no-first-run",
                   f"--user-data-dir={self._folder.name}", "about:blank"]  # fmt: skip
        # Chromium reads commands from descriptor 3 and writes answers to 4; sh knows no descriptors above 9.
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{child_read} 4>&{child_write}', "bash", program, *options],
            pass_fds=(child_read, child_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(child_read)
        os.close(child_write)
        self._write = write
        self._reader = os.fdopen(read, "rb", buffering=0)
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        targets = self.send("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        self._session = self.send("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.resize(width, height)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._write)
        self._reader.close()
        self._folder.cleanup()

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol and return its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        content = json.dumps(message).encode() + b"\0"
        while content:
            content = content[os.write(self._write, content) :]
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = self._reader.read(1 << 20)
            if not part:
                raise RuntimeError("the browser has gone")
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def _note(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.problems.append(json.dumps(parameters["exceptionDetails"])[:500])
            case "Runtime.consoleAPICalled" if parameters["type"] in ("error", "warning", "assert"):
                self.problems.append(f"console: {parameters['args']}")
            case "Log.entryAdded" if parameters["entry"]["level"] in ("error", "warning"):
                self.problems.append(f"log: {parameters['entry']['text']} {parameters['entry'].get('url', '')}")
            case "Network.requestWillBeSent":
                self.requests.add(parameters["request"]["url"].partition("//")[0][:5])
            case "Network.loadingFailed" if not parameters.get("canceled"):
                self.problems.append(f"not loaded: {parameters.get('errorText')} {parameters.get('blockedReason', '')}")

    def open(self, file: Path) -> None:
        """Show a file and wait until its script has run."""
        self.send("Page.navigate", url=file.resolve().as_uri())
        self.wait("document.documentElement?.dataset.ready === 'yes'")

    def visit(self, address: str, ready: str = "document.documentElement?.dataset.ready === 'yes'") -> None:
        """Show an address and wait until something holds there."""
        self.send("Page.navigate", url=address)
        self.wait(f"document.readyState === 'complete' && ({ready})")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression; promises are awaited."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:800])
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Until a JavaScript expression is true."""
        self._until(lambda: bool(self._run_anywhere(condition)), condition)

    def _run_anywhere(self, script: str) -> Any:
        """The value, None while one page makes room for another."""
        try:
            return self.run(script)
        except RuntimeError as error:
            if "Execution context was destroyed" in str(error) or "Cannot find context" in str(error):
                return None
            raise

    def _until(self, done: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + _PATIENCE
        while not done():
            if time.monotonic() > end:
                raise TimeoutError(f"{what}; problems: {self.problems}")
            time.sleep(0.05)

    def resize(self, width: int, height: int, scale: float = 1.0, mobile: bool = False) -> None:
        """Make the window another one, such as a phone's."""
        self._size = (width, height)
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile
        )

    def prefer(self, scheme: str) -> None:
        """``light`` or ``dark``."""
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, file: Path, whole: bool = True) -> None:
        """Save what is to be seen as a PNG, the whole page or the window."""
        width, height = self._size
        if whole:
            height = min(int(self.run("document.documentElement.scrollHeight")), 9000)
            self.send(
                "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
            )
            time.sleep(0.5)  # what comes into view is drawn now
        answer = self.send("Page.captureScreenshot", format="png")
        file.write_bytes(base64.b64decode(answer["data"]))
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=self._size[1], deviceScaleFactor=1, mobile=False
        )
