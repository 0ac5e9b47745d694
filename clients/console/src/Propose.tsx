import type { Session } from "@fieldgate/client";
import { useState } from "preact/hooks";
import { Field, valuesOf } from "./forms.js";
import { ParameterFields } from "./ParameterFields.js";
import { PolicyHint } from "./PolicyHint.js";
import {
  describedType,
  fromTemplate,
  jsonOf,
  lastUsed,
  type Proposal,
  proposalOf,
  rememberUsed,
  templateOf,
  withType,
} from "./proposal.js";
import { SavedItems } from "./SavedItems.js";
import { commandTypes, parametersIn } from "./schema.js";
import { withoutSecrets } from "./secrets.js";
import { announcement, gateway, refresh } from "./state.js";
import { Problem, useAction } from "./ui.js";
import { parseObject } from "./verbatim.js";

/** The form that proposes a command in a session. */
export function Propose({ session }: { session: Session }) {
  const [open] = useState(session.commands?.length === 0); // closed if the session has commands, so that they come first
  const [proposal, setProposal] = useState<Proposal>({ type: "", json: "{}" });
  const { busy, error, run } = useAction(async (values: Record<string, string>) => {
    const command = await gateway.post("/api/v1/customer/sessions/{sessionId}/commands", {
      params: { path: { sessionId: session.id } },
      body: {
        type: proposal.type,
        parameters: parseObject(jsonOf(proposal)),
        reason: values.reason,
        priority: Number(values.priority ?? 5),
      },
    });
    rememberUsed(proposal);
    announcement.value =
      command.status === "pending_approval"
        ? "Command proposed. It waits for a decision."
        : "Command proposed. The device can claim it now.";
    refresh("viewedSession", "inbox");
  });
  return (
    <details class="card propose" open={open}>
      <summary>Propose a command</summary>
      <Templates of={proposal} onUse={setProposal} />
      <form onSubmit={(event) => void run(valuesOf(event))}>
        <TypeField type={proposal.type} onInput={(type) => setProposal(withType(proposal, type))} />
        <Parameters of={proposal} onInput={setProposal} />
        <div class="pair">
          <Field label="Reason (optional)">{(ids) => <input {...ids} name="reason" maxLength={500} />}</Field>
          <Field label="Priority">
            {(ids) => <input {...ids} name="priority" type="number" min={0} max={9} defaultValue="5" />}
          </Field>
        </div>
        <PolicyHint deviceId={session.deviceId} type={proposal.type} parameters={jsonOf(proposal)} />
        <Problem error={error} />
        <div class="actions">
          <button type="submit" class="primary" disabled={busy}>
            {busy ? "Proposing…" : "Propose"}
          </button>
        </div>
      </form>
    </details>
  );
}

/** Offers what was used last and the templates of the user. */
function Templates({ of, onUse }: { of: Proposal; onUse: (proposal: Proposal) => void }) {
  const { secrets } = withoutSecrets(parametersIn(jsonOf(of)) ?? {});
  const use = (template: string) => {
    const found = fromTemplate(template);
    if (found) onUse(found);
  };
  return (
    <SavedItems
      kind="templates"
      what="template"
      label="Fill in…"
      more={lastUsed(of.type)}
      current={of.type === "" ? undefined : () => templateOf(of)}
      note={secrets.length > 0 ? `Without what looks like a secret: ${secrets.join(", ")}.` : undefined}
      onUse={use}
    />
  );
}

function TypeField({ type, onInput }: { type: string; onInput: (type: string) => void }) {
  const about = describedType(type)?.description;
  return (
    <>
      <Field label="Type" {...(about && { hint: about })}>
        {(ids) => (
          <input
            {...ids}
            name="type"
            list="types"
            required
            maxLength={128}
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            value={type}
            onInput={(event) => onInput(event.currentTarget.value)}
          />
        )}
      </Field>
      <datalist id="types">
        {Object.keys(commandTypes).map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </>
  );
}

/** The parameters, in fields if the page knows the type and the fields can hold them, or in JSON. */
function Parameters({ of, onInput }: { of: Proposal; onInput: (proposal: Proposal) => void }) {
  const described = describedType(of.type);
  const asFields = proposalOf(of.type, of.json);
  return (
    <>
      {described && of.values ? (
        <ParameterFields of={described} values={of.values} onInput={(values) => onInput({ ...of, values })} />
      ) : (
        <Field label="Parameters" hint="A JSON object.">
          {(ids) => (
            <textarea
              {...ids}
              rows={4}
              spellcheck={false}
              value={of.json}
              onInput={(event) => onInput({ ...of, json: event.currentTarget.value })}
            />
          )}
        </Field>
      )}
      {described && (
        <div class="actions">
          {of.values ? (
            <button type="button" class="small" onClick={() => onInput({ type: of.type, json: jsonOf(of) })}>
              Edit as JSON
            </button>
          ) : (
            <button type="button" class="small" disabled={!asFields.values} onClick={() => onInput(asFields)}>
              Edit in fields
            </button>
          )}
          {!of.values && !asFields.values && (
            <p class="fine">The fields cannot hold these parameters. The device may refuse them.</p>
          )}
        </div>
      )}
    </>
  );
}
