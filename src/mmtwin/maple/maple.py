"""api"""
from __future__ import annotations
from cython import bint, declare, uint
from cython import int as i32
from cython import ulonglong as u64
from mmtwin.maple.state import MaState, WrState
from mmtwin.maple.store import Store

START = declare(i32, 1)
ENOMEM = declare(i32, 12)

class Maple(Store):
    """x"""
    def mt_init_flags(self, tree: u64, flags: uint) -> None:
        self.set_root(tree, 0)
        self.set_flags(tree, flags)

    def mas_destroy(self, mas: MaState) -> None:
        mas.mas_flags &= ~5
        self.mas_free_chain(mas)

    def mas_nomem(self, mas: MaState, gfp: u64) -> bint:
        if mas.error() != -ENOMEM:
            self.mas_destroy(mas)
            return False
        self.mas_alloc_nodes(mas, gfp)
        if self.mas_allocated(mas) == 0:
            return False
        mas.reset()
        return True

    def store_gfp(self, mas: MaState, entry: u64, gfp: u64, setup: bint) -> i32:
        wr: WrState = self.wr_begin(mas, entry)
        index: u64 = mas.index
        last: u64 = mas.last
        try:
            if setup:
                self.mas_wr_store_setup(wr)
            self.mas_wr_store_entry(wr)
            while self.mas_nomem(mas, gfp):
                mas.index = index
                mas.last = last
                self.mas_wr_store_entry(wr)
        finally:
            self.wr_end(wr)
        return mas.error()

    def mtree_store_range(self, tree: u64, first: u64, last: u64, entry: u64, gfp: u64) -> i32:
        mas = MaState(tree, first, last)
        return self.store_gfp(mas, entry, gfp, False)

    def mas_erase(self, mas: MaState) -> u64:
        entry: u64 = self.mas_state_walk(mas)
        if entry == 0:
            return 0
        mas.reset()
        self.store_gfp(mas, 0, 0xcc0, True)
        return entry

    def mtree_erase(self, tree: u64, index: u64) -> u64:
        mas = MaState(tree, index)
        return self.mas_erase(mas)
