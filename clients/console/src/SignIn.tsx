import { useState } from "preact/hooks";
import { Field, valuesOf } from "./forms.js";
import { hasLinks, type Project, sendLink } from "./project.js";
import { type Config, signedOutBecause, signInWithPassword, signInWithToken } from "./session.js";
import { Problem, useAction } from "./ui.js";

export function SignIn({ config }: { config: Config }) {
  return (
    <main class="sign-in">
      <h1>
        <img src="/console/icon.svg" alt="" width="32" height="32" /> Fieldgate
      </h1>
      {signedOutBecause.value && (
        <p class="banner" role="status">
          {signedOutBecause.value}
        </p>
      )}
      {config.supabase ? <WithPassword project={config.supabase} /> : <WithToken dev={config.tokenLinks} />}
    </main>
  );
}

function WithPassword({ project }: { project: Project }) {
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
      {hasLinks && <LinkInstead project={project} />}
    </form>
  );
}

/** Signs in by e-mail, for who has no password. */
function LinkInstead({ project }: { project: Project }) {
  const [sent, setSent] = useState(false);
  const { busy, error, run } = useAction(async (email: string) => {
    await sendLink(project, email);
    setSent(true);
  });
  const ask = (event: MouseEvent) => {
    const email = (event.currentTarget as HTMLButtonElement).form?.elements.namedItem("email") as HTMLInputElement;
    if (email.reportValidity()) void run(email.value);
  };
  return (
    <>
      <button type="button" disabled={busy} onClick={ask}>
        E-mail me a link instead
      </button>
      <p role="status">
        {sent && "If this address may sign in, a link is on its way. Open it in this browser, within the hour."}
      </p>
      <Problem error={error} />
    </>
  );
}

function WithToken({ dev }: { dev: boolean }) {
  const { error, run } = useAction(async (token: string) => signInWithToken(token));
  const submit = (event: SubmitEvent) => void run(valuesOf(event).token ?? "");
  const hint = dev
    ? "The gateway printed one when it started. Others: fieldgate token --role viewer"
    : "This gateway has no FIELDGATE_SUPABASE_ANON_KEY, so you need a token of its issuer.";
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
