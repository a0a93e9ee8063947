#!/usr/bin/env bash
# Sets up, builds and runs every test. Ends with the line "N passed, N failed"; fails on any failure or when no test ran.
set -uo pipefail
cd "$(dirname "$0")"
bash scripts/setup.sh || exit 1
dotnet build VlmSdk.sln -c Release -v q --nologo || exit 1

passed=0; failed=0; skipped=0; status=0
for project in Tests/*/*.Tests.csproj; do
    name=$(basename "$project" .csproj)
    echo "== $name"
    log=$(mktemp)
    dotnet run --project "$project" -c Release --no-build -- --progress off --no-ansi "$@" 2>&1 | tee "$log"
    code=${PIPESTATUS[0]}
    count() { sed -e 's/\x1b\[[0-9;]*m//g' "$log" | sed -n "s/^ *$1: *\([0-9][0-9]*\).*/\1/p" | tail -n 1; }
    p=$(count succeeded); f=$(count failed); s=$(count skipped)
    rm -f "$log"
    # 8 means that no test ran, which a filter given on the command line may bring about.
    if [ "$code" -ne 0 ] && ! { [ "$code" -eq 8 ] && [ $# -gt 0 ]; }; then
        status=1
        [ "${f:-0}" -gt 0 ] || { echo "$name ended with code $code"; f=1; }
    fi
    passed=$((passed + ${p:-0})); failed=$((failed + ${f:-0})); skipped=$((skipped + ${s:-0}))
done
[ "$skipped" -eq 0 ] || echo "$skipped skipped (each names its reason above)"
[ "$passed" -gt 0 ] || status=1
[ "$failed" -eq 0 ] || status=1
echo "$passed passed, $failed failed"
exit $status
