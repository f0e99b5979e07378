"""The documents of hooks and of what came of them.

Source: reference/api-modern.md §4 (hooks), §5.5 (hook.xsd).
"""

from collections.abc import Iterable

from trifid.core.hook import Hook, HookExecution
from trifid.core.hook_define import SHOWN
from trifid.core.template.model import Template
from trifid.wire.bodies.parts import body, cdata, lock
from trifid.wire.xmltext import escape


def hook(record: Hook, executions: Iterable[HookExecution] | None = None, template: Template | None = None) -> str:
    """Return the HOOK document.

    Args:
        executions: what came of it; None in a pool, whose documents do not tell.
        template: shown in the place of what the schema has room for.
    """
    shown = record.template.only(*SHOWN).by_name() if template is None else template.by_name()
    log = "" if executions is None else f"<HOOKLOG>{''.join(map(execution, executions))}</HOOKLOG>"
    return (
        f"<HOOK><ID>{record.id}</ID><NAME>{escape(record.name)}</NAME><TYPE>{record.type}</TYPE>"
        f"{lock(record.lock)}{body('TEMPLATE', shown)}{log}</HOOK>"
    )


def execution(record: HookExecution) -> str:
    """Return the document of one execution."""
    remote = f"<REMOTE_HOST>{escape(record.remote_host)}</REMOTE_HOST>" if record.remote_host else ""
    retry = "<RETRY>yes</RETRY>" if record.retry else ""
    return (
        f"<HOOK_EXECUTION_RECORD><HOOK_ID>{record.hook_id}</HOOK_ID>"
        f"<EXECUTION_ID>{record.execution_id}</EXECUTION_ID><TIMESTAMP>{record.timestamp}</TIMESTAMP>"
        f"<ARGUMENTS>{cdata(record.arguments)}</ARGUMENTS>"
        f"<EXECUTION_RESULT><COMMAND>{cdata(record.command)}</COMMAND><STDOUT>{cdata(record.stdout)}</STDOUT>"
        f"<STDERR>{cdata(record.stderr)}</STDERR><CODE>{record.code}</CODE></EXECUTION_RESULT>"
        f"{remote}{retry}</HOOK_EXECUTION_RECORD>"
    )


def log_document(executions: Iterable[HookExecution]) -> str:
    """Return the HOOKLOG document of one.hooklog.info."""
    return f"<HOOKLOG>{''.join(map(execution, executions))}</HOOKLOG>"
