// The second factor: codes of an authenticator app (TOTP, RFC 6238), codes by text message, and security keys
// (WebAuthn).
import { useEffect, useState } from "preact/hooks";
import { Dialog, Field, valuesOf } from "../forms.js";
import { Problem, useAction } from "../ui.js";
import { CodeField } from "./CodeField.js";
import {
  addKey,
  createApp,
  type Factor,
  type NewApp,
  sendCode,
  verifiedFactors,
  verifyCode,
  verifyKey,
  verifySentCode,
} from "./factors.js";
import { supportsKeys } from "./project.js";
import { stepUp } from "./stepup.js";
import { signOut, skipFactor } from "./tokens.js";

/** Asks for the second factor after the first one, if the user has one. */
export function SecondFactorStep() {
  return (
    <>
      <FactorForm onVerified={() => {}} />
      <div class="actions">
        <button type="button" onClick={skipFactor}>
          Continue without the second factor
        </button>
        <button type="button" onClick={signOut}>
          Sign out
        </button>
      </div>
      <p class="fine">Without it, you may be asked for it when you approve a command.</p>
    </>
  );
}

/** Asks for the second factor that an approval requires. */
export function StepUpDialog() {
  const pending = stepUp.value;
  if (!pending) return null;
  return (
    <Dialog title="Second factor" onClose={pending.cancelled}>
      <p>Approving a command requires a sign-in with a second factor.</p>
      <FactorForm onVerified={pending.verified} />
      <div class="actions">
        <button type="button" onClick={pending.cancelled}>
          Back
        </button>
      </div>
    </Dialog>
  );
}

/** Verifies a factor of the user. A user who has no factor adds one first. */
function FactorForm({ onVerified }: { onVerified: () => void }) {
  const [factors, setFactors] = useState<Factor[]>();
  const { error, run } = useAction(async () => setFactors(await verifiedFactors()));
  useEffect(() => void run(), []);
  if (!factors) return error ? <Problem error={error} /> : <p aria-busy="true">Loading…</p>;
  if (factors.length === 0) return <Enrolment isFirst onVerified={onVerified} />;
  return <Verification factors={factors} onVerified={onVerified} />;
}

/** Verifies the factor that the user selects. */
function Verification({ factors, onVerified }: { factors: Factor[]; onVerified: () => void }) {
  const [selected, select] = useState(factors[0]?.id);
  const factor = factors.find(({ id }) => id === selected);
  const Form = factor && forms[factor.kind];
  return (
    <>
      {factors.length > 1 && (
        <Field label="Second factor">
          {(ids) => (
            <select {...ids} value={selected} onChange={(event) => select(event.currentTarget.value)}>
              {factors.map(({ id, name }) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Field>
      )}
      {Form && <Form key={selected} factor={factor} onVerified={onVerified} />}
    </>
  );
}

interface FormProps {
  factor: { id: string };
  onVerified: () => void;
}

const forms = { totp: AppForm, phone: TelephoneForm, webauthn: KeyForm };

/** Takes the code that an authenticator app shows. */
function AppForm({ factor, onVerified }: FormProps) {
  const verify = async (code: string) => {
    await verifyCode(factor.id, code);
    onVerified();
  };
  return <CodeForm hint="The six digits that your authenticator app shows now." verify={verify} />;
}

/** Sends a code to the telephone of the user, and takes it. */
function TelephoneForm({ factor, onVerified }: FormProps) {
  const [challenge, setChallenge] = useState("");
  const { busy, error, run } = useAction(async () => setChallenge(await sendCode(factor.id)));
  const verify = async (code: string) => {
    await verifySentCode(factor.id, challenge, code);
    onVerified();
  };
  return (
    <>
      {challenge && <CodeForm hint="The code that was sent to your telephone." verify={verify} />}
      <button type="button" class={challenge ? "" : "primary"} disabled={busy} onClick={() => void run()}>
        {challenge ? "Send another code" : "Send a code to my telephone"}
      </button>
      <Problem error={error} />
    </>
  );
}

function CodeForm({ hint, verify }: { hint: string; verify: (code: string) => Promise<void> }) {
  const { busy, error, run } = useAction(verify);
  const submit = (event: SubmitEvent) => void run((valuesOf(event).code ?? "").replaceAll(" ", ""));
  return (
    <form onSubmit={submit}>
      <CodeField label="Code" hint={hint} pattern="([0-9] ?){6,10}" />
      <button type="submit" class="primary" disabled={busy}>
        Verify
      </button>
      <Problem error={error} />
    </form>
  );
}

/** Asks the browser for a security key of the user. */
function KeyForm({ factor, onVerified }: FormProps) {
  const { busy, error, run } = useAction(async () => {
    await verifyKey(factor.id);
    onVerified();
  });
  if (!supportsKeys) return <p>This browser cannot use security keys.</p>;
  return (
    <>
      <button type="button" class="primary" disabled={busy} onClick={() => void run()}>
        Use my security key
      </button>
      <Problem error={error} />
    </>
  );
}

/** Adds an authenticator app or a security key. */
export function Enrolment({ isFirst, onVerified }: { isFirst: boolean; onVerified: () => void }) {
  const [app, setApp] = useState<NewApp>();
  const create = useAction(async () => setApp(await createApp()));
  const key = useAction(async () => {
    await addKey();
    onVerified();
  });
  if (app) return <NewAppForm app={app} onVerified={onVerified} />;
  return (
    <>
      {isFirst && <p>You have no second factor yet. Add an authenticator app, on a telephone for example.</p>}
      <button type="button" class="primary" disabled={create.busy} onClick={() => void create.run()}>
        Add an authenticator app
      </button>{" "}
      {supportsKeys && (
        <button type="button" disabled={key.busy} onClick={() => void key.run()}>
          Add a security key
        </button>
      )}
      <Problem error={create.error ?? key.error} />
    </>
  );
}

/** Shows the secret of a new authenticator app, and verifies the first code. */
function NewAppForm({ app, onVerified }: { app: NewApp; onVerified: () => void }) {
  return (
    <>
      <p>Scan this code with an authenticator app, or enter the secret there. Then enter the code of the app.</p>
      <img class="qr" src={app.qrCode} alt="QR code of the secret" width="200" height="200" />
      <p class="fine">
        Secret <code class="digest">{app.secret}</code>
      </p>
      <AppForm factor={app} onVerified={onVerified} />
    </>
  );
}
