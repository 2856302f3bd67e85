# What references.py says, for compiled rooms: an entry is the address of its object.
from cpython.ref cimport PyObject, Py_DECREF, Py_INCREF
from mmtwin.memory.memory cimport Memory

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define mmtwin_fetch(where) __builtin_prefetch(where, 1)
    #else
    #define mmtwin_fetch(where)
    #endif

    static traverseproc mmtwin_inherited = NULL;

    static void mmtwin_trace(PyObject *kind, traverseproc traverse) {
        mmtwin_inherited = ((PyTypeObject *)kind)->tp_traverse;
        ((PyTypeObject *)kind)->tp_traverse = traverse;
    }

    /* What @cython.no_gc_clear says, which has no effect on a class that a .py file defines: the
       collector must not take an object's parts before its __dealloc__, which needs them. */
    static void mmtwin_keep_whole(PyObject *kind) {
        ((PyTypeObject *)kind)->tp_clear = NULL;
    }

    /* The count of a tuple that only an iterator and its caller's variable hold is 2. From 3.14 on
       tuples remember their hash, and without the GIL the count says little. */
    static int mmtwin_alone(PyObject *kept) {
    #if PY_VERSION_HEX < 0x030E0000 && !defined(Py_GIL_DISABLED)
        return kept != Py_None && Py_REFCNT(kept) == 2;
    #else
        return 0;
    #endif
    }

    static void mmtwin_refill(PyObject *kept, PyObject *a, PyObject *b, PyObject *c) {
        PyObject *were[3];
        int at;
        for (at = 0; at < 3; at++)
            were[at] = PyTuple_GET_ITEM(kept, at);
        PyTuple_SET_ITEM(kept, 0, Py_NewRef(a));
        PyTuple_SET_ITEM(kept, 1, Py_NewRef(b));
        PyTuple_SET_ITEM(kept, 2, Py_NewRef(c));
        if (!PyObject_GC_IsTracked(kept))
            PyObject_GC_Track(kept);
        for (at = 0; at < 3; at++)
            Py_DECREF(were[at]);
    }
    """
    ctypedef int (*visitproc)(PyObject *, void *) noexcept
    ctypedef int (*traverseproc)(PyObject *, visitproc, void *) noexcept
    traverseproc mmtwin_inherited
    void mmtwin_fetch(const void *) noexcept
    void mmtwin_trace(object kind, traverseproc traverse) noexcept
    void mmtwin_keep_whole(object kind) noexcept
    bint mmtwin_alone(object kept) noexcept
    void mmtwin_refill(object kept, object a, object b, object c) noexcept

cdef inline unsigned long long keep(dict held, object value) noexcept:
    Py_INCREF(value)
    return <unsigned long long> <void *> value

cdef inline object object_of(dict held, unsigned long long entry):
    return <object> <void *> entry

cdef inline void hold(dict held, unsigned long long entry) noexcept:
    Py_INCREF(<object> <void *> entry)

cdef inline object release(dict held, unsigned long long entry):
    value = <object> <void *> entry
    Py_DECREF(value)
    return value

cdef inline void fetch_object(unsigned long long entry) noexcept:
    mmtwin_fetch(<void *> entry)

cdef inline tuple triple(tuple kept, unsigned long long start, unsigned long long last, object value):
    if mmtwin_alone(kept):
        mmtwin_refill(kept, start, last, value)
        return kept
    return start, last, value

# All slots of a tree. The nodes are of 64 bits, and nobody reads beside the writer.

cdef inline int each_below(Memory memory, unsigned long long enode, unsigned long long max, visitproc visit, void *arg) noexcept:
    cdef unsigned long long word = ((enode & ~255) - memory.base) >> 3
    cdef unsigned long long pivot = memory.w[word + 15]
    cdef unsigned long long below
    cdef int pivots = 15
    cdef int end, at, result
    if enode & 0x78 == 0x18:
        pivots = 9
        end = memory.w[word + 30] & 255
    elif pivot == 0:
        end = memory.w[word + 31] & 255
    else:
        end = 14 if pivot == max else 15
    for at in range(end + 1):
        below = memory.w[word + 1 + pivots + at]
        if enode & 0x78 != 0x08:
            result = each_below(memory, below, memory.w[word + 1 + at] if at < end else max, visit, arg)
        else:
            result = visit(<PyObject *> below, arg) if below != 0 else 0
        if result != 0:
            return result
    return 0

cdef inline int each_slot(Memory memory, unsigned long long root_word, visitproc visit, void *arg) noexcept:
    cdef unsigned long long root = memory.w[root_word]
    if root & 3 == 2 and root > 4096:
        return each_below(memory, root, 0xFFFFFFFFFFFFFFFFULL, visit, arg)
    return visit(<PyObject *> root, arg) if root != 0 else 0

cdef inline int _hold(PyObject *found, void *arg) noexcept:
    Py_INCREF(<object> found)
    return 0

cdef inline int _list(PyObject *found, void *arg) noexcept:
    try:
        (<list> arg).append(<object> found)
    except MemoryError:
        return 0  # it leaks: better than to drop one that may still be used
    Py_DECREF(<object> found)
    return 0

cdef inline dict hold_all(dict held, Memory memory, unsigned long long root_word):
    each_slot(memory, root_word, _hold, NULL)
    return held

cdef inline list release_all(dict held, Memory memory, unsigned long long root_word):
    # A list, because lists of lists of lists are dropped without deep recursion.
    gone = []
    each_slot(memory, root_word, _list, <void *> gone)
    return gone
