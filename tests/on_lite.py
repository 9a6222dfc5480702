"""Run tutorials in a browser, on the site that `make lite` has built: `make test-lite` calls this.

python tests/on_lite.py [--browser chromium] [NN ...]    the tutorials of these folders (default: all)

Opens each in JupyterLite, runs all cells, and compares the texts that they show with those that are stored. Ends with
status 1 where a cell raised, or none was run; says how many cells show another text (the browser has other versions).
"""

import argparse
import functools
import http.server
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import websocket

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))
from notebook_tools import chosen  # noqa: E402

SITE = ROOT / ".lite" / "site"
SECONDS = 900
OPEN = """(async () => {
  const app = window.jupyterapp;
  await app.restored;
  window.panel = await app.commands.execute("docmanager:open", {path: PATH});
  await panel.context.ready; await panel.sessionContext.ready;
  app.commands.execute("notebook:run-all-cells").then(() => {window.finished = true});
})()"""
CELLS = "JSON.stringify(panel.content.model.toJSON().cells)"


class Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript",
                                                                            ".wasm": "application/wasm"}  # fmt: skip

    def log_message(self, *_):
        pass


class Page:
    """A page of a headless Chromium, spoken to in its own protocol."""

    def __init__(self, browser, folder):
        command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
                   "--remote-allow-origins=*", f"--user-data-dir={folder}", "about:blank"]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = Path(folder, "DevToolsActivePort")
        while not port.exists() or not port.read_text().strip():
            if self.process.poll() is not None:
                sys.exit(f"{browser} does not start")
            time.sleep(0.2)
        pages = f"http://127.0.0.1:{port.read_text().split()[0]}/json/list"
        address = next(page["webSocketDebuggerUrl"] for page in json.load(urllib.request.urlopen(pages))
                       if page["type"] == "page")  # fmt: skip
        self.socket, self.count = websocket.create_connection(address, timeout=SECONDS), 0

    def ask(self, method, **parameters):
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": parameters}))
        while (answer := json.loads(self.socket.recv())).get("id") != self.count:
            pass
        return answer["result"]

    def value(self, script):
        found = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"])[:500])
        return found["result"].get("value")

    def close(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait()


def shown(cell):
    """The texts that a cell shows; what it raised, as "Error: ..."."""
    found = ""
    for output in cell.get("outputs", []):
        if output["output_type"] == "error":
            found += f"Error: {output['ename']}: {output['evalue']}"
        else:
            found += "".join(output.get("text") or output["data"].get("text/plain", ""))
    return found.strip()


def run(page, address, notebook):
    """The cells, after all were run or a quarter of an hour is over."""
    path, deadline = f"{notebook.parent.name}/{notebook.name}", time.time() + SECONDS
    page.ask("Page.navigate", url=f"{address}/lab/index.html")
    for until in ("!!(window.jupyterapp && window.jupyterapp.shell)", "!!window.finished"):
        while not page.value(until):
            if time.time() > deadline:
                sys.exit(f"{path} did not come to its end in {SECONDS} seconds")
            time.sleep(1)
        if until != "!!window.finished":
            page.value(OPEN.replace("PATH", json.dumps(path)))
    return json.loads(page.value(CELLS))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", metavar="NN")
    parser.add_argument("--browser", default="chromium")
    parser.add_argument("--site", type=Path, default=SITE)
    options = parser.parse_args()
    handler = functools.partial(Quiet, directory=str(options.site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    failed = 0
    for notebook in chosen(options.folders):
        start = time.time()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            page = Page(options.browser, folder)
            try:
                cells = run(page, f"http://127.0.0.1:{server.server_port}", notebook)
            finally:
                page.close()
        stored = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        pairs = [(shown(now), shown(then)) for now, then in zip(cells, stored, strict=True)
                 if now["cell_type"] == "code"]  # fmt: skip
        raised = [now for now, _ in pairs if now.startswith("Error: ") or "Error: " in now[-500:]]
        other = [(now, then) for now, then in pairs if now != then]
        print(f"{notebook.name}: {len(pairs) - len(other)} of {len(pairs)} cells show what is stored, {len(raised)} "
              f"raised; {time.time() - start:.0f} s", flush=True)  # fmt: skip
        for now, then in other[:5]:
            print(f"    {now[:200]!r}\n    instead of {then[:200]!r}")
        failed += bool(raised) or not any(now for now, _ in pairs)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
