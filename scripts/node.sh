#!/bin/sh
# Runs the pinned Node.js with the given arguments. npm puts node_modules/.bin first in PATH; outside npm it is done here.
#
# Official Node.js binaries need libatomic.so.1 from version 25 on, and a minimal Debian does not have it. Where it is
# missing, Debian's libatomic1 is unpacked into a cache of the user's own: no root, nothing installed. Where the library lies
# in its usual place, only file tests happen before exec, so that the good case costs nothing worth measuring.

case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
root=$(CDPATH='' cd -- "$here/.." && pwd) || exit 1
PATH=$root/node_modules/.bin:$PATH
export PATH

node=$(command -v node) || {
  echo 'node.sh: there is no Node.js here: run "npm ci" in the folder of Latchkey.' >&2
  exit 127
}

# Where npm was told to leave the pinned one out, the system's own serves if it is new enough to run TypeScript.
case $node in
  "$root"/*) ;;
  *)
    case $("$node" --version 2>/dev/null) in
      v[0-9].* | v1[0-9].* | v2[0-3].*)
        echo "node.sh: $node is too old, Latchkey needs Node.js 24.15 or later: run \"npm ci\" in its folder." >&2
        exit 1
        ;;
    esac
    ;;
esac

machine=$(uname -sm)
case $machine in
  'Linux '*) machine=${machine#Linux } ;;
  *) exec "$node" "$@" ;;
esac

for folder in "/usr/lib/$machine-linux-gnu" "/lib/$machine-linux-gnu" /usr/lib64 /lib64; do
  [ -e "$folder/libatomic.so.1" ] && exec "$node" "$@"
done

# The cache is used only when it is ours: whoever can write there decides what this user runs.
own_folder() {
  mkdir -p -m 700 "$1" 2>/dev/null
  [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] && [ -w "$1" ]
}
case ${XDG_CACHE_HOME:-} in
  /*) base=$XDG_CACHE_HOME ;;
  # Without HOME, the home that the system knows, which is what Node.js takes too.
  *) base=${HOME-$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f6)}/.cache ;;
esac
case $base in /.cache | [!/]*) cache= ;; *) cache=$base/latchkey ;; esac
own_folder "$cache" || cache=${TMPDIR:-/tmp}/latchkey-$(id -u)
unpacked=$cache/libatomic1-$machine
library=$unpacked/usr/lib/$machine-linux-gnu

run_with_library() {
  LD_LIBRARY_PATH=$library${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  export LD_LIBRARY_PATH
  exec "$node" "$@"
}
own_folder "$cache" && [ -e "$library/libatomic.so.1" ] && run_with_library "$@"

# Unusual places (an LD_LIBRARY_PATH of the user's, another distribution): only the program itself can tell.
complaint=$("$node" -e 0 2>&1 >/dev/null) && exec "$node" "$@"
case $complaint in
  *libatomic*) ;;
  *)
    printf 'node.sh: %s does not run on this machine: %s\n' "$node" "$complaint" >&2
    exit 127
    ;;
esac

# The machine's own package lists serve where they are there and fresh; otherwise a private copy is fetched. The folder is
# made beside its final place, so that the rename is atomic and processes that come here together do not meet half a library.
fetch_library() {
  own_folder "$cache" && work=$(mktemp -d "$cache/unpacking.XXXXXX") || return 1
  mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/debs" "$work/root"
  (
    cd "$work/debs" || exit 1
    LC_ALL=C
    export LC_ALL
    apt-get -qq -o APT::Sandbox::User=root download libatomic1 2>/dev/null || {
      set -- -qq -o "Dir::State=$work/apt" -o "Dir::Cache=$work/apt/cache" -o Dir::State::status=/var/lib/dpkg/status \
        -o Debug::NoLocking=true -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=2
      apt-get "$@" update >/dev/null 2>&1
      apt-get "$@" download libatomic1 2>/dev/null
    } || exit 1
    dpkg-deb -x ./libatomic1_*.deb "$work/root"
  ) >&2 && { [ -e "$unpacked" ] || mv -T "$work/root" "$unpacked" 2>/dev/null; }
  rm -rf "$work"
  [ -e "$library/libatomic.so.1" ]
}

if command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null && fetch_library; then
  run_with_library "$@"
fi
echo 'node.sh: Node.js needs the library libatomic.so.1: install it ("apt-get install libatomic1" on Debian and Ubuntu, "dnf install libatomic" on Fedora and RHEL).' >&2
exit 127
