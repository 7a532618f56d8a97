// Stands in for libFuzzer's main where the compiler has none: runs the target on every file of the given directories (and on
// the given files), in the order of their names, and prints "N passed, 0 failed". A bad input ends the process: its name is
// printed first, like its bytes' own complaint. An unreadable one is a failure.
#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
// Sanitizers end a process without a signal.
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace {

const char* current = "";

void name_input() {
    for (const char* part : {"bad input: ", current, "\n"})
        if (write(STDERR_FILENO, part, std::strlen(part)) < 0) return;
}

void on_signal(int number) {
    name_input();
    raise(number);  // with its default action again: SA_RESETHAND
}

bool add(const std::string& path, std::vector<std::string>& files) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) return false;
    if (!S_ISDIR(status.st_mode)) {
        files.push_back(path);
        return true;
    }
    DIR* const directory = opendir(path.c_str());
    if (!directory) return false;
    bool ok = true;
    while (const dirent* entry = readdir(directory))
        if (entry->d_name[0] != '.') ok = add(path + "/" + entry->d_name, files) && ok;
    closedir(directory);
    return ok;
}

bool run(const std::string& path) {
    std::FILE* const file = std::fopen(path.c_str(), "rb");
    if (!file) return false;
    std::vector<std::uint8_t> bytes;
    std::uint8_t part[4096];
    for (std::size_t n; (n = std::fread(part, 1, sizeof part, file)) != 0;) bytes.insert(bytes.end(), part, part + n);
    const bool ok = std::ferror(file) == 0;
    std::fclose(file);
    if (!ok) return false;
    // Exactly as long as the input, so that a sanitizer sees a read beyond its end.
    const auto exact = std::make_unique<std::uint8_t[]>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), exact.get());
    current = path.c_str();
    LLVMFuzzerTestOneInput(exact.get(), bytes.size());
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
    sigaction(SIGABRT, &action, nullptr);
    if (__sanitizer_set_death_callback) {
        __sanitizer_set_death_callback(name_input);
    } else {
        for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) sigaction(number, &action, nullptr);
    }

    unsigned passed = 0;
    unsigned failed = 0;
    std::vector<std::string> files;
    for (int i = 1; i < argc; ++i)
        if (!add(argv[i], files)) {
            std::fprintf(stderr, "cannot read %s\n", argv[i]);
            ++failed;
        }
    std::sort(files.begin(), files.end());
    for (const std::string& path : files) {
        if (run(path)) {
            ++passed;
        } else {
            std::fprintf(stderr, "cannot read %s\n", path.c_str());
            ++failed;
        }
    }
    std::printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
