#!/usr/bin/env bash
# WEBHOOK_SECRET=whsec_… bash verify.sh <headers file> <body file> [now]
# Ends with 0 when the message is genuine and fresh, else with 1. `now`: seconds since 1970, for tests.
# For a look by hand: other users of the machine see the key among openssl's arguments.
set -euo pipefail
tolerance_seconds=300
headers_file=$1 body_file=$2 now=${3:-$(date +%s)}

header() { grep -i "^$1:" "$headers_file" | head -n 1 | tr -d '\r' | sed 's/^[^:]*:[[:space:]]*//'; }
id=$(header webhook-id) timestamp=$(header webhook-timestamp) signatures=$(header webhook-signature)
[[ -n $id && $timestamp =~ ^[0-9]{1,12}$ ]] || exit 1
age=$((now - 10#$timestamp))
((age <= tolerance_seconds && -age <= tolerance_seconds)) || exit 1

key=$(printf %s "${WEBHOOK_SECRET#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
[[ -n $key ]] || { echo 'the secret is empty' >&2 && exit 1; }
expected=v1,$({ printf '%s.%s.' "$id" "$timestamp" && cat "$body_file"; } |
  openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)

# The shell stops at the first byte that differs, so it compares hashes under a key that nobody knows.
blind_key=$(openssl rand -hex 32)
blind() { printf %s "$1" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$blind_key"; }
read -ra given <<<"$signatures"
for signature in "${given[@]}"; do
  [[ $(blind "$signature") == "$(blind "$expected")" ]] && exit 0
done
exit 1
