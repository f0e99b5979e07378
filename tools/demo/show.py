"""What the demo shows: its steps, and the commands it runs, as a person would type them."""

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

_STARTED = time.monotonic()


class Failed(Exception):
    """A step did not work: why, and what to do about it."""

    def __init__(self, why: str, *hints: str) -> None:
        super().__init__(why)
        self.hints = hints


def step(text: str) -> None:
    """Print the heading of a step, with the seconds since the demo began."""
    print(_bold(f"\n[{time.monotonic() - _STARTED:4.1f} s] {text}"), flush=True)


def say(text: str) -> None:
    """Print a fact."""
    print(f"    {text}", flush=True)


def run(*argv: str, hint: str = "") -> str:
    """Run a command in the open: print it and, indented, what it prints; return that.

    Raises:
        Failed: it is not there, or ended with another status than 0.
    """
    print(_bold(f"  $ {shlex.join(argv)}"), flush=True)
    lines = []
    try:
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except OSError as fault:
        raise Failed(f"{argv[0]} cannot be run: {fault.strerror}", hint) from fault
    with child:
        for line in child.stdout or ():
            lines.append(line)
            print(f"    {line.rstrip()}", flush=True)
    if child.returncode != 0:
        raise Failed(f"{argv[0]} ended with status {child.returncode}, see above", hint)
    return "".join(lines)


def background(*argv: str, log: Path) -> "subprocess.Popen[bytes]":
    """Start a command in the open that runs on after the demo; what it prints goes to a file."""
    print(_bold(f"  $ {shlex.join(argv)} > {shlex.quote(str(log))} 2>&1 &"), flush=True)
    with log.open("w") as file:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)


def look(*argv: str) -> str | None:
    """Run a command quietly; return what it prints, None if it is not there or did not work."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def as_root(*argv: str) -> tuple[str, ...]:
    """Return a command as root runs it: itself, or with sudo."""
    return argv if os.geteuid() == 0 else ("sudo", *argv)


def _bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text
