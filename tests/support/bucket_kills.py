"""The kill -9 loop with a bucket as DEST: whenever the program is killed, each object is whole."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlhub_async.storage.layout import UPLOADS_FILE
from support.command import clean_environment
from support.server import Background, Site, tif
from support.stac_server import sizes_and_digests, stac_item
from support.store_views import StoreView

PROGRAM = (sys.executable, "-m", "mlhub_async")
PREFIX = "mirrors/one/"
LARGE_BYTES = 17 << 20


@dataclass
class Tally:
    rounds: int = 0
    kills: int = 0
    with_unfinished: int = 0
    """kills that left an upload in parts unfinished"""
    fetched_again: int = 0
    violations: list[str] = field(default_factory=list)


class BucketLoop:
    """Rounds of: objects change, runs are killed, the last one completes, another has nothing to do."""

    def __init__(
        self, place: Path, store: StoreView, site: Site, seed: int, *, small: int = 12, large: int = 2
    ) -> None:
        self.tally = Tally()
        self._place, self._store, self._site = place, store, site
        self._chance = random.Random(seed)
        self._sizes = {
            **{f"s{n}": 20_000 for n in range(small)},
            **{f"l{n}": LARGE_BYTES for n in range(large)},
        }
        self._offered: dict[str, set[str]] = {name: set() for name in self._sizes}
        self._now: dict[str, bytes] = {}
        self._seconds = 4.0
        """how long a run takes, about"""
        for name in self._sizes:
            self._change(name)

    def _change(self, name: str) -> None:
        size = self._sizes[name] + self._chance.randrange(0, 1000)
        self._now[name] = body = tif(size, self._chance.randrange(1 << 30))
        self._offered[name].add(hashlib.sha256(body).hexdigest())
        self._site.put(f"/{name}.tif", body, etag=f'"{hashlib.md5(body).hexdigest()}"')

    def _words(self) -> list[str]:
        items = [
            stac_item(name, data={"href": self._site.url(f"/{name}.tif"), **sizes_and_digests(body)})
            for name, body in self._now.items()
        ]
        source = self._place / "items.ndjson"
        source.write_text("".join(json.dumps(one) + "\n" for one in items))
        return [
            *PROGRAM, "mirror", str(source), f"{self._store.dest}/{PREFIX.rstrip('/')}", "--json", "-R", "8",
            "--endpoint-url", f"http://127.0.0.1:{self._store.port}", "--state", str(self._state),
            "--allow-private",
        ]  # fmt: skip

    @property
    def _state(self) -> Path:
        return self._place / "state"

    def _start(self) -> subprocess.Popen[str]:
        home = self._place / "home"
        home.mkdir(exist_ok=True)
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            self._words(), env=clean_environment(home, self._store.environ), text=True, **output
        )  # type: ignore[call-overload,no-any-return]

    def round(self) -> None:
        """One round. Every third one loses the ledger in the end."""
        self.tally.rounds += 1
        for name in self._chance.sample(sorted(self._sizes), 4):
            self._change(name)
        for _ in range(self._chance.randrange(1, 3)):
            self._kill_one()
        began = time.monotonic()
        self._complete("after a kill")
        self._seconds = max(time.monotonic() - began, 1.0)
        if self.tally.rounds % 3 == 0:
            shutil.rmtree(self._state)
        if fetched := self._complete("a second run")["fetched"]:
            self.tally.fetched_again += fetched
            self._violated(f"a run with nothing to do fetched {fetched}")

    def _kill_one(self) -> None:
        process = self._start()
        try:
            process.communicate(timeout=self._chance.uniform(0.3, self._seconds))
            return
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        self.tally.kills += 1
        journal = self._state / ".mlhub" / UPLOADS_FILE
        noted = journal.exists() and journal.stat().st_size > 0
        self.tally.with_unfinished += noted or bool(self._store.uploads())
        self._judge("after a kill")

    def _complete(self, when: str) -> dict[str, Any]:
        process = self._start()
        out, err = process.communicate(timeout=300)
        summary: dict[str, Any] = json.loads(out.splitlines()[-1]) if out.strip() else {"fetched": 0}
        if process.returncode:
            self._violated(f"{when}: exit code {process.returncode}: {err[-1500:]}")
            return summary
        found = self._judge(when)
        wanted = {f"c1/{name}/data.tif": hashlib.sha256(body).hexdigest() for name, body in self._now.items()}
        if found != wanted:
            self._violated(
                f"{when}: the objects are not the present ones: {set(found.items()) ^ set(wanted.items())}"
            )
        if left := self._store.uploads():
            self._violated(f"{when}: unfinished uploads are left: {left}")
        return summary

    def _judge(self, when: str) -> dict[str, str]:
        """Judge what is visible now. Returns the SHA-256 of the files by path."""
        found: dict[str, str] = {}
        lines, receipt = [], {}
        for key in self._quiet_keys():
            path = key.removeprefix(PREFIX)
            body, said = self._store.read(key)
            if not body and path.startswith(".mlhub/"):
                continue  # a request of the killed run, or an empty list of errors
            digest = hashlib.sha256(body).hexdigest()
            if (said or digest) != digest:
                self._violated(f"{when}: {path} is not what its metadata says")
            if path.endswith(".json"):
                json.loads(body)
            elif not path.startswith(".mlhub/"):
                found[path] = digest
                lines.append(f"{path} {len(body)} {digest}\n")
                if digest not in self._offered[path.split("/")[1]]:
                    self._violated(f"{when}: {path} is no version that was offered")
            if path == ".mlhub/receipt.json":
                receipt = json.loads(body)
        manifest = hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
        if receipt and receipt["manifest_sha256"] != manifest:
            self._violated(f"{when}: the receipt is of other files")
        return found

    def _quiet_keys(self) -> list[str]:
        """The keys when the requests of a killed run have ended: the store may still carry them out."""
        before, now = [""], self._store.keys(PREFIX)
        while before != now:
            time.sleep(0.2)
            before, now = now, self._store.keys(PREFIX)
        return now

    def _violated(self, what: str) -> None:
        self.tally.violations.append(f"round {self.tally.rounds}: {what}")


@contextmanager
def bucket_loop(place: Path, seed: int, store: StoreView, *, large: int = 2) -> Iterator[BucketLoop]:
    with Background() as sites:
        yield BucketLoop(place, store, sites.site(), seed, large=large)
