# What one does with this project; `just` alone lists it.

[private]
default:
    @just --list --unsorted

# Debug build of everything
build:
    swift build

# Optimised build with the Swift library linked in: runs where no Swift is installed
release:
    swift build -c release --static-swift-stdlib

# A Debian package in .build/deb; with --check, also installed, used and purged in a clean chroot
deb *FLAGS:
    scripts/deb {{ FLAGS }}

# The daily loop: build, and test what needs no program, no root and no network; installs nothing
check:
    scripts/check

# Install what is missing, build, run all tests, or those whose names hold NAME
test NAME="":
    scripts/test {{ NAME }}

# Style and the constraints of the ADRs
lint:
    scripts/lint

# Rewrite the sources in the house's style
fmt:
    swift format --in-place --recursive Sources Tests Package.swift

# Speed and memory side by side with what one would use instead
bench *FLAGS:
    scripts/bench {{ FLAGS }}

# Where the cycles of a dry run go, by perf, strace and valgrind, into FOLDER or a new temporary one
profile FOLDER="":
    scripts/profile {{ FOLDER }}

# The pictures of the terminal in docs/images, from real builds
pictures:
    scripts/pictures

# The picture of modules and folders in docs/images, from what ADR-008 allows
pictures-modules:
    scripts/pictures-modules

# The pictures of the benchmark in docs/images, from bench/results.json
pictures-bench:
    scripts/pictures-bench

# Generated inputs against the readers of flags, directives and ignore rules; COUNT each
fuzz COUNT="100000" SEED="1":
    scripts/fuzz {{ COUNT }} {{ SEED }}

# Every row of the fault matrix, the long ones too, with a table of results and times
faults:
    scripts/faults

# Builds by the eight with random faults; then nothing may be left. The same SEED makes the same faults
soak SEED="1" COUNT="200":
    scripts/soak {{ SEED }} {{ COUNT }}

# What runs on a clean checkout after each change
ci:
    .ci/run
