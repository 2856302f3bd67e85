"""BUG and WARN: the kernel's own assertions, as exceptions that carry what was asserted."""


class KernelBug(Exception):
    """A ``BUG_ON`` fired.

    ``condition`` is what was found true, in the kernel's words; ``where`` the function.
    """

    def __init__(self, condition: str, where: str) -> None:
        super().__init__(f"kernel BUG in {where}: {condition}")
        self.condition = condition
        self.where = where


class KernelWarning(Exception):
    """A ``WARN_ON`` fired; the kernel would print and go on, the twin stops at it."""

    def __init__(self, condition: str, where: str) -> None:
        super().__init__(f"kernel WARNING in {where}: {condition}")
        self.condition = condition
        self.where = where
