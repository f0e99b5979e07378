"""`onetemplate`: descriptions of VMs that are kept, to make VMs of.

Source: reference/api-modern.md §4 (the calls).
"""

from pathlib import Path
from typing import Any

import click

from trifid.cli.columns import Column, Columns, named_or_id, number, text
from trifid.cli.command import Argument, Command, CommandTable, Given, wait_goal, word_after_wait
from trifid.cli.courses import IMAGE_COURSE
from trifid.cli.dry_run import DRY_RUN, dry_run
from trifid.cli.editing import access_commands, read, read_all, rename_command, update_command
from trifid.cli.failure import Failure, explain
from trifid.cli.figures import moment
from trifid.cli.follow import Follower
from trifid.cli.kinds import GROUP, USER, VM, VM_TEMPLATE
from trifid.cli.listing import (
    LIST_OPTIONS,
    SHOW_OPTIONS,
    TOP_OPTIONS,
    WHOSE_HELP,
    Listing,
    permissions_flags,
    show,
    whose,
)
from trifid.cli.locks import lock_commands
from trifid.cli.multiple import MULTIPLE, numbered
from trifid.cli.settle import WAIT_OPTIONS, wait_for
from trifid.cli.shell import Shell
from trifid.cli.template_inputs import OPTION as USER_INPUTS
from trifid.cli.template_options import OPTIONS

_ALL_IDS = (-1, -1)

TEMPLATES = Argument("TEMPLATE", VM_TEMPLATE, many=True)
NAME = click.Option(["--name"], metavar="NAME", help="What it shall be called.")
VM_NAME = click.Option(
    ["--name"], metavar="NAME", help="What the VM shall be called, TEMPLATE-ID by default; %i is the number of each."
)
DRY = click.Option(["--dry"], is_flag=True, help="Only print the template.")
DESCRIPTION = click.Option(["--description"], metavar="TEXT", help="What it is for.")
HOLD = click.Option(["--hold"], is_flag=True, help="Keep the VM from the scheduler until it is released.")
PERSISTENT = click.Option(
    ["--persistent"], is_flag=True, help="Clone template and images first; what the VM writes stays in its images."
)
RECURSIVE = click.Option(["-r", "--recursive"], is_flag=True, help="The images of its disks as well.")
EXTENDED = click.Option(["--extended"], is_flag=True, help="With what its images and networks tell.")


def _create(shell: Shell, given: Given) -> None:
    from trifid.client import ApiError

    described = _described(given)
    if given.file and described:
        raise Failure("a FILE and options do not go together", "write everything in the file, or leave it out")
    if not given.file and not given.name:
        raise Failure("a VM template needs a FILE, or --name and what the VM shall have", 'see "onetemplate create -h"')
    for what, template in read_all(given.file) if given.file else [("options", described)]:
        if given.dry:
            shell.say(template.rstrip("\n"))
            continue
        try:
            template_id = shell.call("one.template.allocate", template)
        except ApiError as refused:
            told = explain(refused, VM_TEMPLATE.command)
            shell.complain(told.about(what))
        else:
            shell.made(VM_TEMPLATE, template_id)


def _described(given: Given) -> str:
    """Return the text of the template that the options describe, empty when there are none."""
    from trifid.cli.template_options import from_options
    from trifid.core.template.scanner import render

    template = from_options(given)
    for name, value in (("DESCRIPTION", given.description), ("NAME", given.name)):
        if value:
            template = template.having((name, value))
    return render(template)


def _instantiate(shell: Shell, given: Given) -> None:
    from trifid.client import ApiError

    goal = wait_goal(given, "HOLD" if given.hold else "RUNNING", "instantiate")
    if given.file and word_after_wait(given) == given.file and not Path(given.file).exists():
        raise Failure(f"{given.file} is neither a state of a VM nor a file", "see onetemplate instantiate --help")
    if given.persistent and given.multiple > 1:
        raise Failure("--persistent and --multiple do not go together", "each persistent VM has a template of its own")
    extras = {template_id: _extra(shell, template_id, given) for template_id in given.template}
    if given.dry_run:
        dry_run(shell, _trials(given, extras))
        return
    follower = Follower(shell) if goal else None
    made = []
    for template_id, extra in extras.items():
        for index in range(given.multiple):
            name = numbered(given.name or "", index, given.multiple)
            arguments = (template_id, name, given.hold, extra, given.persistent)
            try:
                made.append(shell.call("one.template.instantiate", *arguments))
            except ApiError as refused:
                shell.complain(explain(refused, VM_TEMPLATE.command, template_id))
                break
            shell.made(VM, made[-1], "VM ID")
    if follower and goal and made:
        follower.until(made, goal, given.timeout)


