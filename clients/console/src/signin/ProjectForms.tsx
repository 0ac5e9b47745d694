// All ways to sign in that a Supabase project allows.
import { useEffect, useState } from "preact/hooks";
import { Field, valuesOf } from "../forms.js";
import { Problem, useAction } from "../ui.js";
import { CodeField } from "./CodeField.js";
import type { SupabaseProject } from "./config.js";
import {
  dataOf,
  errorOf,
  type ProjectSettings,
  pageUrl,
  readSettings,
  supportsKeys,
  supportsLinks,
} from "./project.js";
import { auth } from "./tokens.js";

export function ProjectForms({ project }: { project: SupabaseProject }) {
  const [settings, setSettings] = useState<ProjectSettings>();
  const [sentTo, setSentTo] = useState("");
  useEffect(() => {
    let isShown = true;
    void readSettings(project).then((found) => isShown && setSettings(found));
    return () => {
      isShown = false;
    };
  }, [project]);
  if (!settings) return <p aria-busy="true">Loading…</p>;
  return (
    <>
      {settings.email && (sentTo ? <CodeForm email={sentTo} /> : <EmailForm sso={settings.sso} onSent={setSentTo} />)}
      {sentTo && (
        <button type="button" onClick={() => setSentTo("")}>
          Back
        </button>
      )}
      {!settings.email && settings.sso && <SSOForm />}
      <OtherWays settings={settings} />
    </>
  );
}

/** Signs in with a password, or requests a mail. */
function EmailForm({ sso, onSent }: { sso: boolean; onSent: (email: string) => void }) {
  const { busy, error, run } = useAction(async (action: (email: string) => Promise<void>, email: string) => {
    await action(email);
  });
  const submit = (event: SubmitEvent) => {
    const { email = "", password = "" } = valuesOf(event);
    void run(async () => void dataOf(await auth().signInWithPassword({ email, password })), email);
  };
  const withEmail = (action: (email: string) => Promise<void>) => (event: MouseEvent) => {
    const form = (event.currentTarget as HTMLButtonElement).form;
    const input = form?.elements.namedItem("email") as HTMLInputElement;
    if (input.reportValidity()) void run(action, input.value);
  };
  const mailing = (send: (email: string) => Promise<void>) =>
    withEmail(async (email) => {
      await send(email);
      onSent(email);
    });
  return (
    <form onSubmit={submit}>
      <Field label="E-mail">
        {(ids) => <input {...ids} type="email" name="email" autocomplete="username webauthn" required autofocus />}
      </Field>
      <Field label="Password">
        {(ids) => <input {...ids} type="password" name="password" autocomplete="current-password" required />}
      </Field>
      <button type="submit" class="primary" disabled={busy}>
        {busy ? "Signing in…" : "Sign in"}
      </button>
      <Problem error={error} />
      <button type="button" disabled={busy} onClick={mailing(sendLink)}>
        E-mail me a link or a code instead
      </button>
      <button type="button" disabled={busy} onClick={mailing(sendRecovery)}>
        I have no password, or forgot it
      </button>
      {sso && (
        <button type="button" disabled={busy} onClick={withEmail(signInWithSSO)}>
          Single sign-on of my company
        </button>
      )}
    </form>
  );
}

/**
 * Requests an e-mail with a sign-in link and, if the project's template has it, a code. It also
 * succeeds if the address has no account, so that the page does not reveal which addresses have
 * one.
 */
async function sendLink(email: string): Promise<void> {
  const options = { emailRedirectTo: pageUrl, shouldCreateUser: false };
  const { error } = await auth().signInWithOtp({ email, options });
  if (error && error.code !== "otp_disabled") throw errorOf(error);
}

/** Requests an e-mail whose link lets the user set a password. */
async function sendRecovery(email: string): Promise<void> {
  dataOf(await auth().resetPasswordForEmail(email, { redirectTo: pageUrl }));
}

/** Leaves the page for the identity provider of a company, which the domain of an address selects. */
async function signInWithSSO(email: string): Promise<void> {
  const domain = email.slice(email.lastIndexOf("@") + 1).toLowerCase(); // the project compares it as it is
  dataOf(await auth().signInWithSSO({ domain, options: { redirectTo: pageUrl } }));
}

/** Takes the code of a mail. The user may also open the link of the mail. */
function CodeForm({ email }: { email: string }) {
  const { busy, error, run } = useAction(async (token: string) => {
    dataOf(await auth().verifyOtp({ email, token, type: "email" }));
  });
  return (
    <form onSubmit={(event) => void run(valuesOf(event).code ?? "")}>
      <p role="status">
        If this address may sign in, a mail has been sent to it. Open its link in this browser
        {supportsLinks ? "" : " (over HTTPS)"}, or enter its code, within an hour.
      </p>
      <CodeField label="Code of the e-mail" pattern="[0-9]{6,10}" />
      <button type="submit" class="primary" disabled={busy}>
        Sign in with the code
      </button>
      <Problem error={error} />
    </form>
  );
}

/** Selects the identity provider of a company, for a project without sign-in by e-mail. */
function SSOForm() {
  const { busy, error, run } = useAction(signInWithSSO);
  return (
    <form onSubmit={(event) => void run(valuesOf(event).email ?? "")}>
      <Field label="E-mail">
        {(ids) => <input {...ids} type="email" name="email" autocomplete="username" required autofocus />}
      </Field>
      <button type="submit" class="primary" disabled={busy}>
        Single sign-on of my company
      </button>
      <Problem error={error} />
    </form>
  );
}

/** The buttons for passkeys and identity providers. */
function OtherWays({ settings }: { settings: ProjectSettings }) {
  const { busy, error, run } = useAction(async (action: () => Promise<unknown>) => {
    await action();
  });
  const passkey = async () => dataOf(await auth().signInWithPasskey());
  return (
    <div class="other-ways">
      {settings.passkeys && supportsKeys && (
        <button type="button" disabled={busy} onClick={() => void run(passkey)}>
          Sign in with a passkey
        </button>
      )}
      {supportsLinks &&
        settings.providers.map((provider) => (
          <button key={provider} type="button" disabled={busy} onClick={() => void run(() => openProvider(provider))}>
            Continue with {nameOf(provider)}
          </button>
        ))}
      <Problem error={error} />
    </div>
  );
}

type Provider = Parameters<ReturnType<typeof auth>["signInWithOAuth"]>[0]["provider"];

/** Leaves the page for an identity provider, which returns with a code (PKCE). */
async function openProvider(provider: string): Promise<void> {
  const options = { redirectTo: pageUrl };
  dataOf(await auth().signInWithOAuth({ provider: provider as Provider, options }));
}

const names: Record<string, string> = {
  azure: "Microsoft",
  github: "GitHub",
  gitlab: "GitLab",
  linkedin_oidc: "LinkedIn",
  slack_oidc: "Slack",
  workos: "WorkOS",
};

/** Returns the name of a provider for display. */
function nameOf(provider: string): string {
  return names[provider] ?? provider.charAt(0).toUpperCase() + provider.slice(1).replaceAll("_", " ");
}
