"""A load test of ``oddscape serve`` on loopback, beside a plain loop of the same detector.

    python benchmarks/serve.py [--requests 200] [--undisturbed 50] [--clients 4] [--slow 20] [--threads 1]
        [--height 720] [--detector FILE]

The loop goes over a picture's file in this process. A server in a process of its own then takes the same
picture again and again from several clients: first undisturbed, then while slow clients send a byte at a time
or do not read their answers (which the network computes all the same), and one sends what is damaged, no
picture, huge, or small but enormous once decoded, over and over. Memory is the server's resident size: before
the first request, after the undisturbed ones, the highest, and after the last. Without --detector, it is
street-lite, which comes with Oddscape. Reads /proc, so it runs on Linux.
"""

from __future__ import annotations

import argparse
import http.client
import io
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from oddscape.detector import Detector
from oddscape.town import render_scene


def street(height: int) -> bytes:
    image, _ = render_scene("t5", 0, 0, (height, height * 16 // 9))
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=90)
    return file.getvalue()


def bomb() -> bytes:
    """A PNG of a few hundred bytes that claims 50,000×50,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9999)))


def plain_loop(detector: Detector, picture: bytes, times: int) -> Load:
    """The detector alone, from the file to its prediction."""
    detector.predict(Image.open(io.BytesIO(picture)))
    cpu, waits = time.process_time(), []
    for _ in range(times):
        start = time.perf_counter()
        detector.predict(Image.open(io.BytesIO(picture)))
        waits.append(time.perf_counter() - start)
    return Load(times / sum(waits), (time.process_time() - cpu) / times, waits, Counter())


@contextmanager
def served(options: list[str]) -> Iterator[tuple[int, int]]:
    """Port and process number of a server."""
    command = [sys.executable, "-u", "-m", "oddscape", "serve", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        found = re.search(r":(\d+)/", server.stdout.readline())
        assert found is not None, "the server did not start"
        yield int(found[1]), server.pid
        assert server.poll() is None, "the server has died"
        server.terminate()


def cpu_seconds(process: int) -> float:
    """Processor time that a process has taken so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(process: int, what: str) -> float:
    """VmRSS, the resident size, or VmHWM, the highest so far."""
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(rf"{what}:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def post(port: int, body: bytes) -> tuple[int, float]:
    """Status, and seconds until the whole answer was there; 0 where the connection was cut."""
    start = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        with suppress(BrokenPipeError, ConnectionResetError):  # an answer may come before all is sent
            connection.request("POST", "/predict.safetensors?side=1600", body)
        response = connection.getresponse()
        response.read()
        return response.status, time.perf_counter() - start
    except OSError:
        return 0, time.perf_counter() - start
    finally:
        connection.close()


def trickle(port: int, first: bytes, rest: bytes, ended: threading.Event) -> None:
    """Send some, then a byte every half second; come again some time after the server has had enough."""
    while not ended.is_set():
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(first)
            for index in range(len(rest)):
                if ended.wait(0.5):
                    return
                connection.sendall(rest[index : index + 1])
        ended.wait(10)


@dataclass(frozen=True)
class Load:
    """What came of many pictures: how many a second, processor time of each, waits in seconds, statuses."""

    rate: float
    cpu: float
    waits: list[float]
    statuses: Counter[int]

    @classmethod
    def of(cls, port: int, process: int, picture: bytes, requests: int, clients: int) -> Load:
        """Post a picture so many times."""
        start, cpu = time.perf_counter(), cpu_seconds(process)
        with ThreadPoolExecutor(clients) as pool:
            replies = list(pool.map(lambda _: post(port, picture), range(requests)))
        rate = requests / (time.perf_counter() - start)
        cpu = (cpu_seconds(process) - cpu) / requests
        return cls(rate, cpu, [wait for _, wait in replies], Counter(status for status, _ in replies))


def slow_clients(port: int, count: int, picture: bytes, ended: threading.Event) -> list[threading.Thread]:
    """A third trickle their picture, a third their request's head, a third ask and never read."""
    head = f"POST /predict.npy HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(picture)}\r\n\r\n".encode()
    waiting = bytes(10_000)  # for bytes that are never sent, or sent too late
    kinds = [
        (head + picture[:-9_000], picture[-9_000:]),
        (b"GET / HTTP/1.1\r\nX: ", waiting),
        (head + picture, waiting),
    ]
    threads = [
        threading.Thread(target=trickle, args=(port, *kinds[index % 3], ended), daemon=True)
        for index in range(count)
    ]
    for thread in threads:
        thread.start()
    return threads


def attack(port: int, picture: bytes, ended: threading.Event, statuses: dict[str, Counter[int]]) -> None:
    """Damaged, huge and bomb-like uploads, over and over."""
    bodies = {
        "damaged": picture[: len(picture) // 2],
        "no picture": np.random.default_rng(0).bytes(100_000),
        "bomb": bomb(),
        "huge (100 MB)": bytes(100 * 2**20),
    }
    while not ended.is_set():
        for name, body in bodies.items():
            statuses[name][post(port, body)[0]] += 1
        ended.wait(2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--undisturbed", type=int, default=50)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--slow", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--detector", type=Path)
    given = parser.parse_args()

    torch.set_num_threads(given.threads)
    picture = street(given.height)
    detector = Detector.shipped() if given.detector is None else Detector.load(given.detector)
    alone = plain_loop(detector, picture, given.undisturbed)
    options = ["--threads", str(given.threads)]
    options += [] if given.detector is None else ["--detector", str(given.detector)]
    statuses: dict[str, Counter[int]] = defaultdict(Counter)
    with served(options) as (port, process):
        memory = [megabytes(process, "VmRSS")]
        undisturbed = Load.of(port, process, picture, given.undisturbed, given.clients)
        memory.append(megabytes(process, "VmRSS"))
        ended = threading.Event()
        slow_clients(port, given.slow, picture, ended)
        attacker = threading.Thread(target=attack, args=(port, picture, ended, statuses))
        attacker.start()
        disturbed = Load.of(port, process, picture, given.requests, given.clients)
        ended.set()
        attacker.join()
        time.sleep(1)
        memory += [megabytes(process, "VmHWM"), megabytes(process, "VmRSS")]
    loads = {"plain loop": alone, "server": undisturbed, f"server, {given.slow} slow": disturbed}
    report(given, loads, statuses, memory)


def report(
    given: argparse.Namespace,
    loads: dict[str, Load],
    statuses: dict[str, Counter[int]],
    memory: list[float],
) -> None:
    sizes = f"Pictures of {given.height * 16 // 9}×{given.height} from {given.clients} clients"
    table = Table("", "pictures/s", "of the loop", "CPU s each", "median wait", "95 %", title=sizes)
    for name, load in loads.items():
        waits = [f"{np.quantile(load.waits, share):.2f} s" for share in (0.5, 0.95)]
        share = load.rate / loads["plain loop"].rate
        table.add_row(name, f"{load.rate:.2f}", f"{share:.2f}", f"{load.cpu:.3f}", *waits)
    console = Console(highlight=False)
    console.print(table)
    answered = {name: load.statuses for name, load in loads.items() if load.statuses}
    for name, counts in (answered | statuses).items():
        console.print(f"{name}: {counted(counts)}")
    console.print(
        "memory before, undisturbed, highest, after: " + ", ".join(f"{size:.0f} MB" for size in memory)
    )


def counted(statuses: Counter[int]) -> str:
    return ", ".join(f"{count} × {status or 'cut'}" for status, count in sorted(statuses.items()))


if __name__ == "__main__":
    main()
