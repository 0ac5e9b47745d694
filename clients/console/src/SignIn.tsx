import { useState } from "preact/hooks";
import { type Config, signInWithPassword, signInWithToken, signOutReason } from "./auth.js";
import { Field, valuesOf } from "./forms.js";
import { type SupabaseProject, sendLink, supportsLinks } from "./supabase.js";
import { Problem, useAction } from "./ui.js";

export function SignIn({ config }: { config: Config }) {
  return (
    <main class="sign-in">
      <h1>
        <img src="/console/icon.svg" alt="" width="32" height="32" /> Fieldgate
      </h1>
      {signOutReason.value && (
        <p class="banner" role="status">
          {signOutReason.value}
        </p>
      )}
      {config.supabase ? <PasswordForm project={config.supabase} /> : <TokenForm dev={config.tokenLinks} />}
    </main>
  );
}

function PasswordForm({ project }: { project: SupabaseProject }) {
  const { busy, error, run } = useAction(async (email: string, password: string) => {
    await signInWithPassword(email, password);
  });
  const submit = (event: SubmitEvent) => {
    const { email = "", password = "" } = valuesOf(event);
    void run(email, password);
  };
  return (
    <form onSubmit={submit}>
      <Field label="E-mail">
        {(ids) => <input {...ids} type="email" name="email" autocomplete="username" required autofocus />}
      </Field>
      <Field label="Password">
        {(ids) => <input {...ids} type="password" name="password" autocomplete="current-password" required />}
      </Field>
      <button type="submit" class="primary" disabled={busy}>
        {busy ? "Signing in…" : "Sign in"}
      </button>
      <Problem error={error} />
      {supportsLinks && <LinkButton project={project} />}
    </form>
  );
}

/** A button that requests a sign-in link by e-mail, for users without a password. */
function LinkButton({ project }: { project: SupabaseProject }) {
  const [sent, setSent] = useState(false);
  const { busy, error, run } = useAction(async (email: string) => {
    await sendLink(project, email);
    setSent(true);
  });
  const requestLink = (event: MouseEvent) => {
    const email = (event.currentTarget as HTMLButtonElement).form?.elements.namedItem("email") as HTMLInputElement;
    if (email.reportValidity()) void run(email.value);
  };
  return (
    <>
      <button type="button" disabled={busy} onClick={requestLink}>
        E-mail me a link instead
      </button>
      <p role="status">
        {sent && "If this address may sign in, a link has been sent to it. Open it in this browser within an hour."}
      </p>
      <Problem error={error} />
    </>
  );
}

function TokenForm({ dev }: { dev: boolean }) {
  const { error, run } = useAction(async (token: string) => signInWithToken(token));
  const submit = (event: SubmitEvent) => void run(valuesOf(event).token ?? "");
  const hint = dev
    ? "The gateway printed a token when it started. To create another one: fieldgate token --role viewer"
    : "FIELDGATE_SUPABASE_ANON_KEY is not set on this gateway. Paste an access token of its issuer.";
  return (
    <form onSubmit={submit}>
      <Field label="Access token" hint={hint}>
        {(ids) => (
          <input {...ids} type="password" name="token" autocomplete="off" spellcheck={false} required autofocus />
        )}
      </Field>
      <button type="submit" class="primary">
        Sign in
      </button>
      <Problem error={error} />
    </form>
  );
}