def _trials(given: Given, extras: dict[int, str]) -> list[dict[str, Any]]:
    """Return what --dry-run tries: VMs of the same template together."""
    if given.persistent:
        raise Failure("--dry-run and --persistent do not go together", "try it without --persistent")
    return [
        {"template_id": template_id, "extra": extra, "count": given.multiple, "what": f"template {template_id}"}
        for template_id, extra in extras.items()
    ]


def _extra(shell: Shell, template_id: int, given: Given) -> str:
    """Return the extra template: that of the options over FILE, with what the template asks for."""
    from trifid.cli.listing import template_text
    from trifid.cli.template_inputs import answers
    from trifid.cli.template_options import from_options
    from trifid.core.template.model import Template
    from trifid.core.template.scanner import parse, render

    present = parse(template_text(shell.one(VM_TEMPLATE, template_id).get("TEMPLATE")))
    of_file = parse(read(given.file)) if given.file else Template()
    context = (of_file if "CONTEXT" in of_file else present).vector("CONTEXT")
    of_options = from_options(given, context)
    asked = answers(shell, present, given.user_inputs)
    return render(asked.merged(of_file).merged(of_options))


def _clone(shell: Shell, given: Given) -> None:
    clone_id = shell.call("one.template.clone", given.template, given.name, given.recursive)
    shell.made(VM_TEMPLATE, clone_id)
    if given.recursive and given.wait:
        wait_for(shell, IMAGE_COURSE, _images(shell, clone_id), given)


def _delete(shell: Shell, given: Given) -> None:
    waits = given.recursive and given.wait
    images = [one for template_id in given.template for one in _images(shell, template_id)] if waits else []
    method, with_images = "one.template.delete", given.recursive
    for template_id in given.template:
        shell.attempt(VM_TEMPLATE, template_id, method, template_id, with_images)
    if not shell.is_failed:
        wait_for(shell, IMAGE_COURSE, images, given, is_deletion=True)


def _images(shell: Shell, template_id: int) -> list[int]:
    """Return the images that a template names by their ids."""
    from trifid.wire.elements import several

    body = shell.one(VM_TEMPLATE, template_id).get("TEMPLATE")
    disks = several(body.get("DISK")) if isinstance(body, dict) else []
    return [int(disk["IMAGE_ID"]) for disk in disks if isinstance(disk, dict) and disk.get("IMAGE_ID", "").isdecimal()]


def _chmod(template_id: int, given: Given) -> tuple[Any, ...]:
    return template_id, *permissions_flags(given.mode), given.recursive


def _with_images(row: Command) -> Command:
    """Return the row of an access command, chmod with what it can do for images."""
    if row.word != "chmod":
        return row
    return row._replace(send=_chmod, options=(RECURSIVE,), examples=(*row.examples, "chmod web 604 --recursive"))


def _sharing(word: str, about: str, mode: str) -> Command:
    """Return the row of a chmod with what it is good for; nothing else is changed than what the group may do."""
    keep = -1
    group_use = permissions_flags(mode)[3]
    flags = (keep, keep, keep, group_use, keep, keep, keep, keep, keep)
    send = lambda template_id, given: (template_id, *flags, True)  # noqa: E731
    return Command(word, about, (TEMPLATES,), "one.template.chmod", send, examples=(f"{word} web",))


def _show(shell: Shell, given: Given) -> None:
    from trifid.cli.template_show import print_vm_template

    show(VM_TEMPLATE, "template", print_vm_template, *((True,) if given.extended else ()))(shell, given)


