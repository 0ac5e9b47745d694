import { useEffect, useState } from "preact/hooks";
import { ConfirmedButton, Field, valuesOf } from "./forms.js";
import { useReading } from "./reading.js";
import { isKeyOf, parseRoster, type Roster, textOf } from "./roster.js";
import { hasRole, user } from "./signin/user.js";
import { createPasskey, NoPasskeyError, type Passkey, readPasskeys, relyingParty } from "./signing.js";
import { announcement, gateway, listen } from "./state.js";
import { Problem, Time, UserText, useAction } from "./ui.js";

/** Lists the passkeys with which the user signs approvals. It shows nothing to users who approve nothing. */
export function ApprovalPasskeys() {
  return relyingParty.value && hasRole("approver") ? <Section /> : null;
}

function Section() {
  const [keys, setKeys] = useState<Passkey[]>();
  const reading = useAction(async () => setKeys(await readPasskeys()));
  useEffect(() => void reading.run(), []);
  const roster = useRoster();
  const remove = async (passkeyId: string) => {
    await gateway.delete("/api/v1/customer/passkeys/{passkeyId}", { params: { path: { passkeyId } } });
    void reading.run();
  };
  return (
    <section class="card" aria-labelledby="approval-passkeys">
      <h2 id="approval-passkeys">Passkeys for approvals</h2>
      <p class="fine">A passkey signs what you approve, so that devices can check it without trusting this gateway.</p>
      {keys && keys.length > 0 && <PasskeyList keys={keys} roster={roster} remove={remove} />}
      <AddPasskey onAdded={() => void reading.run()} />
      <Problem error={reading.error} />
    </section>
  );
}

/** Returns the version of the roster that applies. It returns `undefined` if there is none, or until it was read. */
function useRoster(): Roster | undefined {
  const [roster, setRoster] = useState<Roster>();
  const { run } = useReading(async () => {
    const { versions } = await gateway.get("/api/v1/customer/roster");
    const newest = versions.at(-1);
    setRoster(newest && parseRoster(textOf(newest)));
  });
  useEffect(() => void run(), []);
  useEffect(() => listen((event) => event.type === "roster.changed" && void run()), []);
  return roster;
}

/** Marks a passkey that the roster does not have. */
function NotInRoster({ of, roster }: { of: Passkey; roster: Roster | undefined }) {
  if (!roster || isKeyOf(roster, user.value?.id ?? "", of.publicKey)) return null;
  return (
    <p class="caution">
      <strong>Not in the roster.</strong> Devices that require approvers do not count what it signs.{" "}
      <a href="#/roster">Open the roster</a>
    </p>
  );
}

interface ListProps {
  keys: Passkey[];
  roster: Roster | undefined;
  remove: (id: string) => Promise<void>;
}

function PasskeyList({ keys, roster, remove }: ListProps) {
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
          <NotInRoster of={key} roster={roster} />
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

/** Links to the page where passkeys are added, if an approval has failed because the user has none. */
export function AddPasskeyLink({ error, onLeave }: { error: unknown; onLeave: () => void }) {
  if (!(error instanceof NoPasskeyError)) return null;
  return (
    <p>
      {/* biome-ignore lint/a11y/useValidAnchor: the link leads to a page, and closes the dialog on the way */}
      <a href="#/account" onClick={onLeave}>
        Add a passkey
      </a>
    </p>
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
