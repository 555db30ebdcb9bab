#!/usr/bin/env bash
# WEBHOOK_SECRET=whsec_… bash send.sh <url> <body file>: signs a message as TempoNest does and posts it to your receiver.
set -euo pipefail
url=$1 body_file=$2
id=msg_$(openssl rand -hex 16) timestamp=$(date +%s)
key=$(printf %s "${WEBHOOK_SECRET#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
signature=v1,$({ printf '%s.%s.' "$id" "$timestamp" && cat "$body_file"; } |
  openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)

curl --silent --show-error --fail-with-body --max-time 15 "$url" --data-binary "@$body_file" \
  -H 'content-type: application/json' \
  -H "webhook-id: $id" -H "webhook-timestamp: $timestamp" -H "webhook-signature: $signature"
