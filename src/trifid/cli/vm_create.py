"""`onevm create`: VMs out of template files, or out of options."""

from collections import Counter
from pathlib import Path

import click

from trifid.cli.command import Argument, Command, Given, wait_goal, word_after_wait
from trifid.cli.dry_run import DRY_RUN, dry_run
from trifid.cli.editing import read_all
from trifid.cli.failure import Failure, explain
from trifid.cli.follow import Follower
from trifid.cli.kinds import VM
from trifid.cli.multiple import MULTIPLE, numbered
from trifid.cli.shell import Shell
from trifid.cli.template_options import OPTIONS as TEMPLATE_OPTIONS

ON_HOLD = click.Option(["--hold"], is_flag=True, help="Keep it from the scheduler until it is released.")
NAME = click.Option(["--name"], metavar="NAME", help="What it is called.")


def _create(shell: Shell, given: Given) -> None:
    from trifid.client import ApiError

    goal = wait_goal(given, "HOLD" if given.hold else "RUNNING", "create")
    word = word_after_wait(given)
    if word in given.file and not Path(word).exists():
        raise Failure(f"{word} is neither a state of a VM nor a file", "nothing was created; see onevm create --help")
    files = read_all(given.file)
    templates = [one for index in range(given.multiple) for one in _described(given, files, index)]
    if given.dry_run:
        alike = Counter(templates)
        dry_run(shell, [{"template": text, "what": file, "count": n} for (file, text), n in alike.items()])
        return
    follower = Follower(shell) if goal else None
    made = []
    refusals: Counter[tuple[str, str]] = Counter()
    for file, template in templates:
        try:
            made.append(shell.call("one.vm.allocate", template, given.hold))
        except ApiError as refused:
            told = explain(refused, VM.command)
            refusals[file, told.text] += 1
            if refusals[file, told.text] == 1:
                shell.complain(told.about(file))
            continue
        shell.made(VM, made[-1])
    for (file, _), count in refusals.items():
        if count > 1:
            shell.complain(Failure(f"{file}: {count - 1} more were refused for the same reason"))
    if follower and goal and made:
        follower.until(made, goal, given.timeout)


def _described(given: Given, files: list[tuple[str, str]], index: int) -> list[tuple[str, str]]:
    """Return what messages call each template, and its text: that of the files, with what the options say.

    Args:
        index: which of --multiple it is.
    """
    from trifid.cli.template_options import from_options
    from trifid.core.template.model import Template
    from trifid.core.template.scanner import parse, render

    name = (("NAME", numbered(given.name, index, given.multiple)),) if given.name else ()
    if not files:
        if not len(from_options(given)):
            raise Failure("a VM needs a template FILE, or options", 'such as "onevm create --memory 1g --disk debian"')
        return [("options", render(Template((("CPU", "1"),)).merged(from_options(given)).having(*name)))]
    if not name and not len(from_options(given)):
        return files
    found = []
    for file, text in files:
        of_file = parse(text)
        of_options = from_options(given, of_file.vector("CONTEXT")).having(*name)
        found.append((file, render(of_file.merged(of_options))))
    return found


CREATE = Command(
    "create",
    "Submit a VM described by a template FILE, - for standard input, or by options.",
    (Argument("FILE", many=True, optional=True),),
    run=_create,
    options=(NAME, MULTIPLE, *TEMPLATE_OPTIONS, ON_HOLD, DRY_RUN),
    more="Options replace what the FILE says.  Without a FILE, --cpu is 1 if it is not given.",
    goal="RUNNING",
    aliases=("submit",),
    examples=(
        "create web.vm",
        "create web.vm db.vm --wait",
        "create --hold - < web.vm",
        "create web.vm db.vm --multiple 20 --dry-run",
        "create --name web --memory 1g --disk debian:size=20480 --nic private --ssh key.pub --wait",
    ),
)
