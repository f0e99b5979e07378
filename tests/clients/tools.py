"""Clients of other projects as processes, run as their users run them: unmodified, from build/clients."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.system.home import Home

BIN = Path(__file__).parents[2] / "build" / "clients" / "bin"
PLAYBOOKS = Path(__file__).parent / "playbooks"
TIMEOUT_S = 110.0

_RECAP = re.compile(r"^localhost\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Recap:
    """What Ansible says at the end of a playbook; a task that failed has failed the test already."""

    ok: int
    changed: int


class Tools:
    """The commands of build/clients, with the settings by which they find an engine.

    Attributes:
        path: a directory for what they keep.
    """

    def __init__(self, home: Home, path: Path) -> None:
        self.path = path
        url = f"http://127.0.0.1:{home.port}/RPC2"
        user, _, secret = home.session.partition(":")
        kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        self.environment = {
            **kept,
            "HOME": str(path),
            "PATH": f"{BIN}{os.pathsep}{os.defpath}",
            "ONE_XMLRPC": url,
            "ONE_AUTH": str(home.path / "one_auth"),
            "ONE_URL": url,
            "ONE_USERNAME": user,
            "ONE_PASSWORD": secret,
            "ANSIBLE_HOME": str(path / "ansible"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_PYTHON_INTERPRETER": str(BIN / "python"),
            "LC_CTYPE": "C.UTF-8",
        }

    def run(self, *argv: str, text: str | None = None, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a client; another exit status than expected fails the test."""
        assert BIN.is_dir(), f"{BIN} is missing: run tools/clients, as make test does"
        done = subprocess.run(
            [str(BIN / argv[0]), *argv[1:]],
            input=text,
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=TIMEOUT_S,
            check=False,
        )
        said = f"{' '.join(argv)} ended with {done.returncode}\n{done.stdout}{done.stderr}"
        assert status is None or done.returncode == status, said
        return done

    def play(self, book: str, tag: str, *options: str, times: int = 1, **variables: str) -> Recap:
        """Run what a playbook has under a tag, with these variables; return its recap, of all `times` together."""
        given = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
        books = [str(PLAYBOOKS / book)] * times
        done = self.run("ansible-playbook", "-i", "localhost,", "--tags", tag, *options, *given, *books)
        found = _RECAP.search(done.stdout)
        assert found, done.stdout + done.stderr
        ok, changed, unreachable, failed = (int(number) for number in found.groups())
        assert (unreachable, failed) == (0, 0), done.stdout + done.stderr
        return Recap(ok, changed)

    def converges(self, book: str, tag: str, **variables: str) -> None:
        """Run what a playbook has under a tag twice: the first run must change something, the second nothing."""
        ran = self.play(book, tag, times=2, **variables)
        assert ran.changed == 1, f"{book} {tag} changed {ran.changed} times in two runs"
