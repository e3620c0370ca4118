"""Signs with the snippet that ships, for the test to verify."""

import importlib.util
import json
import sys

given = json.loads(sys.argv[1])
spec = importlib.util.spec_from_file_location("countersign", given["snippet"])
snippet = importlib.util.module_from_spec(spec)
spec.loader.exec_module(snippet)
frontend = snippet.Frontend(given["frontend"], given["kid"], given["pem"].encode())
print(json.dumps({
    "attestation": frontend.message(given["subject"], given["conversation"], "m1", given["text"]),
    "confirmation": frontend.confirmation(
        given["subject"], given["conversation"], given["card"], given["card"]["text"]),
}))
