import { type Config, signedOutBecause, signInWithPassword, signInWithToken } from "./session.js";
import { Field, Problem, useAction, valuesOf } from "./ui.js";

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
      {config.supabase ? <WithPassword /> : <WithToken dev={config.tokenLinks} />}
    </main>
  );
}

function WithPassword() {
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
    </form>
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
