#include "platform/linux/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace rivulet::platform {

Result<MutableBytes> map_memory(std::size_t bytes, bool prefault) {
    void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return fail(Error::out_of_memory_budget, errno);
    const MutableBytes block(static_cast<std::uint8_t*>(at), bytes);
    // A huge page would make 2 MiB resident for the first byte. Kernels without them refuse, which is as good.
    if (!prefault) {
        ::madvise(at, bytes, MADV_NOHUGEPAGE);
        return block;
    }
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    volatile std::uint8_t* const touch = block.data();
    for (std::size_t i = 0; i < bytes; i += page) touch[i] = 0;
    return block;
}

void unmap_memory(MutableBytes block) { RIVULET_CHECK(::munmap(block.data(), block.size()) == 0); }

}  // namespace rivulet::platform
