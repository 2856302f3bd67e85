"""The guests there can be: an architecture, its qemu, Debian's kernel package for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from mmtwin.kernels.host.build import AgentError
from mmtwin.kernels.host.machines import S390X, X86_64, X86_64_LA57, Machine


@dataclass(frozen=True, slots=True)
class Guest:
    """One kind of guest.

    ``qemu`` is the program that emulates it and ``qemu_package`` what it comes in; ``package`` a
    pattern of the kernel package's name; ``modules`` the drivers that a port of a virtio console
    needs there, in the order of loading, and with which the guest tells qemu where its kernel
    lies; ``port`` the devices of that port; ``console`` the kernel's
    own; ``target`` is the make target that fetches the package.
    """

    machine: Machine
    qemu: str
    qemu_package: str
    package: str
    modules: tuple[str, ...]
    port: tuple[str, ...]
    console: str
    target: str
    options: tuple[str, ...] = ()


_X86_64: Final = Guest(
    X86_64,
    "qemu-system-x86_64",
    "qemu-system-x86",
    "linux-image-6.1.0-*-cloud-amd64",
    (
        "virtio_ring",
        "virtio",
        "virtio_pci_modern_dev",
        "virtio_pci_legacy_dev",
        "virtio_pci",
        "virtio_console",
        "qemu_fw_cfg",
    ),
    ("virtio-serial-pci", "virtserialport,chardev=agent,nr=1"),
    "ttyS0",
    "guest",
)

GUESTS: Final = {
    guest.machine.name: guest
    for guest in (
        _X86_64,
        replace(_X86_64, machine=X86_64_LA57, options=("-cpu", "qemu64,+la57")),
        Guest(
            S390X,
            "qemu-system-s390x",
            "qemu-system-misc",
            "linux-image-6.1.0-*-s390x",
            ("virtio_console",),
            ("virtio-serial-ccw", "virtserialport,chardev=agent,nr=1"),
            "ttysclp0",
            "guest-s390x",
            ("-M", "s390-ccw-virtio"),
        ),
    )
}


def guest(name: str) -> Guest:
    """The guest of that architecture; AgentError names those there are."""
    try:
        return GUESTS[name]
    except KeyError:
        raise AgentError(f"no guest of {name!r}; there are {', '.join(GUESTS)}") from None
