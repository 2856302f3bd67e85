from cpython.ref cimport PyObject


from mmtwin.maple.direct cimport Direct
from mmtwin.maple.join cimport Join
from mmtwin.maple.maple cimport Maple
from mmtwin.maple.state cimport MaState
from mmtwin.memory.allocator cimport Arena
from mmtwin.rangemap.growing cimport GrowingMemory
from mmtwin.maple.spot cimport Spot
from mmtwin.rangemap cimport each_slot, fetch_object, hold, hold_all, keep, mmtwin_inherited, mmtwin_keep_whole, mmtwin_trace, object_of, release, release_all, visitproc
from mmtwin.rangemap.words cimport Words

cdef class Core:
    cdef readonly bint gaps
    cdef readonly GrowingMemory memory
    cdef readonly Arena slab
    cdef readonly Maple engine
    cdef readonly unsigned long long tree
    cdef readonly dict held
    cdef bint shifting
    cdef Spot spot
    cdef Join join
    cdef Direct direct
    cdef readonly unsigned long long count, version
    cdef public long users
    cdef readonly MaState writer, reader
    cdef unsigned long long root_word
    cpdef Core clone(self)
    cpdef unsigned long long load(self, unsigned long long index) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long look(self, unsigned long long index) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long seek(self, unsigned long long index, unsigned long long last) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long seek_back(self, unsigned long long index, unsigned long long first) except? 0xDEADBEEFDEADBEEF
    cpdef object store(self, unsigned long long first, unsigned long long last, object value)
    cpdef object erase(self, unsigned long long first, unsigned long long last)
    cdef object put(self, unsigned long long first, unsigned long long last, unsigned long long entry)
    cdef object put_found(self, unsigned long long first, unsigned long long last, unsigned long long entry)
    cdef object counted(self, unsigned long long entry, object gone)
    cdef object covered(self)
    cpdef tuple erase_at(self, unsigned long long index)
    cdef object put_anywhere(self, unsigned long long first, unsigned long long last, unsigned long long entry)
    cdef object account(self, unsigned long long first, unsigned long long last)
    cdef object cut(self, bint left, bint right, unsigned long long old)
    cpdef object value(self, unsigned long long entry)
    cpdef void clear(self) except *
    cpdef bint room(self, unsigned long long low, unsigned long long high, unsigned long long size, unsigned long long align, bint from_top) except? -1
    cdef bint hole(self, unsigned long long low, unsigned long long high, unsigned long long size, bint from_top) except? -1
    cpdef void put_many(self, Words firsts, Words lasts, list values) except *
    cpdef unsigned long long erase_many(self, Words indexes) except? 0xDEADBEEFDEADBEEF
    cpdef object fill_many(self, Words sizes, list values, unsigned long long low, unsigned long long high, unsigned long long align, bint from_top)
    cpdef tuple arrays(self)
    cpdef list load_many(self, Words indexes, object default)

cdef inline int traverse(PyObject *self, visitproc visit, void *arg) noexcept:
    cdef Core core = <Core> <object> self
    cdef int result = mmtwin_inherited(self, visit, arg)
    # In the middle of a store the slots are not looked at: the core is in use then anyway.
    if result == 0 and core.root_word != 0 and not core.shifting:
        result = each_slot(core.memory, core.root_word, visit, arg)
    return result

cdef inline void show_references(object kind) noexcept:
    mmtwin_trace(kind, traverse)

cdef inline void keep_whole(object kind) noexcept:
    mmtwin_keep_whole(kind)

cdef class Holder:
    cdef readonly Core core
    cdef Core own(self)
