// What the page tells users about refused sign-ins.

const unfinished = "This sign-in was not finished in time, or was already used. Start it again.";
const otherBrowser = "This link works once, and only in the browser that requested it.";
const otherHost = "The passkeys of this project are for another address than that of this page. Ask the operator.";
const unknownKey = "This passkey or security key is not registered, or was removed. Sign in another way.";

/**
 * The messages for codes of the project, and for names and codes of errors of the browser, whose own message
 * does not say what to do.
 */
const messages = new Map(
  Object.entries({
    bad_code_verifier: otherBrowser,
    pkce_code_verifier_not_found: otherBrowser,
    otp_expired: "This code or link has expired or was already used. Request another one.",
    reauthentication_needed: "This project requires a recent sign-in. Sign out, sign in again and repeat this.",
    captcha_failed:
      "This project requires a CAPTCHA, which this console does not show. Ask the operator of the gateway.",

    // Identity providers, and single sign-on.
    flow_state_not_found: unfinished,
    flow_state_expired: unfinished,
    flow_state_already_used: unfinished,
    bad_oauth_state: unfinished,
    bad_oauth_callback: unfinished,
    saml_relay_state_not_found: unfinished,
    saml_relay_state_expired: unfinished,
    signup_disabled: "You have no account here, and cannot create one. Ask an administrator to invite you.",
    user_banned: "Your account is blocked. Ask an administrator.",
    provider_email_needs_verification:
      "The identity provider has not verified your e-mail address. Open the mail that has been sent to it.",
    sso_provider_not_found: "The domain of this e-mail address has no single sign-on here. Sign in another way.",
    sso_provider_disabled: "The single sign-on of your company is switched off. Ask an administrator.",

    // The second factor.
    mfa_verification_failed: "This code is wrong or has expired. Enter the one that is shown or was sent now.",
    insufficient_aal:
      "This requires your second factor. Sign out, sign in again with the second factor and repeat this.",
    mfa_webauthn_enroll_not_enabled: "This project takes no security keys. Add an authenticator app.",
    mfa_totp_enroll_not_enabled: "This project takes no authenticator apps.",

    // Passkeys and security keys.
    NotAllowedError: "The passkey or security key was not used: you cancelled, it took too long, or there is none.",
    ERROR_INVALID_DOMAIN: otherHost,
    ERROR_INVALID_RP_ID: otherHost,
    ERROR_AUTHENTICATOR_PREVIOUSLY_REGISTERED: "This device or key has been added before.",
    webauthn_credential_not_found: unknownKey,
    webauthn_verification_failed: unknownKey,
    webauthn_challenge_expired: unfinished,
    webauthn_challenge_not_found: unfinished,
  }),
);

/** Returns the message for a code of the project, or for a name or a code of an error of the browser. */
export function messageFor(code: string | undefined): string | undefined {
  return messages.get(code ?? "");
}

/** A message to the user. The quote is the text of another party, which must not look like the page's own. */
export interface Notice {
  text: string;
  quote?: string;
}

const maxQuote = 200;

/**
 * Returns what to tell the user about a redirect or a link with an error. Anyone can write a link with a
 * description, so the description is a short quote.
 */
export function explainRefusal(refused: { code: string; description: string }): Notice {
  const text = messageFor(refused.code);
  if (text) return { text };
  // A project appends the whole document of a company that it does not accept.
  const quote = refused.description.split("<")[0]?.trim().slice(0, maxQuote);
  if (refused.code === "access_denied")
    return {
      text: "You or the identity provider did not allow the sign-in. Try again, or sign in another way.",
      quote,
    };
  if (!quote) return { text: "The sign-in service refused this sign-in. Try again." };
  return { text: "The sign-in was refused. The sign-in service says:", quote };
}
