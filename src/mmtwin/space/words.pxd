cpdef unsigned long long err_ptr(long long error) noexcept
cpdef long long ptr_err(unsigned long long pointer) noexcept
cpdef bint is_err(unsigned long long pointer) noexcept
cpdef bint failed(long long result) noexcept
