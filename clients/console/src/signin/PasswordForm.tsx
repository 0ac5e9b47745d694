import { useState } from "preact/hooks";
import { Field, valuesOf } from "../forms.js";
import { Problem, UserText, useAction } from "../ui.js";
import { dataOf, SignInError } from "./project.js";
import { auth, passwordWanted, signedIn } from "./tokens.js";

/** Sets the password of the user, after an invitation or a recovery mail or when the user wants to. */
export function PasswordForm({ onDone = done }: { onDone?: () => void }) {
  const { busy, error, run } = useAction(async (password: string, repeated: string) => {
    if (password !== repeated) throw new SignInError("The two passwords differ.", true);
    dataOf(await auth().updateUser({ password }));
    onDone();
  });
  const submit = (event: SubmitEvent) => {
    const { password = "", repeated = "" } = valuesOf(event);
    void run(password, repeated);
  };
  const [email] = useState(signedIn.value?.session?.user.email ?? "");
  return (
    <form onSubmit={submit}>
      <p>
        Set a password for <UserText>{email}</UserText>.
      </p>
      <input type="hidden" name="username" autocomplete="username" value={email} />
      <Field label="New password">
        {(ids) => <input {...ids} type="password" name="password" autocomplete="new-password" required autofocus />}
      </Field>
      <Field label="New password, repeated">
        {(ids) => <input {...ids} type="password" name="repeated" autocomplete="new-password" required />}
      </Field>
      <div class="actions">
        <button type="submit" class="primary" disabled={busy}>
          Set the password
        </button>
        <button type="button" onClick={onDone}>
          Not now
        </button>
      </div>
      <Problem error={error} />
    </form>
  );
}

function done(): void {
  passwordWanted.value = false;
}
