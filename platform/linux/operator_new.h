// The gate of `operator new`: open during start-up, shut while a broker serves.
// Owns:     the process's one flag, because operator new belongs to the whole process.
// Guarantee: past seal_allocations() every form of operator new prints what was asked and aborts. malloc() itself is left alone; the
//           guard of test builds (tests/support/guard) replaces it, is told of the seal, and may bring an operator new that wins
//           over this one.
// Thread:   any.
#pragma once

namespace rivulet::platform {

void seal_allocations();
void unseal_allocations();
// Sealed, and the calling thread holds no exemption.
bool allocations_forbidden();

// For the duration of a call into the C library that allocates and gives back: the name look-up.
class AllocationExemption {
public:
    AllocationExemption();
    ~AllocationExemption();
    AllocationExemption(const AllocationExemption&) = delete;
    AllocationExemption& operator=(const AllocationExemption&) = delete;
};

}  // namespace rivulet::platform
