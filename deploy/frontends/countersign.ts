// What a chat frontend signs for Countersign: each message of its user, and the user's yes
// to a card that it showed. Node 20 or newer, no dependency. Runs on your server: the key
// never reaches a browser.

import { createHash, createPrivateKey, sign, type KeyObject } from "node:crypto";

/** A card as it came beside an answer, in its member `countersign`. */
export interface Card {
  proposal_id: string;
  commitment: string;
  text: string;
}

/** Who says something, and where. */
export interface Place {
  /** `sub` of the user's token. */
  subject: string;
  /** The conversation's id, as the header has it. */
  conversation: string;
}

/** Signs as one frontend, with an Ed25519 key that the executor knows by `kid`. */
export class Frontend {
  private readonly key: KeyObject;

  constructor(private readonly id: string, private readonly kid: string, pem: string) {
    this.key = createPrivateKey(pem);
  }

  /** Attests a message: this user wrote it, in this conversation. */
  message(at: Place, messageId: string, text: string): string {
    return this.jws({
      typ: "message", iss: this.id, aud: "countersign", sub: at.subject, conv: at.conversation,
      mid: messageId, sha256: sha256(text), iat: now(),
    });
  }

  /** The user's yes to a card. `shown` is the text that the user saw, not what came over the wire. */
  confirmation(at: Place, card: Card, shown: string, lives = 300): string {
    const digest = sha256(["countersign card v1", card.proposal_id, card.commitment, shown].join("\n"));
    return this.jws({
      typ: "confirmation", iss: this.id, aud: "countersign", sub: at.subject,
      conv: at.conversation, proposal: card.proposal_id, card: digest, iat: now(),
      exp: now() + lives,
    });
  }

  private jws(claims: object): string {
    const header = { alg: "EdDSA", typ: "JWT", kid: this.kid };
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const signed = `${part(header)}.${part(claims)}`;
    return `${signed}.${sign(null, Buffer.from(signed), this.key).toString("base64url")}`;
  }
}

const now = () => Math.floor(Date.now() / 1000);
const sha256 = (text: string) => createHash("sha256").update(text, "utf8").digest("hex");
