// The few connections that may have a large send buffer of the kernel: those of readers that take much. A broker that sends a megabyte through a buffer of 64K is woken eight times for it,
// which is a third of its time (make bench ARGS="--only kafka-peer").
// Owns:     the places; connections are the network's. Bounds: places_max; so many large buffers at a time, whatever their readers do.
// Errors:   none: who gets no place keeps its listener's buffer.        Thread: loop only.
// Guarantee: a place is taken from a connection only once the kernel has left of its large buffer no more than a small one holds. A connection that ends with more than that unsent is reset, since
//           the kernel would keep it for minutes. What is unsent in a large buffer counts as taken by its reader: one that stands still keeps its place for as long as its connection stands.
#pragma once

#include <array>
#include <cstddef>

namespace rivulet::platform {

class TcpConnection;

class BulkSenders {
public:
    static constexpr std::size_t places_max = 16;
    // From so much on that is left to send a connection asks for a place.
    static constexpr std::size_t worth_bytes = 128 * 1024;
    static constexpr int buffer_bytes = 1024 * 1024;  // the kernel may give less (net.core.wmem_max)
    static constexpr std::size_t kernel_bytes = 2 * std::size_t{buffer_bytes};  // that it counts for one

    explicit BulkSenders(std::size_t places) : count_(places < places_max ? places : places_max) {}

    // True: it has a large buffer now, and had a small one.
    bool take_place(TcpConnection& connection);
    // Before its socket is closed.
    void gone(const TcpConnection& connection);

private:
    struct Place {
        TcpConnection* connection = nullptr;
        int small_bytes = 0;  // what it had, and gets back
    };
    static bool free(const Place& place);

    std::array<Place, places_max> places_;
    std::size_t count_;
};

}  // namespace rivulet::platform
