"""What a chat frontend signs for Countersign: each message of its user, and the user's yes
to a card that it showed. Needs `cryptography`. Runs on your server: the key never reaches a
browser."""

import base64
import hashlib
import json
import time

from cryptography.hazmat.primitives.serialization import load_pem_private_key


class Frontend:
    """Signs as one frontend, with an Ed25519 key that the executor knows by `kid`."""

    def __init__(self, frontend_id: str, kid: str, pem: bytes):
        self.id, self.kid = frontend_id, kid
        self.key = load_pem_private_key(pem, password=None)

    def message(self, subject: str, conversation: str, message_id: str, text: str) -> str:
        """Attests a message: this user wrote it, in this conversation."""
        return self._jws({
            "typ": "message", "iss": self.id, "aud": "countersign", "sub": subject,
            "conv": conversation, "mid": message_id, "sha256": _sha256(text), "iat": _now(),
        })

    def confirmation(self, subject: str, conversation: str, card: dict, shown: str,
                     lives: int = 300) -> str:
        """The user's yes to a card. `shown` is the text that the user saw."""
        parts = ["countersign card v1", card["proposal_id"], card["commitment"], shown]
        return self._jws({
            "typ": "confirmation", "iss": self.id, "aud": "countersign", "sub": subject,
            "conv": conversation, "proposal": card["proposal_id"],
            "card": _sha256("\n".join(parts)), "iat": _now(), "exp": _now() + lives,
        })

    def _jws(self, claims: dict) -> str:
        header = {"alg": "EdDSA", "typ": "JWT", "kid": self.kid}
        signed = f"{_part(header)}.{_part(claims)}"
        return f"{signed}.{_base64(self.key.sign(signed.encode()))}"


def _part(value: dict) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _now() -> int:
    return int(time.time())
