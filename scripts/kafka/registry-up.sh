#!/usr/bin/env bash
# Starts a schema registry that speaks Confluent's protocol (Apicurio Registry, in memory) on 127.0.0.1, for tests.
# Needs: bash, curl, java >= 17, and mvn for the first run only (an archive of 142 MB is then kept).
#   REGISTRY_VERSION   2.6.13.Final
#   REGISTRY_HOME_DIR  the unpacked archive    (~/.cache/apicurio-registry-<version>)
#   REGISTRY_PORT      18081
#   OWNER              a process id: the registry is stopped when that process is gone, however it ended
#   READY_TIMEOUT      seconds                 (120)
# stdout: its address only. Everything else goes to stderr. Re-running while it is up is a no-op.
set -euo pipefail
VERSION=${REGISTRY_VERSION:-2.6.13.Final}
HOME_DIR=${REGISTRY_HOME_DIR:-$HOME/.cache/apicurio-registry-$VERSION}
PORT=${REGISTRY_PORT:-18081}; STATE=${TMPDIR:-/tmp}/registry-test-$PORT
URL=http://127.0.0.1:$PORT/apis/ccompat/v7
JAVA=${JAVA_HOME:+$JAVA_HOME/bin/}java
log() { echo "[registry-up] $*" >&2; }
die() { log "$*"; exit 1; }
alive() { [ -s "$STATE/pid" ] && ps -p "$(cat "$STATE/pid")" -o args= 2>/dev/null | grep -q quarkus; }

if [ ! -e "$HOME_DIR/.complete" ]; then
  command -v mvn >/dev/null || die "mvn is needed once to fill $HOME_DIR"
  log "resolving Apicurio Registry $VERSION into $HOME_DIR"
  tmp=$(mktemp -d); mkdir -p "$HOME_DIR"
  archive=io.apicurio:apicurio-registry-app:$VERSION:tar.gz:all
  mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:3.8.1:get -Dartifact="$archive" -Dtransitive=false >&2 || die "mvn failed"
  mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy -Dartifact="$archive" -DoutputDirectory="$tmp" >&2 || die "mvn failed"
  tar xzf "$tmp"/*.tar.gz -C "$HOME_DIR"; rm -rf "$tmp"; touch "$HOME_DIR/.complete"
fi

mkdir -p "$STATE"
if ! alive; then
  cd "$HOME_DIR"
  jar=quarkus-run.jar; [ -e "$jar" ] || jar=apicurio-registry-app-$VERSION-runner.jar
  setsid nohup "$JAVA" -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Dquarkus.http.host=127.0.0.1 \
    -Dquarkus.http.port="$PORT" -Dquarkus.management.enabled=false -jar "$jar" >"$STATE/registry.log" 2>&1 </dev/null &
  echo $! >"$STATE/pid"
  cd - >/dev/null
fi
end=$((SECONDS + ${READY_TIMEOUT:-120}))
until curl -sf -m 5 -o /dev/null "$URL/subjects"; do
  alive || { tail -20 "$STATE/registry.log" >&2; die "the registry died"; }
  [ $SECONDS -lt $end ] || { tail -20 "$STATE/registry.log" >&2; die "not ready in time"; }
  sleep 0.2
done
# As Confluent's registry begins; its own default is to allow everything.
curl -sf -o /dev/null -X PUT -H 'content-type: application/json' -d '{"compatibility":"BACKWARD"}' "$URL/config" || die "could not set the compatibility"
if [ -n "${OWNER:-}" ]; then
  REGISTRY_PORT=$PORT setsid nohup bash -c 'while kill -0 "$2" 2>/dev/null; do kill -0 "$1" 2>/dev/null || exec "$3"; sleep 1; done' \
    owner "$OWNER" "$(cat "$STATE/pid")" "$(cd "$(dirname "$0")" && pwd)/registry-down.sh" >/dev/null 2>&1 </dev/null &
fi
log "Apicurio Registry $VERSION ready, log $STATE/registry.log"
echo "$URL"
