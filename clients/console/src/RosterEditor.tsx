// Prepares the next version of the roster: its document, the signatures of approvers, and the publication.
import type { Schemas } from "@fieldgate/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { CopyButton, Field, valuesOf } from "./forms.js";
import type { Approver, Draft, Roster } from "./roster.js";
import * as rosters from "./roster.js";
import { withStepUp } from "./signin/stepup.js";
import { hasRole } from "./signin/user.js";
import { relyingParty, signWith } from "./signing.js";
import { announcement, gateway } from "./state.js";
import { digestOf } from "./statement.js";
import { Problem, RoleHint, UserText, useAction } from "./ui.js";

interface EditorProps {
  /** The version that applies, or `undefined` before the first. */
  current: Roster | undefined;
  tenant: string;
  /** The user, with all registered passkeys. */
  own: Approver;
  onPublished: (chain: Schemas["RosterChain"]) => void;
}

/** Edits the next version. A change of its text removes the signatures, because they are of other bytes. */
export function RosterEditor(props: EditorProps) {
  const first = rosters.sortedText(firstDocument(props));
  const [draft, setDraft] = useState<Draft>({ text: first, signatures: [] });
  const begun = useRef(first);
  const startOver = () => {
    begun.current = first;
    setDraft({ text: first, signatures: [] });
  };
  // What an approver has typed stays when another version is published, unless it is that version.
  useEffect(() => {
    if (draft.text === begun.current || isPublished(draft, props.current)) startOver();
  }, [first]);
  const { next, problem } = readNext(draft.text, props);
  return (
    <section class="card" aria-labelledby="next">
      <h2 id="next">Next version</h2>
      <Field label="Document" hint="Approvers sign it as it is here. If you change it, they must sign it again.">
        {(ids) => (
          <div class="numbered">
            <textarea
              {...ids}
              rows={draft.text.split("\n").length}
              wrap="off"
              spellcheck={false}
              value={draft.text}
              onInput={(event) => setDraft({ text: event.currentTarget.value, signatures: [] })}
            />
          </div>
        )}
      </Field>
      <Paste draft={draft} onDraft={setDraft} />
      {problem && <p class="caution">{problem}</p>}
      {problem && draft.text !== first && (
        <div class="actions">
          <button type="button" onClick={startOver}>
            Start over
          </button>
        </div>
      )}
      {next && <Changes next={next} current={props.current} />}
      {next && <Signatures {...props} next={next} draft={draft} onDraft={setDraft} />}
    </section>
  );
}

/** Reports whether a draft has become the version that applies. */
function isPublished({ text }: Draft, current: Roster | undefined): boolean {
  try {
    return current !== undefined && rosters.sortedText(rosters.parseRoster(text)) === rosters.sortedText(current);
  } catch {
    return false; // the text is no roster
  }
}

/** Returns the document with which the editor begins. */
function firstDocument({ current, tenant, own }: EditorProps): Roster {
  if (current) return { ...current, version: current.version + 1 };
  return {
    approvers: own.keys.length > 0 ? [own] : [],
    origins: [location.origin],
    relyingParty: relyingParty.value ?? "",
    tenant,
    threshold: 1,
    type: "fieldgate-roster",
    version: 1,
  };
}

