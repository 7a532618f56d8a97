#!/bin/bash
# The benchmarks of `make bench`: ratios, each with its target. usage: run.sh [--only flash,restart,readers,memory,peers,latency,cost] [--quick]
# OUT: folder of the built programs; RIVULET: the broker.
exec python3 "$(dirname "$0")/bench.py" "$@"
