// Passkeys with which the user signs approvals.
import { FieldgateError, type Schemas } from "@fieldgate/client";
import { signal } from "@preact/signals";
import { encode } from "./base64url.js";
import { messageFor } from "./signin/messages.js";
import { supportsKeys } from "./signin/project.js";
import { gateway } from "./state.js";

export type Passkey = Schemas["Passkey"];
export type Assertion = Schemas["PasskeyAssertion"];

/** The domain for which passkeys sign. It is `undefined` if the gateway or the browser has no passkeys. */
export const relyingParty = signal<string | undefined>();

/** Takes over the relying party of the gateway. */
export function startPasskeys(party: string | undefined): void {
  relyingParty.value = supportsKeys ? party : undefined;
}

/** Returns the passkeys of the user. */
export async function readPasskeys(): Promise<Passkey[]> {
  return (await gateway.get("/api/v1/customer/passkeys", {})).items;
}

/** Creates a passkey on an authenticator of the user, and registers it. */
export async function createPasskey(name: string): Promise<void> {
  const options = await gateway.post("/api/v1/customer/passkeys/options", {});
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options as PublicKeyCredentialCreationOptionsJSON);
  const created = (await asking(() => navigator.credentials.create({ publicKey }))) as PublicKeyCredential;
  const credential = created.toJSON() as Schemas["PasskeyRegistration"];
  await gateway.post("/api/v1/customer/passkeys", { body: { name, credential } });
}

/** Asks the authenticators of the user. The errors of browsers do not say what to do, so they get another text. */
async function asking<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    const text = error instanceof DOMException ? textFor(error.name) : undefined;
    throw text ? new Error(text, { cause: error }) : error;
  }
}

function textFor(name: string): string | undefined {
  if (name === "SecurityError")
    return `Passkeys do not work on a page of ${location.hostname}. Open the console under ${relyingParty.value}.`;
  if (name === "InvalidStateError") return "This authenticator already has a passkey of yours.";
  return messageFor(name);
}

/**
 * Runs an approval with the signature of a passkey over a digest, which is SHA-256 in hexadecimal. If
 * `isSigned` is false, it signs only if the gateway asks for it.
 */
export async function withPasskey<T>(
  digest: string | undefined,
  isSigned: boolean,
  approve: (assertion?: Assertion) => Promise<T>,
): Promise<T> {
  if (isSigned) return approve(await sign(digest));
  try {
    return await approve();
  } catch (error) {
    if (!asksForPasskey(error)) throw error;
    return approve(await sign(digest));
  }
}

/** Reports whether the gateway has refused an approval because it needs a passkey. */
export function asksForPasskey(error: unknown): boolean {
  return error instanceof FieldgateError && error.code === "step_up_required" && error.problem?.assurance === "passkey";
}

/** An approval needs a passkey, and the user has none. */
export class NoPasskeyError extends Error {
  constructor() {
    super("This approval needs a passkey, and you have none. Add one to your account: select your name.");
  }
}

async function sign(digest: string | undefined): Promise<Assertion> {
  if (!digest) throw new Error("A command that cannot be shown cannot be signed.");
  if (!relyingParty.value)
    throw new Error("This approval needs a passkey, which this browser or this gateway does not have.");
  const keys = await readPasskeys();
  if (!keys.length) throw new NoPasskeyError();
  return signWith(
    keys.map(({ id }) => id),
    digest,
  );
}

/** Signs a digest, which is SHA-256 in hexadecimal, with one of the passkeys that have these ids. */
export async function signWith(ids: string[], digest: string): Promise<Assertion> {
  const rpId = relyingParty.value;
  if (!rpId) throw new Error("This browser or this gateway has no passkeys.");
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON({
    challenge: encode(Uint8Array.from(digest.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))),
    rpId,
    allowCredentials: ids.map((id) => ({ id, type: "public-key" })),
    userVerification: "required",
  });
  const signed = (await asking(() => navigator.credentials.get({ publicKey }))) as PublicKeyCredential;
  return signed.toJSON() as Assertion;
}
