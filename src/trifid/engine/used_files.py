"""Which files of the catalogue a VM boots or is told with: KERNEL_DS, INITRD_DS and FILES_DS."""

from trifid.core.access import Caller
from trifid.core.image.record import Image, ImageState, ImageType
from trifid.core.template.file_references import FileReference, file_references, one_file_reference
from trifid.core.template.model import Template
from trifid.core.vm.record import UsedFile
from trifid.engine.transaction import Draft
from trifid.engine.used_images import image_to_use
from trifid.errors import BadTemplate

_BOOTED = (("kernel", "KERNEL_DS", ImageType.KERNEL), ("initrd", "INITRD_DS", ImageType.RAMDISK))


def files_of(draft: Draft, caller: Caller, template: Template, *, may_wait: bool = True) -> tuple[UsedFile, ...]:
    """Return the files of the catalogue that a template names.

    Args:
        may_wait: whether the VM can wait for images that are being made; one that is there cannot.

    Raises:
        BadTemplate: a reference is malformed, or its image is missing, of another type or not usable.
        NotAllowed: the caller may not use one of them.
    """
    found = []
    usable = (ImageState.READY, ImageState.LOCKED) if may_wait else (ImageState.READY,)
    os = template.vector("OS")
    for role, key, kind in _BOOTED:
        if text := os.get(key, ""):
            where = f"OS {key}"
            found.append(_used(draft, caller, one_file_reference(text, where), role, kind, where, usable))
    where = "CONTEXT FILES_DS"
    for reference in file_references(template.vector("CONTEXT").get("FILES_DS", ""), where):
        found.append(_used(draft, caller, reference, "context", ImageType.CONTEXT, where, usable))
    return tuple(found)


def _used(
    draft: Draft,
    caller: Caller,
    reference: FileReference,
    role: str,
    kind: ImageType,
    where: str,
    usable: tuple[ImageState, ...],
) -> UsedFile:
    try:
        image = image_to_use(draft, caller, reference, kind=where)
        _refuse_unusable(image, kind, usable)
    except BadTemplate as bad:
        raise BadTemplate(f"{where}: {bad.message}") from bad
    return UsedFile(role, image.id, image.source, image.name)


def _refuse_unusable(image: Image, kind: ImageType, usable: tuple[ImageState, ...]) -> None:
    about = f"image {image.name} [{image.id}]"
    if image.type is not kind:
        raise BadTemplate(f"{about} is of type {image.type.name}, it must be {kind.name}")
    if image.state not in usable:
        raise BadTemplate(f"{about} is {image.state.name}, it must be READY")
