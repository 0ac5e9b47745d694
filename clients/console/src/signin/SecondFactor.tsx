// The second factor: codes of an authenticator app (TOTP, RFC 6238).
import { useEffect, useState } from "preact/hooks";
import { Dialog, Field, valuesOf } from "../forms.js";
import { Problem, useAction } from "../ui.js";
import { CodeField } from "./CodeField.js";
import { dataOf } from "./project.js";
import { stepUp } from "./stepup.js";
import { auth, signOut, skipFactor } from "./tokens.js";

/** Asks for the code after the password, if the user has a second factor. */
export function SecondFactorStep() {
  return (
    <>
      <FactorForm onVerified={() => {}} />
      <div class="actions">
        <button type="button" onClick={skipFactor}>
          Continue without a code
        </button>
        <button type="button" onClick={signOut}>
          Sign out
        </button>
      </div>
      <p class="fine">Without a code, you may be asked for one when you approve a command.</p>
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

interface FactorChoice {
  id: string;
  name: string;
}

/** Verifies a code of a factor of the user. A user who has no factor adds one first. */
function FactorForm({ onVerified }: { onVerified: () => void }) {
  const [factors, setFactors] = useState<FactorChoice[]>();
  const { error, run } = useAction(async () => setFactors(await verifiedFactors()));
  useEffect(() => void run(), []);
  if (!factors) return error ? <Problem error={error} /> : <p aria-busy="true">Loading…</p>;
  if (factors.length === 0) return <Enrolment onVerified={onVerified} />;
  return <CodeForm factors={factors} onVerified={onVerified} />;
}

/** Returns the verified factors of the user. */
export async function verifiedFactors(): Promise<FactorChoice[]> {
  const { totp } = dataOf(await auth().mfa.listFactors());
  return totp.map(({ id, friendly_name }) => ({ id, name: friendly_name ?? "Authenticator app" }));
}

function CodeForm({ factors, onVerified }: { factors: FactorChoice[]; onVerified: () => void }) {
  const { busy, error, run } = useAction(async (factorId: string, code: string) => {
    dataOf(await auth().mfa.challengeAndVerify({ factorId, code }));
    onVerified();
  });
  const submit = (event: SubmitEvent) => {
    const { factor = factors[0]?.id ?? "", code = "" } = valuesOf(event);
    void run(factor, code.replaceAll(" ", ""));
  };
  return (
    <form onSubmit={submit}>
      {factors.length > 1 && (
        <Field label="Authenticator">
          {(ids) => (
            <select {...ids} name="factor">
              {factors.map(({ id, name }) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Field>
      )}
      <CodeField
        label="Code"
        hint="The six digits that your authenticator app shows now."
        pattern="[0-9]{3} ?[0-9]{3}"
      />
      <button type="submit" class="primary" disabled={busy}>
        Verify
      </button>
      <Problem error={error} />
    </form>
  );
}

interface NewFactor extends FactorChoice {
  qrCode: string;
  secret: string;
}

/** Adds an authenticator app: shows its secret, and verifies the first code. */
export function Enrolment({ onVerified }: { onVerified: () => void }) {
  const [factor, setFactor] = useState<NewFactor>();
  const { busy, error, run } = useAction(async () => setFactor(await enrol()));
  if (factor)
    return (
      <>
        <p>Scan this code with an authenticator app, or enter the secret there. Then enter the code of the app.</p>
        <img class="qr" src={factor.qrCode} alt="QR code of the secret" width="200" height="200" />
        <p class="fine">
          Secret <code class="digest">{factor.secret}</code>
        </p>
        <CodeForm factors={[factor]} onVerified={onVerified} />
      </>
    );
  return (
    <>
      <p>You have no second factor yet. You need an authenticator app, on a telephone for example.</p>
      <button type="button" class="primary" disabled={busy} onClick={() => void run()}>
        Add an authenticator app
      </button>
      <Problem error={error} />
    </>
  );
}

/** Creates a factor. It removes those that were created before and never verified. */
async function enrol(): Promise<NewFactor> {
  const { all } = dataOf(await auth().mfa.listFactors());
  for (const { id, status } of all) if (status === "unverified") await auth().mfa.unenroll({ factorId: id });
  const friendlyName = `Authenticator app, ${new Date().toISOString().slice(0, 16).replace("T", " ")}`;
  const { id, totp } = dataOf(await auth().mfa.enroll({ factorType: "totp", issuer: location.host, friendlyName }));
  return { id, name: friendlyName, qrCode: encodeImage(totp.qr_code), secret: totp.secret };
}

/** Encodes the image in a data URL, because characters such as # end an unencoded one. */
function encodeImage(dataUrl: string): string {
  return `data:image/svg+xml,${encodeURIComponent(dataUrl.slice(dataUrl.indexOf(",") + 1))}`;
}
