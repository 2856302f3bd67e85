cdef extern from *:
    """
    #define mmtwin_start(key) Py_NewRef(((PySliceObject *)(key))->start)
    #define mmtwin_stop(key) Py_NewRef(((PySliceObject *)(key))->stop)
    #define mmtwin_step(key) Py_NewRef(((PySliceObject *)(key))->step)
    """
    object start_of "mmtwin_start" (object key)
    object stop_of "mmtwin_stop" (object key)
    object step_of "mmtwin_step" (object key)

cpdef unsigned long long first_of(object start) except? 0xDEADBEEFDEADBEEF
cpdef unsigned long long last_of(unsigned long long first, object stop) except? 0xDEADBEEFDEADBEEF
cdef unsigned long long beyond(object stop) except? 0xDEADBEEFDEADBEEF
cpdef void unstepped(slice key) except *
cdef object to_int(object number)
cpdef unsigned long long index_of(object number) except? 0xDEADBEEFDEADBEEF
cpdef unsigned long long size_of(object number, str name) except? 0xDEADBEEFDEADBEEF
