"""Open files, inodes, shared-memory objects, and the VMAs that map them.

A VMA's identity as a file mapping is the open file description (``struct file``), not the inode:
two opens of one file never merge. Paths are interned strings, their numbers stand in memory.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import ulonglong as u64

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.machine.profile import Profile
from mmtwin.memory.memory import Memory
from mmtwin.space import flags as c
from mmtwin.space.fields import Caches, VmaFields

if not cython.compiled:
    from mmtwin.pages.words import load, store
    from mmtwin.space.parts import load32, store32

TOP = declare(u64, c.MAX)
VM_SHARED = declare(u64, c.VM_SHARED)
VM_MAYWRITE = declare(u64, c.VM_MAYWRITE)
FMODE_READ = declare(u64, c.FMODE_READ)
FMODE_WRITE = declare(u64, c.FMODE_WRITE)

FILE_NO_MMAP = 0
"""A directory or the like: no mmap method (ENODEV)."""
FILE_REGULAR = 1
"""A file of a disk file system, or a block device."""
FILE_SHMEM = 2
"""tmpfs, memfd, and what stands behind shared anonymous memory."""
FILE_ZERO = 3
"""/dev/zero: private maps are anonymous but keep the file, shared ones get a shmem object."""
FILE_DEVICE = 4
"""A driver that maps its own pages: VM_IO, VM_PFNMAP, VM_DONTEXPAND, VM_DONTDUMP."""
FILE_SYSV = 5
"""One attachment of a System V segment."""

FILE_HUGETLB = 6
"""hugetlbfs: what stands behind MAP_HUGETLB, and memfds of huge pages."""

AREA_MM = 0
"""The address space's own search."""
AREA_THP = 1
"""thp_get_unmapped_area (ext4, xfs, btrfs): large maps begin where huge pages can."""
AREA_SHMEM = 2
AREA_ZERO = 3
"""/dev/zero since 6.7: shared maps as shared memory, private ones as large anonymous memory."""

AREA_HUGE_2M = 4
AREA_HUGE_1G = 5
"""Areas of hugetlbfs begin and end at whole pages of 2 MiB or 1 GiB."""

MAX_LFS_FILESIZE = 0x7FFFFFFFFFFFFFFF
MAX_DEVICE_SIZE = 0xFFFFFFFFFFFFFFFF
INODE_BUCKETS = 1024
TEXT = 0xFFFFFFFF81000000

CLOSE = declare(u64, 8)
MAY_SPLIT = declare(u64, 16)
# struct inode, struct file_operations.
I_SB = declare(u64, 40)
I_MAPPING = declare(u64, 48)
I_INO = declare(u64, 64)
I_SIZE = declare(u64, 80)
I_COUNT = declare(u64, 344)
I_DATA = declare(u64, 376)
I_MMAP_WRITABLE = declare(u64, 444)
I_MMAP = declare(u64, 448)
FOPS_AREA = declare(u64, 8)
I_CHARGED = declare(u64, 600)

LAST_INO = declare(u64, 112)
SHMEM_DEV = 1
"""Device 00:01, the kernel's internal tmpfs."""
HUGETLB_DEV = 17
"""Device 00:11, the kernel's internal hugetlbfs of 2 MiB; its number differs among machines."""


