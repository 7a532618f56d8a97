"""The rules of the code as tables: who includes whom, what is banned and what to use instead."""

# Which of our folders a folder of src/ may include, beside itself. Lower layers never know higher ones.
_LOW = {"base", "env", "record"}
MAY_INCLUDE = {
    "base": set(),
    "env": {"base"},
    "record": {"base"},
    "config": _LOW,
    "wire": _LOW,
    "store": _LOW,
    "cluster": _LOW | {"config", "wire", "store"},
    "broker": _LOW | {"config", "wire", "store", "cluster"},
    "server": _LOW | {"config", "wire", "store", "cluster", "broker"},
    "client": _LOW | {"wire"},
    "cli": _LOW | {"client", "config", "store"},
    "sensor": set(),
}
PLATFORM_MAY_INCLUDE = {"base", "env"}

# Headers that reach the operating system or own threads and clocks; src/ sees the world through src/env alone.
BANNED_HEADERS = {
    r"uv\.h|uv/.*": "libuv belongs to platform/uv; use the interfaces of src/env",
    r"mbedtls/.*|psa/.*": "mbedTLS belongs to platform/tls; use the interfaces of src/env",
    r"ini\.h": "inih belongs to src/config",
    r"zlib\.h|zstd\.h|zstd_errors\.h": "zlib and zstd belong to src/record/decompress.cpp; use record/decompress.h",
    r"sys/.*|unistd\.h|fcntl\.h|netdb\.h|poll\.h|dirent\.h|signal\.h|csignal|termios\.h|linux/.*|arpa/.*|netinet/.*":
        "the operating system belongs to platform/; use the interfaces of src/env",
    r"pthread\.h|thread|mutex|shared_mutex|condition_variable|future|semaphore|latch|barrier|stop_token":
        "one thread runs the broker; long work is a job, see src/env/job.h",
    r"iostream|fstream|sstream|ostream|istream|iomanip|locale|filesystem":
        "streams and files: use src/env (streams, disk) and the formatting of src/base",
    r"random": "use the entropy of src/env, so that a simulation replays from its seed",
    r"time\.h|ctime|sys/time\.h": "use the clocks of src/env",
    r"regex|any|exception|stdexcept|cassert|assert\.h": "not in the product: see DESIGN, code rules",
}

# What a header of the above is for: its path, or that of its folder.
HEADERS_ALLOWED = {"ini.h": "src/config/", "zlib.h": "src/record/decompress.cpp", "zstd.h": "src/record/decompress.cpp"}

# name -> what to use instead. Calls in code, not members of objects (pool.free(block) is fine).
BANNED_CALLS = {
    "malloc": "a pool or the arena (src/base/arena.h)",
    "calloc": "a pool or the arena (src/base/arena.h)",
    "realloc": "a pool or the arena (src/base/arena.h)",
    "aligned_alloc": "a pool or the arena (src/base/arena.h)",
    "posix_memalign": "a pool or the arena (src/base/arena.h)",
    "strdup": "a fixed buffer or the arena (src/base/arena.h)",
    "free": "the pool that it came from",
    "alloca": "a fixed buffer",
    "rand": "the entropy of src/env",
    "srand": "the entropy of src/env",
    "random": "the entropy of src/env",
    "time": "the clocks of src/env",
    "gettimeofday": "the clocks of src/env",
    "clock_gettime": "the clocks of src/env",
    "localtime": "the clocks of src/env, in UTC",
    "gmtime": "the clocks of src/env and arithmetic of our own",
    "sleep": "a timer of src/env",
    "usleep": "a timer of src/env",
    "sprintf": "snprintf or the formatting of src/base",
    "vsprintf": "vsnprintf or the formatting of src/base",
    "strcpy": "memcpy with a checked size, or a string_view",
    "strcat": "the formatting of src/base",
    "strncpy": "memcpy with a checked size",
    "strtok": "a string_view that shrinks",
    "gets": "the streams of src/env",
    "atoi": "std::from_chars",
    "atol": "std::from_chars",
    "getenv": "a key of the configuration",
    "setenv": "a key of the configuration",
    "system": "nothing: a broker starts no processes",
    "popen": "nothing: a broker starts no processes",
    "fork": "nothing: a broker starts no processes",
    "exit": "a return value up to main, or the stop of src/env",
    "abort": "RIVULET_CHECK (src/base/check.h)",
    "assert": "RIVULET_CHECK (src/base/check.h), which stays on in production",
    "setjmp": "Result (src/base/result.h)",
    "longjmp": "Result (src/base/result.h)",
}
# folder of src/ -> calls that it may make, each with its reason.
CALLS_ALLOWED = {
    "base": {"abort"},  # check_failed() is where invariants end
}

# std:: names that allocate behind our back or hide their cost.
BANNED_TYPES = {
    r"string|basic_string|u8string|to_string|stoi|stol|stoul|stoull|getline":
        "a std::string_view, a fixed buffer, or the text helpers of src/base",
    r"vector|deque|list|forward_list|stack|queue|priority_queue": "a span of the arena or an intrusive list (src/base)",
    r"map|multimap|set|multiset|unordered_\w+": "a fixed table in the arena",
    r"function|move_only_function|bind": "a function pointer with a context, or a small interface",
    r"shared_ptr|weak_ptr|unique_ptr|make_shared|make_unique|allocator": "objects owned by the arena",
    r"any|regex|stringstream|ostringstream|istringstream|cout|cerr|cin|format|print":
        "the streams of src/env and the formatting of src/base",
    r"thread|jthread|mutex|lock_guard|unique_lock|scoped_lock|condition_variable|async|future|promise":
        "jobs (src/env/job.h): one thread runs the broker",
    r"chrono::\w*_clock": "the clocks of src/env",
    r"random_device|mt19937\w*|default_random_engine|rand": "the entropy of src/env",
}
# The command line runs once and ends; there ordinary containers are fine.
TYPES_ALLOWED = {"cli"}
CONTAINERS = r"std::(?:string|vector|to_string|map|set|unordered_\w+|unique_ptr|make_unique|function|deque)"

# Programs for a system of their own, not part of the product: they call what they need.
EXAMPLES = "src/sensor/examples/"

LINES_MAX = 600

# Symbols that may be mutable in objects of src/: (object path prefix, symbol) -> reason.
MUTABLE_ALLOWED = {}
