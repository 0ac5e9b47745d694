// The steps of signing in, on a page of their own or in a dialog over the page.
import type { ComponentChildren } from "preact";
import { Dialog } from "../forms.js";
import { Problem, Time, UserText, useAction } from "../ui.js";
import type { Config } from "./config.js";
import { LinkConfirmation } from "./LinkConfirmation.js";
import { PasswordForm } from "./PasswordForm.js";
import { ProjectForms } from "./ProjectForms.js";
import { SecondFactorStep } from "./SecondFactor.js";
import { TokenForm } from "./TokenForm.js";
import { endsAt, notice, renewNow, signedIn, signingInAgain, signOut } from "./tokens.js";
import { readUser, step, user, userError } from "./user.js";

/** The page of a user who is not signed in. */
export function SignIn({ config }: { config: Config }) {
  return (
    <main class="sign-in">
      <h1>
        <img src="/console/icon.svg" alt="" width="32" height="32" /> Fieldgate
      </h1>
      <Steps config={config} />
    </main>
  );
}

/**
 * The dialog of a user whose sign-in has ended or is about to end. The page stays under it, with
 * what the user has typed.
 */
export function SignInAgain({ config }: { config: Config }) {
  if (step.value === "done" && !signingInAgain.value) return null;
  const close = () => {
    signingInAgain.value = false;
  };
  return (
    <Dialog title="Sign in again" onClose={close} required={step.value !== "done"}>
      <div class="sign-in-again">
        <Steps config={config} />
        <SignOutInstead of={user.value?.name} />
      </div>
    </Dialog>
  );
}

/** Lets another user sign in, which removes what this user has typed. */
function SignOutInstead({ of }: { of?: string }) {
  return (
    <p class="fine">
      What you have typed is kept.{" "}
      <button type="button" onClick={signOut}>
        I am not {of ? <UserText>{of}</UserText> : "this user"}
      </button>
    </p>
  );
}

function Steps({ config }: { config: Config }) {
  const next = step.value;
  return (
    <>
      {notice.value && (
        <p class="banner" role="status">
          {notice.value.text}
          {notice.value.quote && (
            <>
              {" "}
              “<UserText>{notice.value.quote}</UserText>”
            </>
          )}
        </p>
      )}
      {next === "link" && <LinkConfirmation />}
      {(next === "sign-in" || next === "done") && <Forms config={config} />}
      {next === "second-factor" && <SecondFactorStep />}
      {next === "password" && <PasswordForm />}
      {next === "user" && <UserStep />}
    </>
  );
}

function Forms({ config }: { config: Config }) {
  return config.supabase ? <ProjectForms project={config.supabase} /> : <TokenForm dev={config.tokenLinks} />;
}

/** Shows why the gateway does not accept a signed-in user. */
function UserStep() {
  const again = useAction(async () => {
    await renewNow(); // the claims of the tenant and the role are in the token
    await readUser();
  });
  if (userError.value === undefined) return <p aria-busy="true">Signing in…</p>;
  const email = signedIn.value?.session?.user.email;
  return (
    <>
      {email && (
        <p>
          You are signed in as <UserText>{email}</UserText>.
        </p>
      )}
      <Problem error={userError.value} />
      <div class="actions">
        <button type="button" class="primary" disabled={again.busy} onClick={() => void again.run()}>
          Try again
        </button>
        <button type="button" onClick={signOut}>
          Sign out
        </button>
      </div>
      <Problem error={again.error} />
    </>
  );
}

/** Warns a user whose sign-in cannot be renewed, ten minutes before it ends. */
export function EndingBanner(): ComponentChildren {
  const at = endsAt.value;
  const signInAgain = () => {
    signingInAgain.value = true;
  };
  return (
    <div role="status">
      {at !== undefined && (
        <p class="banner">
          Your sign-in ends at <Time at={new Date(at).toISOString()} />. What you have typed is kept.{" "}
          <button type="button" onClick={signInAgain}>
            Sign in again
          </button>
        </p>
      )}
    </div>
  );
}
