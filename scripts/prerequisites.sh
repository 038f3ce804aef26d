#!/usr/bin/env bash
# Says in one line each what a machine lacks before anything is installed: Python 3.11+, Java 17 or 21, GNU make, 4 GiB of
# memory, 4 GB of disk. Bash, and what a system cannot be without (df, and sysctl on macOS; where they are not, nothing is
# said), so that it says no more and no less on a machine that has nothing else.
set -u
python=${PYTHON:-python3}
missing=0

lacks() {
  printf 'Missing: %s\n' "$1" >&2
  missing=1
}

if ! "$python" -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
  lacks "Python 3.11, 3.12 or 3.13. Debian/Ubuntu: sudo apt-get install python3 python3-venv; macOS: brew install python@3.12; or name one: make PYTHON=/path/to/python3.12"
elif ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
  lacks "Python's venv module. Debian/Ubuntu: sudo apt-get install python3-venv"
fi

java=${JAVA_HOME:+$JAVA_HOME/bin/}java
banner=$("$java" -version 2>&1)
version=
if [[ $banner =~ version\ \"(1\.)?([0-9]+) ]]; then version=${BASH_REMATCH[2]}; fi
case "$version" in
  17 | 21) ;;
  "") lacks "Java 17 or 21. Debian/Ubuntu: sudo apt-get install openjdk-17-jre-headless (or openjdk-21-jre-headless); macOS: brew install openjdk@17; then set JAVA_HOME if it is not on the PATH" ;;
  *) lacks "Java 17 or 21 (found $version). Debian/Ubuntu: sudo apt-get install openjdk-17-jre-headless (or openjdk-21-jre-headless); macOS: brew install openjdk@17; then set JAVA_HOME to it" ;;
esac

# The Makefile's shell, its `export … ?=` and its functions are as old as 3.81, the one of macOS. make tells its own version;
# without it this script was started by hand.
make_version=${MAKE_VERSION:-$(make --version 2>/dev/null)}
if [[ ! $make_version =~ ^(GNU\ Make\ )?([0-9]+)\.([0-9]+) ]] || ((BASH_REMATCH[2] * 100 + BASH_REMATCH[3] < 381)); then
  lacks "GNU make 3.81 or newer. Debian/Ubuntu: sudo apt-get install make; macOS: xcode-select --install; where make is another one: gmake"
fi

free_memory=
if [ -r /proc/meminfo ]; then
  while read -r name kibibytes _; do
    if [ "$name" = MemAvailable: ]; then free_memory=$kibibytes; fi
  done < /proc/meminfo
elif bytes=$(sysctl -n hw.memsize 2>/dev/null); then # macOS says what there is, and gives what is asked for
  free_memory=$((bytes / 1024))
fi
if [ -n "$free_memory" ] && ((free_memory < 4194304)); then
  echo "Careful: less than 4 GiB of memory is free; Spark may be stopped half-way. End other programs first." >&2
fi

# What set-up and the demo take; a machine that is set up has spent most of it.
needed=4000000
if [ -e .venv/.installed ]; then needed=1000000; fi
free_disk=$(df -Pk . 2>/dev/null | { read -r _; read -r _ _ _ available _; printf '%s' "${available:-}"; })
if [ -n "$free_disk" ] && ((free_disk < needed)); then
  lacks "room on the disk of $PWD: $((free_disk / 1000)) MB are free, $((needed / 1000)) MB are needed. Free some, or work on another disk"
fi

exit $missing
