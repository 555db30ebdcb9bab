# WEBHOOK_SECRET=whsec_… python3 verify.py <headers file> <body file> [now]
# Ends with 0 when the message is genuine and fresh, else with 1. `now`: seconds since 1970, for tests.
import base64
import hashlib
import hmac
import os
import re
import sys
import time

TOLERANCE_SECONDS = 300


def verify(secret, headers, body, now=None):
    """`headers`: names in lower case. `body`: the bytes as they came, not JSON that was parsed and written again."""
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    signatures = headers.get("webhook-signature", "")
    if not message_id or not re.fullmatch(r"[0-9]{1,12}", timestamp):
        return False
    if abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE_SECONDS:
        return False

    key = base64.b64decode(secret.removeprefix("whsec_"))
    if not key:
        raise ValueError("the secret is empty")
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    given = [signature.encode() for signature in signatures.split(" ")]
    return any(hmac.compare_digest(signature, expected) for signature in given)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        pairs = [line.split(":", 1) for line in file if ":" in line]
    headers = {name.lower(): value.strip() for name, value in pairs}
    with open(sys.argv[2], "rb") as file:
        body = file.read()
    now = float(sys.argv[3]) if len(sys.argv) > 3 else None
    sys.exit(0 if verify(os.environ["WEBHOOK_SECRET"], headers, body, now) else 1)
