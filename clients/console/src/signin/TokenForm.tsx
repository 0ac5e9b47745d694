import { Field, valuesOf } from "../forms.js";
import { Problem, useAction } from "../ui.js";
import { signInWithToken } from "./tokens.js";

/** Signs in with a token that the user pastes, for issuers other than a Supabase project. */
export function TokenForm({ dev }: { dev: boolean }) {
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
