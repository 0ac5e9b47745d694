// Where the tokens of a sign-in are stored.
//
// They must survive a reload, end with the tab, and be the same in a duplicated tab: a refresh
// token is valid once, and a project that sees an old one again assumes theft and ends the
// sign-in of all tabs. No storage of the browser does all three. Therefore the tokens are in
// localStorage, which all tabs share, encrypted with a key in sessionStorage, which a duplicated
// tab copies and which ends with the tab. Without the key, the next user of the computer can
// read nothing.
//
// Without a secure context there is no encryption. The tokens are then in sessionStorage, and
// duplicated tabs cannot share them.
import type { SupportedStorage } from "@supabase/auth-js";

const keyName = "fieldgate.sign-in";
/** The prefix of the encrypted tokens in localStorage. */
const prefix = "fieldgate.sign-in.";
const verifierPrefix = "fieldgate.verifier";
const oldestMs = 30 * 24 * 3600_000;

/** The key of a sign-in. All tabs that share a sign-in have the same. */
interface Key {
  id: string;
  /** The AES-256 key in base64. It is empty without a secure context. */
  secret: string;
}

interface Sealed {
  at: number;
  iv: string;
  data: string;
}

/** Storage is the storage of one sign-in. */
export class Storage implements SupportedStorage {
  readonly #key: Key;

  private constructor(key: Key) {
    this.#key = key;
  }

  /** Returns the storage of the sign-in of this tab, or of a new one. */
  static open(): Storage {
    removeOld();
    return new Storage(readKey() ?? createKey());
  }

  /** Forgets the key of this tab, and returns the storage of a new sign-in. Other tabs keep the key. */
  static create(): Storage {
    sessionStorage.removeItem(keyName);
    return new Storage(createKey());
  }

  /** The name of the sign-in: of its entry, of its lock and of the messages between its tabs. */
  get name(): string {
    return prefix + this.#key.id;
  }

  async getItem(name: string): Promise<string | null> {
    if (isVerifier(name)) return localStorage.getItem(this.#verifierName(name));
    if (!this.#key.secret) return sessionStorage.getItem(name);
    return open(localStorage.getItem(name), this.#key.secret);
  }

  /** Stores a value. The first one also stores the key, so that a tab without a sign-in has none. */
  async setItem(name: string, value: string): Promise<void> {
    if (isVerifier(name)) return localStorage.setItem(this.#verifierName(name), value);
    sessionStorage.setItem(keyName, JSON.stringify(this.#key));
    if (!this.#key.secret) sessionStorage.setItem(name, value);
    else localStorage.setItem(name, await seal(value, this.#key.secret));
  }

  async removeItem(name: string): Promise<void> {
    if (isVerifier(name)) localStorage.removeItem(this.#verifierName(name));
    else (this.#key.secret ? localStorage : sessionStorage).removeItem(name);
  }

  /** Removes the verifiers of all requested links. The library keeps those of other requests. */
  removeVerifiers(): void {
    for (const name of Object.keys(localStorage)) if (name.startsWith(verifierPrefix)) localStorage.removeItem(name);
  }

  /**
   * Runs `action` while no other tab of this sign-in runs one. Without a secure context there
   * are no locks between tabs.
   */
  exclusive<T>(action: () => Promise<T>): Promise<T> {
    if (!navigator.locks) return action();
    return navigator.locks.request(this.name, action) as Promise<T>;
  }

  #verifierName(name: string): string {
    return name.replace(this.name, verifierPrefix);
  }
}

/**
 * Reports whether an entry is a verifier (PKCE). A link opens in another tab, which needs the
 * verifier and does not have the key of this sign-in. Therefore verifiers are not encrypted. A
 * verifier is useless without the code of the link.
 */
function isVerifier(name: string): boolean {
  return name.endsWith("-code-verifier");
}

function readKey(): Key | undefined {
  const stored = sessionStorage.getItem(keyName);
  return stored ? (JSON.parse(stored) as Key) : undefined;
}

function createKey(): Key {
  const secret = globalThis.isSecureContext ? base64(crypto.getRandomValues(new Uint8Array(32))) : "";
  const id = base64(crypto.getRandomValues(new Uint8Array(12)));
  return { id, secret };
}

/** Removes the entries of sign-ins whose tabs were closed long ago, and whose keys are therefore lost. */
function removeOld(): void {
  for (const name of Object.keys(localStorage)) {
    if (!name.startsWith(prefix)) continue;
    if (Date.now() - sealedAt(localStorage.getItem(name)) > oldestMs) localStorage.removeItem(name);
  }
}

function sealedAt(stored: string | null): number {
  try {
    return (JSON.parse(stored ?? "") as Sealed).at;
  } catch {
    return 0;
  }
}

async function seal(value: string, secret: string): Promise<string> {
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const data = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, await importKey(secret), encode(value));
  return JSON.stringify({ at: Date.now(), iv: base64(iv), data: base64(new Uint8Array(data)) });
}

/** Decrypts a stored value. It returns null if there is none, or if it has another key. */
async function open(stored: string | null, secret: string): Promise<string | null> {
  try {
    const { iv, data } = JSON.parse(stored ?? "") as Sealed;
    const key = await importKey(secret);
    return new TextDecoder().decode(await crypto.subtle.decrypt({ name: "AES-GCM", iv: bytes(iv) }, key, bytes(data)));
  } catch {
    return null;
  }
}

function importKey(secret: string): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", bytes(secret), "AES-GCM", false, ["encrypt", "decrypt"]);
}

const encode = (text: string) => new TextEncoder().encode(text);
const base64 = (of: Uint8Array) => btoa(Array.from(of, (byte) => String.fromCharCode(byte)).join(""));
const bytes = (of: string) => Uint8Array.from(atob(of), (character) => character.charCodeAt(0));