class Files(VmaFields):
    """``struct file``, inodes, ``i_mmap``, and the tables of functions that VMAs point to."""

    def __init__(self, memory: Memory, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, caches, profile)
        file = self.layouts.file
        self.at_f_mode = file.offset("f_mode")
        self.at_f_op = file.offset("f_op")
        self.at_f_inode = file.offset("f_inode")
        self.at_f_mapping = file.offset("f_mapping")
        self.at_f_flags = file.offset("f_flags")
        self.at_f_count = file.offset("f_count")
        self.at_f_path = file.offset("f_path")
        self.file_size = file.size
        self.at_i_hash = self.layouts.inode.offset("i_hash")
        self.inode_size = self.layouts.inode.size
        self.inode_hash = memory.boot_alloc(8 * INODE_BUCKETS, 8)
        self.generic_file_vm_ops = self._vm_ops("generic_file", ("fault", "map_pages"))
        self.shmem_vm_ops = self._vm_ops("shmem", ("fault", "map_pages"))
        self.special_mapping_vmops = self._vm_ops(
            "special_mapping", ("close", "may_split", "mremap", "fault", "name")
        )
        self.shm_vm_ops = self._vm_ops("shm", ("open", "close", "may_split", "fault"))
        self.device_vm_ops = self._vm_ops("device", ("open", "close", "fault"))
        self.file_ops = {
            (kind, area): self._file_ops(kind, area, maxbytes)
            for kind, area, maxbytes in (
                (FILE_NO_MMAP, AREA_MM, MAX_DEVICE_SIZE),
                (FILE_REGULAR, AREA_MM, MAX_LFS_FILESIZE),
                (FILE_REGULAR, AREA_THP, MAX_LFS_FILESIZE),
                (FILE_SHMEM, AREA_SHMEM, MAX_LFS_FILESIZE),
                (FILE_SYSV, AREA_SHMEM, MAX_LFS_FILESIZE),
                (FILE_ZERO, AREA_MM, MAX_DEVICE_SIZE),
                (FILE_ZERO, AREA_ZERO, MAX_DEVICE_SIZE),
                (FILE_DEVICE, AREA_MM, MAX_DEVICE_SIZE),
                (FILE_HUGETLB, AREA_HUGE_2M, MAX_LFS_FILESIZE),
                (FILE_HUGETLB, AREA_HUGE_1G, MAX_LFS_FILESIZE),
                (FILE_SYSV, AREA_HUGE_2M, MAX_LFS_FILESIZE),
                (FILE_SYSV, AREA_HUGE_1G, MAX_LFS_FILESIZE),
            )
        }

    def _vm_ops(self, name: str, hooks: tuple[str, ...]) -> int:
        layout = self.layouts.vm_operations_struct
        table = self.memory.boot_alloc(layout.size, 8)
        for hook in hooks:
            symbol = self.memory.strings.number(f"{name}_{hook}")
            store(self.memory, table + layout.offset(hook), TEXT + 16 * symbol)
        return table

    def _file_ops(self, kind: int, area: int, maxbytes: int) -> int:
        layout = self.layouts.file_operations
        table = self.memory.boot_alloc(layout.size, 8)
        store(self.memory, table + layout.offset("kind"), kind)
        store(self.memory, table + layout.offset("get_unmapped_area"), area)
        store(self.memory, table + layout.offset("maxbytes"), maxbytes)
        return table

    # Inodes and open files.

    def iget(self, dev: u64, ino: u64) -> u64:
        """The inode ``ino`` of device ``dev``, a new one if none is in use; 0 without memory."""
        memory: Memory = self.memory
        bucket: u64 = self.inode_hash + 8 * ((ino * 31 + dev) % INODE_BUCKETS)
        inode: u64 = load(memory, bucket)
        while inode != 0:
            if load(memory, inode + I_INO) == ino and load(memory, inode + I_SB) == dev:
                store32(memory, inode + I_COUNT, load32(memory, inode + I_COUNT) + 1)
                return inode
            inode = load(memory, inode + self.at_i_hash)
        inode = self.inode_cache.alloc(GFP_KERNEL)
        if inode == 0:
            return 0
        memory.zero(inode, self.inode_size)
        store(memory, inode + I_SB, dev)
        store(memory, inode + I_INO, ino)
        store(memory, inode + I_MAPPING, inode + I_DATA)
        store32(memory, inode + I_COUNT, 1)
        store(memory, inode + self.at_i_hash, load(memory, bucket))
        store(memory, bucket, inode)
        return inode

    def iput(self, inode: u64) -> None:
        """Drop a reference; the last one takes the inode out of the hash and frees it."""
        memory: Memory = self.memory
        count: u64 = load32(memory, inode + I_COUNT) - 1
        store32(memory, inode + I_COUNT, count)
        if count != 0:
            return
        self.evict_inode(inode)
        dev: u64 = load(memory, inode + I_SB)
        ino: u64 = load(memory, inode + I_INO)
        link: u64 = self.inode_hash + 8 * ((ino * 31 + dev) % INODE_BUCKETS)
        while load(memory, link) != inode:
            link = load(memory, link) + self.at_i_hash
        store(memory, link, load(memory, inode + self.at_i_hash))
        self.inode_cache.free(inode)

    def evict_inode(self, inode: u64) -> None:
        """An inode that nobody refers to is about to go: so do its charge and its pages."""

    def alloc_file(self, inode: u64, path: u64, operations: u64, f_flags: u64) -> u64:
        """A new open file description that takes over a reference to ``inode``.

        0 without memory; the reference stays the caller's then.
        """
        memory: Memory = self.memory
        file: u64 = self.file_cache.alloc(GFP_KERNEL)
        if file == 0:
            return 0
        memory.zero(file, self.file_size)
        mode: u64 = (f_flags + 1) & 3
        store(memory, file + self.at_f_op, operations)
        store(memory, file + self.at_f_inode, inode)
        store(memory, file + self.at_f_mapping, load(memory, inode + I_MAPPING))
        store(memory, file + self.at_f_path, path)
        store(memory, file + self.at_f_count, 1)
        store32(memory, file + self.at_f_flags, f_flags)
        store32(memory, file + self.at_f_mode, mode)
        return file

    def open_file(
        self,
        path: str,
        dev_major: int,
        dev_minor: int,
        ino: int,
        open_flags: int = 0,
        kind: int | None = None,
        size: int = MAX_LFS_FILESIZE,
    ) -> int:
        """A new open file description with one reference: the address of its ``struct file``.

        ``size`` are its bytes, if they are known: pages past them cannot be touched.
        ``open_flags`` are O_*. ``kind`` is one of FILE_*; None tells it from the path and device:
        /dev/zero, memfds (of huge pages, if their device is not shared memory's), System V
        segments and tmpfs (an unnamed device below /dev/shm) are known, all else is a regular
        file. Raises :class:`MemoryError` without memory.
        """
        if kind is None:
            kind = kind_of_path(path, dev_major, dev_minor)
        area = AREA_MM
        if kind == FILE_SHMEM:
            area = AREA_SHMEM
        elif kind == FILE_HUGETLB:
            area = AREA_HUGE_2M
        elif kind == FILE_REGULAR and dev_major != 0:
            area = AREA_THP
        elif kind == FILE_ZERO and self.profile.since(6, 7):
            area = AREA_ZERO
        inode = self.iget(dev_major << 20 | dev_minor, ino)
        number = self.memory.strings.number(path)
        file = self.alloc_file(inode, number, self.file_ops[kind, area], open_flags) if inode else 0
        if file == 0:
            if inode != 0:
                self.iput(inode)
            raise MemoryError(f"no memory for an open file: {path}")
        store(self.memory, inode + I_SIZE, size)
        return file

    def shmem_file_setup(self, name: str, size: u64, charged: u64) -> u64:
        """A fresh unlinked shmem object of ``size`` bytes, open for reading and writing.

        ``name`` is what /proc prints; ``charged`` the pages that the caller charged for it and
        that go back with it. Returns its ``struct file``, 0 without memory.
        """
        memory: Memory = self.memory
        counter: u64 = self.sysctl + LAST_INO
        ino: u64 = (load(memory, counter) + 1) & TOP
        store(memory, counter, ino)
        inode: u64 = self.iget(SHMEM_DEV, ino)
        file: u64 = 0
        if inode != 0:
            store(memory, inode + I_SIZE, size)
            number: u64 = memory.strings.number(name)
            file = self.alloc_file(inode, number, self.file_ops[FILE_SHMEM, AREA_SHMEM], 2)
            if file == 0:
                self.iput(inode)
            else:
                store(memory, inode + I_CHARGED, charged)
        return file

    def set_last_ino(self, ino: u64) -> None:
        """Let the next shmem object get the inode number after ``ino``."""
        store(self.memory, self.sysctl + LAST_INO, ino)

    def get_file(self, file: u64) -> None:
        """Take a reference to an open file description."""
        at: u64 = file + self.at_f_count
        store(self.memory, at, load(self.memory, at) + 1)

    def fput(self, file: u64) -> None:
        """Drop a reference; the last one closes the description."""
        at: u64 = file + self.at_f_count
        count: u64 = load(self.memory, at) - 1
        store(self.memory, at, count)
        if count == 0:
            self.iput(load(self.memory, file + self.at_f_inode))
            self.file_cache.free(file)

    def file_kind(self, file: u64) -> u64:
        """One of FILE_*."""
        return load(self.memory, load(self.memory, file + self.at_f_op))

    def file_area(self, file: u64) -> u64:
        """One of AREA_*: which search it brings."""
        return load(self.memory, load(self.memory, file + self.at_f_op) + FOPS_AREA)

    def file_mode(self, file: u64) -> u64:
        """FMODE_* bits."""
        return load32(self.memory, file + self.at_f_mode)

    def file_inode(self, file: u64) -> u64:
        """Its inode."""
        return load(self.memory, file + self.at_f_inode)

    # What a VMA's operations say.

    def vm_op(self, vma: u64, hook: u64) -> u64:
        """The function at byte offset ``hook`` of its vm_operations_struct; 0 for none."""
        operations: u64 = self.vm_ops(vma)
        return load(self.memory, operations + hook) if operations != 0 else 0

    def has_close(self, vma: u64) -> bint:
        """Whether something must hear of it when the VMA goes (``vm_ops->close``)."""
        return self.vm_op(vma, CLOSE) != 0

    def has_may_split(self, vma: u64) -> bint:
        """Whether its operations have a say in splits (``vm_ops->may_split``)."""
        return self.vm_op(vma, MAY_SPLIT) != 0

    # i_mmap: which VMAs map an inode. A list here; the kernel keeps an interval tree.

    def vma_is_shared_maywrite(self, vma: u64) -> bint:
        """Whether the VMA counts in i_mmap_writable."""
        return self.vm_flags(vma) & (VM_SHARED | VM_MAYWRITE) == VM_SHARED | VM_MAYWRITE

    def vma_interval_tree_insert(self, vma: u64) -> None:
        """Put a file VMA among those of its inode."""
        memory: Memory = self.memory
        head: u64 = load(memory, self.vm_file(vma) + self.at_f_inode) + I_MMAP
        first: u64 = load(memory, head)
        store(memory, vma + self.at_shared, first)
        store(memory, vma + self.at_shared + 8, head)
        if first != 0:
            store(memory, first + self.at_shared + 8, vma + self.at_shared)
        store(memory, head, vma)

    def vma_interval_tree_remove(self, vma: u64) -> None:
        """Take a file VMA out of those of its inode."""
        memory: Memory = self.memory
        after: u64 = load(memory, vma + self.at_shared)
        link: u64 = load(memory, vma + self.at_shared + 8)
        store(memory, link, after)
        if after != 0:
            store(memory, after + self.at_shared + 8, link)

    def vma_link_file(self, vma: u64) -> None:
        """Make a new file VMA known to its inode; nothing for one without a file."""
        file: u64 = self.vm_file(vma)
        if file == 0:
            return
        if self.vma_is_shared_maywrite(vma):
            at: u64 = self.file_inode(file) + I_MMAP_WRITABLE
            store32(self.memory, at, load32(self.memory, at) + 1)
        self.vma_interval_tree_insert(vma)

    def unlink_file_vma(self, vma: u64) -> None:
        """Undo :meth:`vma_link_file` before the VMA goes."""
        file: u64 = self.vm_file(vma)
        if file == 0:
            return
        if self.vma_is_shared_maywrite(vma):
            at: u64 = self.file_inode(file) + I_MMAP_WRITABLE
            store32(self.memory, at, load32(self.memory, at) - 1)
        self.vma_interval_tree_remove(vma)

    def file_path(self, file: int) -> str:
        """The path as /proc/PID/maps prints it, unescaped."""
        return self.memory.strings.string(load(self.memory, file + self.at_f_path))


def kind_of_path(path: str, dev_major: int, dev_minor: int) -> int:
    """What kind of file stands at ``path`` on device ``dev_major:dev_minor``: one of FILE_*."""
    if path == "/dev/zero":
        return FILE_ZERO
    if (dev_major, dev_minor) == (0, SHMEM_DEV):
        return FILE_SHMEM
    if path.startswith("/memfd:"):
        return FILE_HUGETLB if dev_major == 0 and dev_minor != 0 else FILE_SHMEM
    if dev_major == 0 and path.startswith("/dev/shm/"):
        return FILE_SHMEM
    return FILE_REGULAR
