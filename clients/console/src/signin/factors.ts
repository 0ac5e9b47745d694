// The second factors of the user at the project.
import { dataOf } from "./project.js";
import { auth } from "./tokens.js";

/** A second factor. With "webauthn", it is a security key. */
export interface Factor {
  id: string;
  name: string;
  kind: "totp" | "phone" | "webauthn";
}

const names = { totp: "Authenticator app", phone: "Telephone", webauthn: "Security key" };

/** Returns the verified factors of the user. */
export async function verifiedFactors(): Promise<Factor[]> {
  const found = dataOf(await auth().mfa.listFactors());
  const kinds = ["totp", "webauthn", "phone"] as const;
  return kinds.flatMap((kind) =>
    found[kind].map(({ id, friendly_name }) => ({ id, name: friendly_name || names[kind], kind })),
  );
}

/** Raises the level of the sign-in with a code of an authenticator app. */
export async function verifyCode(factorId: string, code: string): Promise<void> {
  dataOf(await auth().mfa.challengeAndVerify({ factorId, code }));
}

/** Requests a message with a code to a telephone, and returns the id with which the code is verified. */
export async function sendCode(factorId: string): Promise<string> {
  return dataOf(await auth().mfa.challenge({ factorId, channel: "sms" })).id;
}

/** Raises the level of the sign-in with a code that was sent to a telephone. */
export async function verifySentCode(factorId: string, challengeId: string, code: string): Promise<void> {
  dataOf(await auth().mfa.verify({ factorId, challengeId, code }));
}

/** Raises the level of the sign-in with a security key. */
export async function verifyKey(factorId: string): Promise<void> {
  dataOf(await auth().mfa.webauthn.authenticate({ factorId }));
}

/** Adds a security key, which also raises the level of the sign-in. */
export async function addKey(): Promise<void> {
  await removeUnverified();
  dataOf(await auth().mfa.webauthn.register({ friendlyName: datedName("webauthn") }));
}

/** An authenticator app that is to be verified with its first code. */
export interface NewApp {
  id: string;
  qrCode: string;
  secret: string;
}

/** Creates a factor for an authenticator app. */
export async function createApp(): Promise<NewApp> {
  await removeUnverified();
  const request = { factorType: "totp", issuer: location.host, friendlyName: datedName("totp") } as const;
  const { id, totp } = dataOf(await auth().mfa.enroll(request));
  return { id, qrCode: encodeImage(totp.qr_code), secret: totp.secret };
}

/** Removes the factors that were created before and never verified. */
async function removeUnverified(): Promise<void> {
  const { all } = dataOf(await auth().mfa.listFactors());
  for (const { id, status } of all) if (status === "unverified") await auth().mfa.unenroll({ factorId: id });
}

/** Returns a name for a new factor. A project refuses a second factor of the same name. */
function datedName(kind: Factor["kind"]): string {
  return `${names[kind]}, ${new Date().toISOString().slice(0, 19).replace("T", " ")}`;
}

/** Encodes the image in a data URL, because characters such as # end an unencoded one. */
function encodeImage(dataUrl: string): string {
  return `data:image/svg+xml,${encodeURIComponent(dataUrl.slice(dataUrl.indexOf(",") + 1))}`;
}
