// What users manage themselves: the password, the second factor and passkeys.
import { useEffect, useState } from "preact/hooks";
import { ConfirmedButton, Field } from "../forms.js";
import { NoticeSettings } from "../NoticeSettings.js";
import { ApprovalPasskeys } from "../Passkeys.js";
import { chooseTheme, type Theme, theme, themes } from "../theme.js";
import { Problem, UserText, useAction } from "../ui.js";
import { verifiedFactors } from "./factors.js";
import { PasswordForm } from "./PasswordForm.js";
import { dataOf, readSettings, supportsKeys } from "./project.js";
import { Enrolment } from "./SecondFactor.js";
import { auth, signedIn, supabaseProject } from "./tokens.js";

export function AccountPage() {
  // Decided once, so that the page keeps what was typed when the sign-in ends.
  const [isOfProject] = useState(signedIn.value?.session !== undefined);
  return (
    <>
      <h1>Account</h1>
      <Appearance />
      <NoticeSettings />
      {isOfProject ? (
        <>
          <Password />
          <Factors />
          <Passkeys />
        </>
      ) : (
        <p>You have signed in with a token. Manage your account where the token comes from.</p>
      )}
      <ApprovalPasskeys />
    </>
  );
}

function Appearance() {
  return (
    <section class="card" aria-labelledby="appearance">
      <h2 id="appearance">Appearance</h2>
      <Field label="Theme">
        {(ids) => (
          <select {...ids} value={theme.value} onChange={(event) => chooseTheme(event.currentTarget.value as Theme)}>
            {Object.entries(themes).map(([value, name]) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        )}
      </Field>
    </section>
  );
}

function Password() {
  const [state, setState] = useState<"closed" | "open" | "done">("closed");
  return (
    <section class="card" aria-labelledby="password">
      <h2 id="password">Password</h2>
      {state === "open" ? (
        <PasswordForm onDone={() => setState("done")} />
      ) : (
        <button type="button" onClick={() => setState("open")}>
          Set a password
        </button>
      )}
    </section>
  );
}

type Item = { id: string; name: string };

/** Returns a list of the account, and a function that reads it again. */
function useItems(read: () => Promise<Item[]>) {
  const [items, setItems] = useState<Item[]>();
  const { error, run } = useAction(async () => setItems(await read()));
  useEffect(() => void run(), []);
  return { items, error, reload: () => void run() };
}

function Factors() {
  const { items, error, reload } = useItems(verifiedFactors);
  const [isAdding, setAdding] = useState(false);
  const remove = async (factorId: string) => {
    dataOf(await auth().mfa.unenroll({ factorId }));
    reload();
  };
  const onVerified = () => {
    setAdding(false);
    reload();
  };
  return (
    <section class="card" aria-labelledby="factors">
      <h2 id="factors">Second factor</h2>
      <Items items={items} what="second factor" remove={remove} />
      {items && items.length > 0 && !isAdding ? (
        <button type="button" onClick={() => setAdding(true)}>
          Add another one
        </button>
      ) : (
        items && <Enrolment isFirst={items.length === 0} onVerified={onVerified} />
      )}
      <Problem error={error} />
    </section>
  );
}

/** Lists the passkeys, if the project has them. */
function Passkeys() {
  const [hasPasskeys, setHasPasskeys] = useState(false);
  useEffect(() => {
    const project = supabaseProject();
    if (project) void readSettings(project).then(({ passkeys }) => setHasPasskeys(passkeys && supportsKeys));
  }, []);
  return hasPasskeys ? <PasskeyList /> : null;
}

function PasskeyList() {
  const { items, error, reload } = useItems(readPasskeys);
  const add = useAction(async () => {
    dataOf(await auth().registerPasskey());
    reload();
  });
  const remove = async (passkeyId: string) => {
    const result = await auth().passkey.delete({ passkeyId });
    if (result.error) throw result.error;
    reload();
  };
  return (
    <section class="card" aria-labelledby="passkeys">
      <h2 id="passkeys">Passkeys</h2>
      <Items items={items} what="passkey" remove={remove} />
      <button type="button" disabled={add.busy} onClick={() => void add.run()}>
        Add a passkey
      </button>
      <Problem error={add.error ?? error} />
    </section>
  );
}

async function readPasskeys(): Promise<Item[]> {
  return dataOf(await auth().passkey.list()).map(({ id, friendly_name }) => ({ id, name: friendly_name ?? "Passkey" }));
}

function Items(props: { items?: Item[]; what: string; remove: (id: string) => Promise<void> }) {
  if (!props.items?.length) return null;
  return (
    <ul class="items">
      {props.items.map(({ id, name }) => (
        <li key={id}>
          <span id={id}>
            <UserText>{name}</UserText>
          </span>
          <ConfirmedButton
            title={`Remove this ${props.what}?`}
            effect={`${name} will no longer sign you in.`}
            verb="Remove"
            about={id}
            action={() => props.remove(id)}
            noReason
          />
        </li>
      ))}
    </ul>
  );
}
