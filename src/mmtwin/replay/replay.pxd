from mmtwin.memory.memory cimport Memory
from mmtwin.replay.processes cimport Processes
from mmtwin.space.between_calls cimport BetweenCalls

cdef class Replay:
    cdef readonly object twin, feed, settler, check, on_step, counts, victims
    cdef readonly BetweenCalls between
    cdef readonly Memory memory
    cdef readonly Processes processes
    cdef readonly bint compare, stop_at_finding, assume_written
    cdef public list findings, marks
    cdef public long long step
    cdef public object record, result
    cdef public bint died
    cdef _one(self, record)
    cdef _carry_out(self, record, unsigned long long mark)
