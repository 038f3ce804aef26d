#!/usr/bin/env bash
# Says in one line each what a machine lacks before anything is installed: Python 3.11+, Java 17 or 21, 4 GiB of memory.
# Bash alone, so that it says no more and no less on a machine that has nothing else.
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
  "") lacks "Java 17 or 21. Debian/Ubuntu: sudo apt-get install openjdk-17-jre-headless; macOS: brew install openjdk@17; then set JAVA_HOME if it is not on the PATH" ;;
  *) lacks "Java 17 or 21 (found $version). Debian/Ubuntu: sudo apt-get install openjdk-17-jre-headless; then set JAVA_HOME to it" ;;
esac

if [ -r /proc/meminfo ]; then
  while read -r name kibibytes _; do
    if [ "$name" = MemAvailable: ] && [ "$kibibytes" -lt 4194304 ]; then
      echo "Careful: less than 4 GiB of memory is free; Spark may be stopped half-way. End other programs first." >&2
    fi
  done < /proc/meminfo
fi

exit $missing
