import type { Schemas, Session } from "@fieldgate/client";
import { useState } from "preact/hooks";
import { Field, valuesOf } from "./forms.js";
import { announcement, gateway, refresh } from "./state.js";
import { Problem, useAction } from "./ui.js";
import { parseExact } from "./verbatim.js";

/** The command types of fieldgate-agent with example parameters. A device may support others. */
const examples: Record<string, object> = {
  "diagnostic.system": {},
  "diagnostic.disk": {},
  "diagnostic.interfaces": {},
  "diagnostic.ping": { host: "example.com" },
  "diagnostic.dns": { host: "example.com" },
  "diagnostic.http": { url: "https://example.com" },
  "diagnostic.log": { unit: "ssh", lines: 50 },
  "remediation.run_script": { name: "restart.sh", args: [] },
};

/** The form that proposes a command in a session. */
export function Propose({ session }: { session: Session }) {
  const [open] = useState(session.commands?.length === 0); // closed if the session has commands, so that they come first
  const [parameters, setParameters] = useState("{}");
  const { busy, error, run } = useAction(async (values: Record<string, string>) => {
    const command = await gateway.post("/api/v1/customer/sessions/{sessionId}/commands", {
      params: { path: { sessionId: session.id } },
      body: {
        type: values.type ?? "",
        parameters: parseObject(parameters),
        reason: values.reason,
        priority: Number(values.priority ?? 5),
      },
    });
    announcement.value =
      command.status === "pending_approval" ? "Command proposed. It waits for a decision." : "Command proposed.";
    refresh("viewedSession", "inbox");
  });
  const onTypeInput = (event: Event) => {
    const example = examples[(event.currentTarget as HTMLInputElement).value];
    if (example) setParameters(JSON.stringify(example, null, 2));
  };
  return (
    <details class="card propose" open={open}>
      <summary>Propose a command</summary>
      <form onSubmit={(event) => void run(valuesOf(event))}>
        <Field label="Type">
          {(ids) => (
            <input
              {...ids}
              name="type"
              list="types"
              required
              maxLength={128}
              autocomplete="off"
              onInput={onTypeInput}
            />
          )}
        </Field>
        <datalist id="types">
          {Object.keys(examples).map((type) => (
            <option key={type} value={type} />
          ))}
        </datalist>
        <Field label="Parameters" hint="A JSON object.">
          {(ids) => (
            <textarea
              {...ids}
              rows={4}
              spellcheck={false}
              value={parameters}
              onInput={(event) => setParameters(event.currentTarget.value)}
            />
          )}
        </Field>
        <div class="pair">
          <Field label="Reason (optional)">{(ids) => <input {...ids} name="reason" maxLength={500} />}</Field>
          <Field label="Priority">
            {(ids) => <input {...ids} name="priority" type="number" min={0} max={9} defaultValue="5" />}
          </Field>
        </div>
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

/**
 * Parses a JSON object. If the text is anything else, it throws an error with a message for the
 * user.
 */
function parseObject(text: string): Schemas["CommandParameters"] {
  let value: unknown;
  try {
    value = parseExact(text.trim() === "" ? "{}" : text);
  } catch {
    throw new Error("The parameters are not valid JSON.");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error("The parameters must be a JSON object, such as {}.");
  return value as Schemas["CommandParameters"];
}
