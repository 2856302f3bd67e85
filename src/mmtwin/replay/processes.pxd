from mmtwin.machine.pids cimport Pids
from mmtwin.memory.memory cimport Memory
from mmtwin.space.space cimport Space

cdef class Processes:
    cdef readonly object twin, feed, files
    cdef readonly Memory memory
    cdef readonly Pids pids
    cdef readonly Space space
    cdef readonly set inferred
    cdef unsigned long long _at_mm
    cdef dict _rarer
    cpdef carry_out(self, record)
    cdef _call(self, record)
    cpdef unsigned long long mm(self, unsigned long long pid) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long _task(self, unsigned long long pid) except? 0xDEADBEEFDEADBEEF
    cdef long long _mmap(self, unsigned long long mm, record) except? -1000000
