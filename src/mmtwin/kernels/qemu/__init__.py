"""A distribution's kernel in qemu, emulated: the same agent as its first process."""
