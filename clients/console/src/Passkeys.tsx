import { useEffect, useState } from "preact/hooks";
import { ConfirmedButton, Field, valuesOf } from "./forms.js";
import { hasRole } from "./signin/user.js";
import { createPasskey, type Passkey, readPasskeys, relyingParty } from "./signing.js";
import { announcement, gateway } from "./state.js";
import { Problem, Time, UserText, useAction } from "./ui.js";

/** Lists the passkeys with which the user signs approvals. It shows nothing to users who approve nothing. */
export function ApprovalPasskeys() {
  return relyingParty.value && hasRole("approver") ? <Section /> : null;
}

function Section() {
  const [keys, setKeys] = useState<Passkey[]>();
  const reading = useAction(async () => setKeys(await readPasskeys()));
  useEffect(() => void reading.run(), []);
  const remove = async (passkeyId: string) => {
    await gateway.delete("/api/v1/customer/passkeys/{passkeyId}", { params: { path: { passkeyId } } });
    void reading.run();
  };
  return (
    <section class="card" aria-labelledby="approval-passkeys">
      <h2 id="approval-passkeys">Passkeys for approvals</h2>
      <p class="fine">A passkey signs what you approve, so that devices can check it without trusting this gateway.</p>
      {keys && keys.length > 0 && <PasskeyList keys={keys} remove={remove} />}
      <AddPasskey onAdded={() => void reading.run()} />
      <Problem error={reading.error} />
    </section>
  );
}

function PasskeyList({ keys, remove }: { keys: Passkey[]; remove: (id: string) => Promise<void> }) {
  return (
    <ul class="items">
      {keys.map((key) => (
        <li key={key.id}>
          <span id={`passkey-${key.id}`}>
            <UserText>{key.name}</UserText>
            <span class="fine">
              {" "}
              {key.lastUsedAt ? (
                <>
                  last used <Time at={key.lastUsedAt} />
                </>
              ) : (
                "not used yet"
              )}
            </span>
          </span>
          <ConfirmedButton
            title="Remove this passkey?"
            effect={`${key.name} will no longer sign approvals. Approvals that it has signed stay valid.`}
            verb="Remove"
            about={`passkey-${key.id}`}
            action={() => remove(key.id)}
            noReason
          />
        </li>
      ))}
    </ul>
  );
}

function AddPasskey({ onAdded }: { onAdded: () => void }) {
  const { busy, error, run } = useAction(async (form: HTMLFormElement, name: string) => {
    await createPasskey(name);
    form.reset();
    announcement.value = "Passkey added.";
    onAdded();
  });
  return (
    <form onSubmit={(event) => void run(event.currentTarget, valuesOf(event).name ?? "")}>
      <Field label="Name of the new passkey" hint="By which you recognize it, such as the name of your key.">
        {(ids) => <input {...ids} name="name" required maxLength={64} autocomplete="off" />}
      </Field>
      <Problem error={error} />
      <div class="actions">
        <button type="submit" disabled={busy}>
          Add a passkey for approvals
        </button>
      </div>
    </form>
  );
}

/** Lets the user sign an approval with a passkey, or says that the rule of the command needs one. */
export function PasskeyChoice({ needed }: { needed: boolean }) {
  if (needed) return <p class="fine">The rule of this command needs your passkey: the browser asks for it.</p>;
  if (!relyingParty.value) return null;
  return (
    <label class="choice">
      <input type="checkbox" name="sign" /> Sign with a passkey
    </label>
  );
}
