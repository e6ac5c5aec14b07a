#!/usr/bin/env bash
# Stops what registry-up.sh started for the same REGISTRY_PORT. Its schemas were in memory and are gone.
set -euo pipefail
STATE=${TMPDIR:-/tmp}/registry-test-${REGISTRY_PORT:-18081}
[ -s "$STATE/pid" ] || { echo "[registry-down] nothing to stop" >&2; exit 0; }
pid=$(cat "$STATE/pid")
if ps -p "$pid" -o args= 2>/dev/null | grep -q quarkus && kill "$pid"; then
  for ((i = 0; i < 100; i++)); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  if kill -0 "$pid" 2>/dev/null; then kill -KILL "$pid"; fi
fi
rm -rf -- "$STATE"
echo "[registry-down] stopped" >&2
