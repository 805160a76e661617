#!/bin/sh
# Checks the browser module beyond what `go test` does everywhere: types, tests in node, size,
# bundling.
# Needs node, npm and Go. The tools are pinned in testdata/tools and never served.
set -eu
cd "$(dirname "$0")"

npm ci --prefix testdata/tools --no-audit --no-fund --silent
testdata/tools/node_modules/.bin/tsc --project testdata/tools
export LUCIA_TEST_REQUIRE="${LUCIA_TEST_REQUIRE:-}${LUCIA_TEST_REQUIRE:+,}node,esbuild,vite"
go test -count=1 -run '^(TestNode|TestSize)$' .
go test -count=1 -run '^TestChromium$/^bundled' .
