// The crash suite: enumerated and sampled power cuts, damage and disk errors (DESIGN.md, promise 6). Each state is named and can be run alone.
//   crash_run [--scale N] [--only WORKLOAD/KIND[:NUMBER]]     N: percent of the states
#include <cstdio>
#include <cstdlib>

#include "crash/suite.h"

using namespace rivulet;
using namespace rivulet::crash;

int main(int argc, char** argv) {
    Suite suite;
    for (int i = 1; i < argc; ++i) {
        const std::string_view arg = argv[i];
        if (arg == "--only" && i + 1 < argc) {
            suite.only = argv[++i];
        } else if (arg == "--scale" && i + 1 < argc) {
            suite.scale = std::strtoull(argv[++i], nullptr, 10);
        } else if (arg == "--verbose") {
            suite.verbose = true;
        } else {
            std::fprintf(stderr, "usage: crash_run [--scale PERCENT] [--verbose] [--only WORKLOAD/KIND[:NUMBER]]\n");
            return 2;
        }
    }
    for (const Workload& workload : workloads()) suite.run(workload);
    suite.errors();
    return suite.report();
}
