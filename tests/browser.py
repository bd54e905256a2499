"""Chromium for tests, driven through a pipe by its DevTools protocol, without another package."""

import base64
import json
import os
import shutil
import subprocess
import sys
import time

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 30  # seconds
# Chromium reads commands from file 3 and writes to file 4; sys.argv has the numbers of our ends.
LAUNCHER = """
import fcntl, os, sys
reads, writes = (fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3])
os.dup2(reads, 3)
os.dup2(writes, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_chromium():
    """Where Chromium is. Without it a test is skipped, but in CI it fails."""
    found = [path for path in map(shutil.which, NAMES) if path]
    if found and os.name == "posix":
        return found[0]
    reason = "needs Chromium (Debian's package chromium) on a POSIX system"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


class Browser:
    """A Chromium process of its own, with a new profile in a folder."""

    def __init__(self, folder):
        executable = find_chromium()
        reads, self.commands = os.pipe()
        self.answers, writes = os.pipe()
        self.log = open(folder / "chromium.log", "wb")
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-c", LAUNCHER, str(reads), str(writes)),
                *(executable, *OPTIONS, "--remote-debugging-pipe"),
                f"--user-data-dir={folder / 'profile'}",
            ],
            pass_fds=(reads, writes),
            stdout=self.log,
            stderr=self.log,
        )
        os.close(reads)
        os.close(writes)
        self.received = b""
        self.number = 0
        self.events = []

    def send(self, method, session=None, **parameters):
        """What Chromium answers to a command. Events that come before are kept."""
        self.number += 1
        command = {"id": self.number, "method": method, "params": parameters}
        if session:
            command["sessionId"] = session
        os.write(self.commands, json.dumps(command).encode() + b"\0")
        while True:
            message = self.receive()
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def receive(self):
        """The next message."""
        while b"\0" not in self.received:
            part = os.read(self.answers, 1 << 16)
            assert part, "Chromium has ended"
            self.received += part
        message, _, self.received = self.received.partition(b"\0")
        return json.loads(message)

    def open(self, address, **size):
        """A Tab that has loaded an address."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        return Tab(self, attached["sessionId"], address, **size)

    def close(self):
        self.send("Browser.close")
        self.process.wait(PATIENCE)
        os.close(self.commands)
        os.close(self.answers)
        self.log.close()


class Tab:
    """A page in a Browser. width, height: of its window, in CSS pixels."""

    def __init__(self, browser, session, address, width=1280, height=900, phone=False):
        self.browser = browser
        self.session = session
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.resize(width, height, phone)
        self.go(address)

    def send(self, method, **parameters):
        return self.browser.send(method, self.session, **parameters)

    def go(self, address):
        """Loads an address."""
        self.send("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def resize(self, width, height, phone=False):
        size = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1}
        self.send("Emulation.setDeviceMetricsOverride", **size, mobile=phone)
        self.send("Emulation.setTouchEmulationEnabled", enabled=phone)

    def emulate(self, media="", **features):
        """Another medium, such as print, or what somebody wishes, such as dark colours."""
        named = [{"name": name.replace("_", "-"), "value": features[name]} for name in features]
        self.send("Emulation.setEmulatedMedia", media=media, features=named)

    def run(self, expression):
        """The value of a JavaScript expression in the page."""
        result = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, expression):
        """Waits until a JavaScript expression is true."""
        end = time.monotonic() + PATIENCE
        while not self.run(expression):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.02)

    def type(self, text):
        self.send("Input.insertText", text=text)

    def press(self, key, **modifiers):
        """Presses and releases a key, such as Enter or Tab."""
        codes = {"Enter": 13, "Tab": 9, " ": 32}
        texts = {"Enter": "\r", " ": " "}
        event = {"key": key, "windowsVirtualKeyCode": codes[key], **modifiers}
        if key in texts:
            event["text"] = texts[key]
        self.send("Input.dispatchKeyEvent", type="keyDown", **event)
        self.send("Input.dispatchKeyEvent", type="keyUp", **event)

    def screenshot(self, path, whole=True):
        """Saves what the page shows as a PNG: the window, or the whole page."""
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def print(self, path):
        """Saves what a printer would print as a PDF."""
        path.write_bytes(base64.b64decode(self.send("Page.printToPDF")["data"]))

    def complaints(self):
        """Errors, and what was loaded from elsewhere, since the tab was opened."""
        self.run("0")  # what happened before is told before
        mine = [event for event in self.browser.events if event.get("sessionId") == self.session]
        told = [
            event["params"]
            for event in mine
            if event["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")
        ]
        loaded = [
            event["params"]["request"]["url"]
            for event in mine
            if event["method"] == "Network.requestWillBeSent"
        ]
        return told + [url for url in loaded if not url.startswith(("file:", "data:"))]