/** Returns the next version in a text, or what keeps the text from being one. */
function readNext(text: string, { current, tenant }: EditorProps): { next?: Roster; problem?: string } {
  try {
    const next = rosters.parseRoster(text);
    rosters.requireNext(next, current, tenant);
    return { next };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

/** Takes over what another approver has copied. */
function Paste({ draft, onDraft }: { draft: Draft; onDraft: (draft: Draft) => void }) {
  const { error, run } = useAction(async (form: HTMLFormElement, text: string) => {
    const pasted = rosters.parsePasted(text);
    onDraft("draft" in pasted ? rosters.merged(draft, pasted.draft) : draftWith(draft, pasted.approver));
    form.reset();
    announcement.value = "The next version has changed. Check what it changes before you sign it.";
  });
  return (
    <form onSubmit={(event) => void run(event.currentTarget, valuesOf(event).pasted ?? "")}>
      <Field label="From another approver" hint="The entry of an approver, or a version with signatures.">
        {(ids) => <textarea {...ids} name="pasted" rows={2} required spellcheck={false} />}
      </Field>
      <Problem error={error} />
      <div class="actions">
        <button type="submit">Take over</button>
      </div>
    </form>
  );
}

/** Returns a draft with another approver, and without signatures. */
function draftWith({ text }: Draft, approver: Approver): Draft {
  return { text: rosters.sortedText(rosters.withApprover(rosters.parseRoster(text), approver)), signatures: [] };
}

/** Warns the user of what a signature or the publication brings. */
function Changes({ next, current }: { next: Roster; current: Roster | undefined }) {
  const changes = rosters.changesOf(next, current);
  return (
    <section aria-labelledby="changes">
      <h3 id="changes">
        {current ? `What changes against version ${current.version}` : "What the first version says"}
      </h3>
      {changes.length === 0 ? (
        <p class="fine">Nothing yet.</p>
      ) : (
        <ul class="caution">
          {changes.map((change) => (
            <li key={change}>
              <UserText>{change}</UserText>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

interface SignaturesProps extends EditorProps {
  next: Roster;
  draft: Draft;
  onDraft: (draft: Draft) => void;
}

/** The signatures of the next version so far, the button that adds one, and the publication. */
function Signatures({ current, next, own, draft, onDraft, onPublished }: SignaturesProps) {
  const by = current ?? next; // who signs: a first version is signed by its own approvers
  const signers = new Set(draft.signatures.map(({ id }) => rosters.signerOf(by, id) ?? "a passkey of nobody in it"));
  const ids = by.approvers.find(({ user }) => user === own.user)?.keys.map(({ kid }) => kid) ?? [];
  const sign = useAction(async () => {
    const text = draft.signatures.length > 0 ? draft.text : rosters.sortedText(next);
    const digest = await digestOf(new TextEncoder().encode(text));
    if (!digest) throw new Error("This browser computes no digests.");
    const signature = await signWith(ids, digest);
    onDraft(rosters.merged({ text, signatures: draft.signatures }, { text, signatures: [signature] }));
    announcement.value = "You have signed the next version.";
  });
  const publish = useAction(async () => {
    const body = { document: rosters.documentOf(draft.text), signatures: draft.signatures };
    const chain = await withStepUp(() => gateway.put("/api/v1/customer/roster", { body }));
    announcement.value = `Version ${next.version} of the roster was published.`;
    onPublished(chain);
  });
  return (
    <>
      <p>
        {signers.size} of the {by.threshold} approvers who must sign it have signed
        {signers.size > 0 && (
          <>
            : <UserText>{[...signers].join(", ")}</UserText>
          </>
        )}
      </p>
      {ids.length === 0 && <p class="fine">You cannot sign it, because you are no approver of version {by.version}.</p>}
      <Problem error={sign.error ?? publish.error} />
      <div class="actions">
        <button type="button" disabled={sign.busy || ids.length === 0} onClick={() => void sign.run()}>
          Sign with my passkey
        </button>
        {draft.signatures.length > 0 && <CopyButton text={exchangeText(draft)} label="Copy with the signatures" />}
        {hasRole("admin") && (
          <button
            type="button"
            class="primary"
            disabled={publish.busy || signers.size < by.threshold}
            onClick={() => void publish.run()}
          >
            Publish version {next.version}
          </button>
        )}
      </div>
      <RoleHint least="admin" to="publish it" />
    </>
  );
}

/** Returns a draft as text for another approver. */
function exchangeText({ text, signatures }: Draft): string {
  return JSON.stringify({ document: rosters.documentOf(text), signatures });
}
