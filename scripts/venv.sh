#!/bin/sh
# Make .venv hold what requirements/$1.txt locks ($1: run or all). Quick when it does already.
#
# .venv/installed-$1.txt is a copy of the lock that was installed; .venv/unfinished is there while
# installing, so that a venv whose making was cut off is thrown away instead of half used.
set -eu
cd "$(dirname "$0")/.."
wanted=$1

current() { cmp -s "requirements/$1.txt" ".venv/installed-$1.txt"; }

if [ ! -e .venv/unfinished ] && .venv/bin/python -c '' 2>/dev/null; then
    # What "all" holds includes what "run" holds.
    if current all || current "$wanted"; then exit 0; fi
else
    rm -rf .venv
fi

if [ ! -d .venv ]; then
    found=
    # PYTHON alone if it is set; else the first that is new enough.
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            found=$candidate
            break
        fi
    done
    if [ -z "$found" ]; then
        echo "Python 3.11 or newer is needed; ${PYTHON:-python3} is not." >&2
        echo "Debian 12+: apt install python3 python3-venv   or: make ... PYTHON=/path/to/python3" >&2
        exit 1
    fi
    if ! "$found" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "This Python ($found) cannot make virtual environments." >&2
        echo "Debian and Ubuntu keep that apart: apt install python3-venv" >&2
        exit 1
    fi
    echo "Making .venv with $("$found" --version)"
    mkdir .venv
    touch .venv/unfinished
    "$found" -m venv .venv
fi

touch .venv/unfinished
echo "Installing requirements/$wanted.txt (the first time takes a minute or two)"
if ! .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
    --require-hashes --requirement "requirements/$wanted.txt"; then
    echo >&2
    echo "Installing failed: see above (no network, or no space?). Run the same command again." >&2
    exit 1
fi
cp "requirements/$wanted.txt" ".venv/installed-$wanted.txt"
rm .venv/unfinished
