#!/bin/sh
# Runs Latchkey so that a fault in it, or in what it depends upon, does not get far: without core dumps, without an inspector (also
# not by SIGUSR1), without __proto__, and the connector itself under Node.js's permission model. It reads its own program and the
# files that its configuration names, writes to its state and backup folders, uses the network, and starts no process, no thread and
# no native code. Commands (`latchkey.sh check`) are a person's, with files of their own: they have that person's rights.
#
# Paths are taken from the environment and .env as they are at the start: a file that is named there later, for SIGHUP to read,
# needs a restart. The image and the systemd unit start this.

# Tried aside first: where a supervisor forbids to set it (and so has seen to it), a shell may end here.
(ulimit -c 0) 2>/dev/null && ulimit -c 0

self=$(readlink -f -- "$0") || exit 1
here=$(dirname -- "$self")
root=$(dirname -- "$here")
# A checkout has its source, an image only what was compiled of it.
main=$root/src/main.ts
[ -e "$main" ] || main=$root/dist/main.js

absolute() {
  case $1 in /*) echo "$1" ;; *) echo "$PWD/$1" ;; esac
}

# The value of each variable whose name matches, one a line: of the environment, then of .env, without its quotes and comments.
values_of() {
  env | sed -n "s/^\($1\)=//p"
  [ -f .env ] && sed -n "s/^[[:space:]]*\(export[[:space:]]\{1,\}\)\{0,1\}\($1\)[[:space:]]*[=:][[:space:]]*//p" .env |
    sed -e "s/^\([\"'\`]\)\(.*\)\1.*$/\2/;t" -e 's/[[:space:]]*#.*$//' -e 's/[[:space:]]*$//'
}

set -- "$main" "$@"
case ${2:-run} in
  run)
    state=$(values_of LATCHKEY_STATE_DIR | sed -n 1p)
    state=$(absolute "${state:-state}")
    # The process itself may not look at what is above its state directory, to make it there.
    [ -d "$state" ] || mkdir -p -m 0700 -- "$state" || {
      echo 'latchkey.sh: the state directory cannot be made: check LATCHKEY_STATE_DIR, and the volume that it is to be on.' >&2
      exit 69
    }
    while IFS= read -r folder; do
      [ -n "$folder" ] || continue
      folder=$(absolute "$folder")
      # With the star it need not be there yet.
      set -- "--allow-fs-read=$folder/*" "--allow-fs-write=$folder/*" "$@"
    done <<EOF
$state
$(values_of LATCHKEY_BACKUP_DIR)
EOF
    # systemd puts credentials into a folder of its own. What is neither there nor in a folder that is may be a secret that was put
    # where its path belongs, and may begin with a slash: a command line shows it to everybody on the machine.
    while IFS= read -r file; do
      case $file in
        '') continue ;;
        /*/*) beside=${file%/*} ;;
        *) beside=$file ;;
      esac
      [ -e "$file" ] || [ -d "$beside" ] || continue
      set -- "--allow-fs-read=$(absolute "$file")" "$@"
    done <<EOF
$(values_of '\(LATCHKEY\|LDAP\|VAULT\)_[A-Z_]*_FILE\|VAULT_CACERT')
${CREDENTIALS_DIRECTORY:-}
EOF
    # The token that a pod has for Vault need not be there yet.
    while IFS= read -r file; do
      case $file in /*) set -- "--allow-fs-read=$file" "$@" ;; esac
    done <<EOF
$(values_of VAULT_KUBERNETES_TOKEN_FILE)
/var/run/secrets/kubernetes.io/serviceaccount/token
EOF
    # The rest of what is read: the program, .env, and what /proc tells of this process (metrics, and the way to the socket for
    # commands where the path of the state directory is long).
    set -- --permission --allow-net \
      "--allow-fs-read=$root/dist/*" "--allow-fs-read=$root/src/*" "--allow-fs-read=$root/node_modules/*" \
      "--allow-fs-read=$root/package.json" "--allow-fs-read=$PWD/.env" '--allow-fs-read=/proc/self/*' "$@"
    ;;
esac
# Young objects get a tenth of the memory that Node.js would give them: a flood of frames stays within 200 MiB.
set -- --max-semi-space-size=4 --disable-proto=throw --disable-sigusr1 --disable-warning=ExperimentalWarning "$@"

# An image may have no launcher for Node.js, since its own is the right one.
[ -e "$here/node.sh" ] && exec sh "$here/node.sh" "$@"
exec node "$@"
