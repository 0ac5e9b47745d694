// Finds parameters that look like secrets, so that the page does not keep them.

const secretName =
  /pass(word|wd|phrase|code)?|secret|token|credential|(api|access|private|signing|encryption|ssh|host)[-_ ]?key|^key$|^psk$|^pin$|^otp$|auth|cookie|bearer|session[-_ ]?id/i;

/** Matches what generators of keys write: hexadecimal digits, or letters and digits of all kinds. */
const random = /^(?:[0-9a-f]{32,}|[0-9A-F]{32,}|(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[\w+/=-]{24,})$/;

const secretText = [
  /-----BEGIN [A-Z ]+-----/,
  /\beyJ[\w-]+\.[\w-]+\.[\w-]*/, // a JSON Web Token
  /^(Bearer|Basic|Digest) /i,
  /^[a-z][a-z0-9+.-]*:\/\/[^/\s]*@/i, // user information in a URL
  /\b(AKIA|ASIA)[A-Z0-9]{16}\b/,
  /\b(gh[pousr]_|github_pat_|glpat-|xox[abprs]-|sk[-_]|AIza)[\w-]{16,}/,
];

/** Reports whether a parameter looks like a secret, or contains something that does. */
export function looksSecret(name: string, value: unknown): boolean {
  if (secretName.test(name)) return true;
  if (Array.isArray(value)) return value.some((item) => looksSecret("", item));
  if (typeof value === "object" && value !== null)
    return Object.entries(value).some(([inner, item]) => looksSecret(inner, item));
  return typeof value === "string" && isSecretText(value);
}

/** Reports whether a text looks like a secret, or assigns one to a name: --password=x, --token, ?apikey=x. */
function isSecretText(text: string): boolean {
  if (random.test(text) || secretText.some((pattern) => pattern.test(text))) return true;
  const names = [...text.matchAll(/(?:^--?|^\/|^|[?&;,\s])([\w.-]+)[=:]|^--?([\w.-]+)$/g)];
  return names.some(([, assigned, option]) => secretName.test(assigned ?? option ?? ""));
}

/** Returns parameters without those that look like secrets, and the names of those. */
export function withoutSecrets(parameters: Record<string, unknown>) {
  const entries = Object.entries(parameters);
  const secrets = entries.filter(([name, value]) => looksSecret(name, value)).map(([name]) => name);
  return { kept: Object.fromEntries(entries.filter(([name]) => !secrets.includes(name))), secrets };
}
