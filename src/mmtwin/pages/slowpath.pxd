from mmtwin.pages.request cimport Request

cdef class SlowPath(Request):
    cpdef unsigned long long alloc_pages_slowpath(self, unsigned long long gfp, int order, int highest_zoneidx, unsigned long long zonelist) except? 0xDEADBEEFDEADBEEF