TEMPLATE_COLUMNS = Columns(
    "onetemplate",
    "ID,USER,GROUP,NAME,REGTIME",
    (
        Column("ID", 4, "number", number("ID")),
        Column("USER", 10, "owner", named_or_id("UNAME", "UID"), left=True),
        Column("GROUP", 10, "group", named_or_id("GNAME", "GID"), left=True),
        Column("NAME", 25, "name", text("NAME"), left=True),
        Column("REGTIME", 14, "when it was made", number("REGTIME"), lambda value, view: moment(value), left=True),
        Column("CPU", 5, "cores that a VM is promised", text("TEMPLATE/CPU")),
        Column("MEMORY", 7, "memory of a VM, MiB", text("TEMPLATE/MEMORY")),
        Column("DESCRIPTION", 30, "what it is for", text("TEMPLATE/DESCRIPTION"), left=True),
    ),
)
_LISTING = Listing(
    VM_TEMPLATE, TEMPLATE_COLUMNS, lambda shell, given: ("one.templatepool.info", whose(shell, given.whose), *_ALL_IDS)
)

ROWS = (
    Command(
        "create",
        "Keep a VM template described by a FILE, - for standard input, or by options.",
        (Argument("FILE", many=True, optional=True),),
        run=_create,
        options=(NAME, DESCRIPTION, *OPTIONS, DRY),
        examples=(
            "create web.tmpl",
            "create --name web --cpu 0.5 --memory 512 --disk debian --nic private --net-context",
            "create --name db --cpu 2 --memory 4g --disk debian:size=20480,alice[data] --dry",
        ),
    ),
    Command(
        "instantiate",
        "Make VMs of templates; what FILE or options give stands instead of attributes of the same names.",
        (TEMPLATES, Argument("FILE", optional=True)),
        run=_instantiate,
        options=(VM_NAME, MULTIPLE, HOLD, USER_INPUTS, PERSISTENT, DRY_RUN, *OPTIONS),
        goal="RUNNING",
        more="Variables of --context, --ssh and --net-context come on top of those of the template.",
        examples=(
            "instantiate web --name front --wait",
            "instantiate web --name front-%i --multiple 3 --memory 1g",
            "instantiate 3 more.txt --user-inputs ROLE=db,SIZE=20",
            "instantiate web --multiple 40 --dry-run",
        ),
    ),
    Command(
        "clone",
        "Copy a VM template; the copy is yours.",
        (Argument("TEMPLATE", VM_TEMPLATE), Argument("NAME")),
        run=_clone,
        options=(RECURSIVE, *WAIT_OPTIONS),
        examples=("clone web my-web", "clone 3 my-web --recursive --wait"),
    ),
    Command(
        "delete",
        "Remove a VM template; VMs made of it stay.",
        (TEMPLATES,),
        run=_delete,
        options=(RECURSIVE, *WAIT_OPTIONS),
        examples=("delete web", "delete 3,5..7", "delete web --recursive --wait"),
    ),
    rename_command(VM_TEMPLATE, "TEMPLATE"),
    update_command(VM_TEMPLATE, "TEMPLATE", "TEMPLATE"),
    *(_with_images(row) for row in access_commands(VM_TEMPLATE, "TEMPLATE", USER, GROUP)),
    _sharing("share", "Let the users of its group use a VM template and the images of its disks.", "640"),
    _sharing("unshare", "Keep a VM template and the images of its disks to their owner.", "600"),
    *lock_commands(VM_TEMPLATE, "TEMPLATE"),
    Command(
        "list",
        "List the VM templates, the newest first.",
        (Argument("WHOSE", optional=True),),
        run=_LISTING.run,
        options=LIST_OPTIONS,
        more=WHOSE_HELP,
        examples=("list", "list m -l ID,NAME,CPU,MEMORY", "list -j"),
    ),
    Command(
        "top",
        "List the VM templates again and again.",
        (Argument("WHOSE", optional=True),),
        run=_LISTING.top,
        options=TOP_OPTIONS,
        more=WHOSE_HELP,
        examples=("top", "top -d 5 -n 3"),
    ),
    Command(
        "show",
        "Tell everything about a VM template.",
        (TEMPLATES,),
        run=_show,
        options=(EXTENDED, *SHOW_OPTIONS),
        examples=("show web", "show 3 --extended", "show 3 -j"),
    ),
)

main = CommandTable(
    "onetemplate",
    "Manage VM templates.  TEMPLATE stands for ids, names, and lists of them such as 0,2..4,web.",
    ROWS,
    VM_TEMPLATE,
    {
        "publish": 'called chmod today: "onetemplate chmod TEMPLATE 604"',
        "unpublish": 'called chmod today: "onetemplate chmod TEMPLATE 600"',
    },
)

if __name__ == "__main__":
    main()
