// The users whose earlier tokens the gateway refuses.
import type { Schemas } from "@fieldgate/client";
import { useEffect, useState } from "preact/hooks";
import { Dialog, Field, FormButtons, ReasonField, valuesOf } from "./forms.js";
import { useListing } from "./reading.js";
import { withStepUp } from "./signin/stepup.js";
import { user } from "./signin/user.js";
import { announcement, gateway, listen } from "./state.js";
import { Actor, Loading, Problem, ShowMore, Time, UserText, useAction } from "./ui.js";

/** Lists the cut-offs. It reads them again when `due` changes, and after each new one. */
export function CutOffs({ due }: { due: string }) {
  const { items, error, run, showMore } = useListing((cursor) =>
    gateway.get("/api/v1/customer/cut-offs", { params: { query: { limit: 50, cursor } } }),
  );
  useEffect(() => void run(), [due]);
  useEffect(() => listen(({ type }) => type === "user.cut_off" && void run()), []);
  return (
    <section class="card" aria-labelledby="cut-offs">
      <h2 id="cut-offs">Cut-offs</h2>
      <p class="fine">Users whose tokens from before the cut-off are refused, while such tokens may still be valid.</p>
      <Problem error={error} />
      {!items && !error && <Loading what="cut-offs" />}
      {items?.length === 0 && <p class="empty">No user is cut off.</p>}
      <ul class="items">
        {items?.map((one) => (
          <li key={`${one.userId} ${one.sessionId}`}>
            <Entry of={one} />
          </li>
        ))}
      </ul>
      <ShowMore when={showMore !== undefined} label="Show more cut-offs" onMore={() => showMore?.()} />
      <CutOff />
    </section>
  );
}

function Entry({ of }: { of: Schemas["CutOff"] }) {
  return (
    <div>
      <strong>
        <UserText>{of.userId}</UserText>
      </strong>
      {of.sessionId && (
        <>
          , only the sign-in <UserText>{of.sessionId}</UserText>
        </>
      )}
      <p class="fine">
        <Time at={of.cutOffAt} /> by <Actor id={of.cutOffBy} details={of.cutOffByActor} />
        {of.reason && (
          <>
            : <UserText>{of.reason}</UserText>
          </>
        )}
      </p>
    </div>
  );
}

/** A button that asks which user to cut off. `about` is the id of the element that names the user. */
export function CutOff({ userId, about }: { userId?: string; about?: string }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button type="button" aria-describedby={about} onClick={() => setOpen(true)}>
        {userId ? "Cut off…" : "Cut a user off…"}
      </button>
      {isOpen && <CutOffDialog userId={userId ?? ""} onClose={() => setOpen(false)} />}
    </>
  );
}

function CutOffDialog({ userId, onClose }: { userId: string; onClose: () => void }) {
  const [id, setId] = useState(userId);
  const { busy, error, run } = useAction(async ({ reason = "", sessionId }: Record<string, string>) => {
    const params = { path: { userId: id } };
    await withStepUp(() =>
      gateway.post("/api/v1/customer/users/{userId}/cut-off", { params, body: { reason, sessionId } }),
    );
    announcement.value = "User cut off.";
    onClose();
  });
  return (
    <Dialog title="Cut a user off?" onClose={onClose}>
      <p>
        All tokens that the user has now are refused, and the user's pages and programs are disconnected. The user can
        sign in again after a minute, unless you have ended the access at the token issuer first.
      </p>
      <form onSubmit={(event) => void run(valuesOf(event))}>
        <Field label="User id" hint="The subject of the tokens, such as the id of the user in Supabase.">
          {(ids) => (
            <input
              {...ids}
              value={id}
              required
              maxLength={128}
              pattern="[A-Za-z0-9._:@\|\-]+"
              autofocus={userId === ""}
              autocomplete="off"
              onInput={({ currentTarget }) => setId(currentTarget.value)}
            />
          )}
        </Field>
        {id === user.value?.id && <p class="caution">This is you: you will be signed out.</p>}
        <Field label="Sign-in id (optional)" hint="The claim session_id of the tokens, to end only that sign-in.">
          {(ids) => <input {...ids} name="sessionId" maxLength={128} autocomplete="off" />}
        </Field>
        <ReasonField label="Reason" required autofocus={userId !== ""} />
        <Problem error={error} />
        <FormButtons verb="Cut off" harmful busy={busy} onBack={onClose} />
      </form>
    </Dialog>
  );
}
