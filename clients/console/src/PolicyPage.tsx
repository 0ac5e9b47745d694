// The policy of the tenant: its rules, what a proposal would meet, the change that waits, and the versions.
import type { RoomEvent, Schemas } from "@fieldgate/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { ConfirmedButton, Field, valuesOf } from "./forms.js";
import { useReading } from "./reading.js";
import { withStepUp } from "./signin/stepup.js";
import { hasRole, user } from "./signin/user.js";
import { announcement, devices, gateway, listen, rereads } from "./state.js";
import { Actor, Fact, Json, Loading, Problem, Time, UserText, useAction } from "./ui.js";

type Policy = Schemas["Policy"];
type Version = Schemas["PolicyVersion"];
type Rules = Policy["rules"];

/** The page of the policy. Only admins may read it. */
export function PolicyPage() {
  const { policy, setPolicy, error, read } = usePolicy();
  if (!hasRole("admin")) return <p class="empty">To see the policy, you need the role admin.</p>;
  return (
    <>
      <div class="head">
        <h1>Policy</h1>
        <button type="button" onClick={() => void read()}>
          Read again
        </button>
      </div>
      <Problem error={error} />
      {policy ? <Current policy={policy} onChange={setPolicy} /> : <Loading what="the policy" />}
    </>
  );
}

/** Reads the policy, and again after an event about a version that the page does not have. */
function usePolicy() {
  const [policy, setPolicy] = useState<Policy>();
  const { error, run: read } = useReading(async () => setPolicy(await gateway.get("/api/v1/customer/policy")));
  const shown = useRef<Policy>(undefined);
  shown.current = policy;
  useEffect(() => {
    if (hasRole("admin")) void read();
  }, [rereads.value]);
  useEffect(
    () =>
      listen((event) => {
        if (event.type !== "policy.changed" || !hasRole("admin")) return;
        const after = policyAfter(shown.current, event.data);
        if (after) setPolicy(after);
        else void read();
      }),
    [],
  );
  return { policy, setPolicy, error, read };
}

/** Returns the policy after an event. `undefined` means that it must be read. */
function policyAfter(policy: Policy | undefined, { version, state }: PolicyChange): Policy | undefined {
  if (!policy) return undefined;
  const waits = policy.pending?.version === version;
  if (state === "rejected") return waits ? { ...policy, pending: undefined } : policy;
  return (state === "waiting" ? waits : policy.version === version) ? policy : undefined;
}

type PolicyChange = Extract<RoomEvent, { type: "policy.changed" }>["data"];

function Current({ policy, onChange }: { policy: Policy; onChange: (changed: Policy) => void }) {
  const draft = useDraft(policy);
  const changedBy = policy.version !== "0" && policy.changedBy;
  return (
    <>
      <dl class="facts">
        <Fact name="Version">{policy.version === "0" ? "none: only the floor applies" : policy.version}</Fact>
        {changedBy && (
          <Fact name="Changed by">
            <Actor id={changedBy} details={undefined} />
            {policy.changedAt && (
              <>
                , <Time at={policy.changedAt} />
              </>
            )}
          </Fact>
        )}
        <Fact name="Floor of the installation">
          <code>{policy.floor.rules}</code>
        </Fact>
      </dl>
      {policy.pending && <Pending change={policy.pending} onDecided={onChange} />}
      <Editor draft={draft} onSaved={onChange} />
      <Evaluate />
      <Versions current={policy} onEdit={draft.edit} />
    </>
  );
}

/** The text of the editor, and the version that it changes. */
interface Draft {
  text: string;
  base: Policy;
  /** The version that has replaced the base meanwhile. A changed text keeps its base, so that no rule of another admin is lost. */
  newer: Policy | undefined;
  edit: (text: string) => void;
  /** Replaces the text by the rules of a version. */
  adopt: (version: Policy) => void;
}

function useDraft(policy: Policy): Draft {
  const [draft, setDraft] = useState({ text: textOf(policy.rules), base: policy });
  const adopt = (version: Policy) => setDraft({ text: textOf(version.rules), base: version });
  const isNewer = policy.version !== draft.base.version;
  const isChanged = draft.text !== textOf(draft.base.rules) && draft.text !== textOf(policy.rules);
  useEffect(() => {
    if (isNewer && !isChanged) adopt(policy);
  }, [policy.version]);
  const edit = (text: string) => setDraft((before) => ({ ...before, text }));
  return { ...draft, newer: isNewer && isChanged ? policy : undefined, edit, adopt };
}

/** Returns rules as text, the name and the effect of each first. */
function textOf(rules: Rules): string {
  const ordered = rules.map(({ name, effect, ...rest }) => ({ name, effect, ...rest }));
  return JSON.stringify({ rules: ordered }, null, 2);
}

/** Returns the rules that a text has. */
function rulesOf(text: string): Rules {
  const document: unknown = JSON.parse(text);
  const rules = typeof document === "object" && document !== null && "rules" in document ? document.rules : undefined;
  if (!Array.isArray(rules)) throw new Error('The policy must be a JSON object with a list of "rules".');
  return rules as Rules;
}

/** Edits the rules as JSON. The gateway checks them, and refuses those that replace a version that was not read. */
function Editor({ draft, onSaved }: { draft: Draft; onSaved: (saved: Policy) => void }) {
  const { text, base, newer } = draft;
  const { busy, error, run } = useAction(async () => {
    const body = { version: base.version, rules: rulesOf(text) };
    const saved = await withStepUp(() => gateway.put("/api/v1/customer/policy", { body }));
    announcement.value = saved.pending ? "The change waits for another admin." : "The policy was saved.";
    if (!saved.pending) draft.adopt(saved);
    onSaved(saved);
  });
  const lines = text.split("\n").length;
  const save = (event: Event) => {
    event.preventDefault();
    void run();
  };
  return (
    <form class="card" onSubmit={save}>
      <h2>Rules</h2>
      <Field
        label="Policy as JSON"
        hint="The first rule that matches a command applies. A change that may require less waits for another admin."
      >
        {(ids) => (
          <div class="numbered">
            <pre aria-hidden="true">{Array.from({ length: lines }, (_, i) => `${i + 1}\n`)}</pre>
            <textarea
              {...ids}
              rows={lines}
              wrap="off"
              spellcheck={false}
              value={text}
              onInput={(event) => draft.edit(event.currentTarget.value)}
            />
          </div>
        )}
      </Field>
      <Problem error={error} />
      <div role="status">
        {newer && (
          <p class="caution">
            Version {newer.version} has replaced version {base.version}, which you are changing. Your text cannot be
            saved on top of it. Copy what you need, and start over.
          </p>
        )}
      </div>
      <div class="actions">
        <button type="submit" class="primary" disabled={busy || text === textOf(base.rules)}>
          Save
        </button>
        {newer && (
          <button type="button" onClick={() => draft.adopt(newer)}>
            Start over from version {newer.version}
          </button>
        )}
      </div>
    </form>
  );
}

/** The change that waits for an admin other than its author. */
function Pending({ change, onDecided }: { change: Version; onDecided: (policy: Policy) => void }) {
  const isOwn = change.changedBy === user.value?.id;
  const decide = (approved: boolean) => async () => {
    const body = { version: change.version, approved };
    const decided = await withStepUp(() => gateway.post("/api/v1/customer/policy/decide", { body }));
    announcement.value = approved ? "The change applies." : "The change was rejected.";
    onDecided(decided);
  };
  return (
    <section class="card">
      <h2>A change waits</h2>
      <p>
        <Actor id={change.changedBy ?? ""} details={undefined} /> has changed the policy. These rules may require less
        than before:
      </p>
      <ul>
        {change.loosens?.map((rule) => (
          <li key={rule}>
            <UserText>{rule}</UserText>
          </li>
        ))}
      </ul>
      <Json label="Rules that wait" value={{ rules: change.rules }} />
      {isOwn && <p class="fine">You have made this change: another admin must approve it. You may reject it.</p>}
      <div class="actions">
        {!isOwn && (
          <ConfirmedButton
            verb="Approve the change"
            title="Approve this change of the policy?"
            effect="It applies at once, also to commands that wait."
            action={decide(true)}
            noReason
          />
        )}
        <ConfirmedButton
          verb="Reject the change"
          title="Reject this change of the policy?"
          effect="The policy stays as it is."
          action={decide(false)}
          noReason
          harmless
        />
      </div>
    </section>
  );
}

/** Asks what a proposal would meet by the policy that applies. */
function Evaluate() {
  const [found, setFound] = useState<Schemas["PolicyEvaluation"]>();
  const { busy, error, run } = useAction(async (values: Record<string, string>) => {
    setFound(undefined);
    setFound(
      await gateway.post("/api/v1/customer/policy/evaluate", {
        body: {
          deviceId: values.device ?? "",
          type: values.type ?? "",
          parameters: JSON.parse(values.parameters ?? "{}"),
          proposer: { kind: values.kind === "program" ? "program" : "person" },
        },
      }),
    );
  });
  return (
    <form class="card" onSubmit={(event) => void run(valuesOf(event))}>
      <h2>Try a proposal</h2>
      <p class="fine">Nothing is proposed. The policy that applies decides, not the text above.</p>
      <Field label="Device">
        {(ids) => (
          <select {...ids} name="device" required>
            {devices.value?.map((device) => (
              <option key={device.id} value={device.id}>
                {device.name}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label="Type">{(ids) => <input {...ids} name="type" required maxLength={128} autocomplete="off" />}</Field>
      <Field label="Parameters" hint="A JSON object.">
        {(ids) => <textarea {...ids} name="parameters" rows={2} spellcheck={false} />}
      </Field>
      <Field label="Proposer">
        {(ids) => (
          <select {...ids} name="kind">
            <option value="person">A person</option>
            <option value="program">A program</option>
          </select>
        )}
      </Field>
      <Problem error={error} />
      <div class="actions">
        <button type="submit" disabled={busy}>
          Evaluate
        </button>
      </div>
      {found && (
        <div role="status">
          <p>
            <strong>{outcomeOf(found)}</strong>
            {found.rule && (
              <>
                {" "}
                by the rule <UserText>{found.rule}</UserText>
              </>
            )}
          </p>
          <p class="fine">
            <UserText>{found.why}</UserText>
          </p>
        </div>
      )}
    </form>
  );
}

/** Returns an outcome in words. */
function outcomeOf({ effect, approvals = 1, assurance }: Schemas["PolicyEvaluation"]): string {
  if (effect === "auto") return "Runs without approval";
  if (effect === "deny") return "Is denied";
  const factor = assurance ? `, each with ${assurance}` : "";
  return `${approvals === 1 ? "Needs one approval" : `Needs ${approvals} approvals`}${factor}`;
}

/** The versions that have applied, the newest first. The one that applies now is read with the policy. */
function Versions({ current, onEdit }: { current: Policy; onEdit: (text: string) => void }) {
  const [read, setRead] = useState<Version[]>([]);
  const { error, run } = useReading(async () => {
    setRead((await gateway.get("/api/v1/customer/policy/versions")).items);
  });
  useEffect(() => void run(), [rereads.value]);
  useEffect(() => setRead((before) => withVersion(before, current)), [current.version]);
  const versions = withVersion(read, current);
  return (
    <section>
      <h2>Versions</h2>
      <Problem error={error} />
      {versions.length === 0 && <p class="empty">The policy was never changed.</p>}
      <ul class="cards">
        {versions.map((version) => (
          <li class="card" key={version.version}>
            <p>
              Version {version.version} by <Actor id={version.changedBy ?? ""} details={undefined} />
              {version.changedAt && (
                <>
                  , <Time at={version.changedAt} />
                </>
              )}
              {version.approvedBy && (
                <>
                  , approved by <Actor id={version.approvedBy} details={undefined} />
                </>
              )}
            </p>
            <details>
              <summary>{version.rules.length} rules</summary>
              <Json label={`Rules of version ${version.version}`} value={{ rules: version.rules }} />
            </details>
            {version.version !== current.version && (
              <button type="button" onClick={() => onEdit(textOf(version.rules))}>
                Edit version {version.version}
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Returns the versions with the one that applies, unless it is none. */
function withVersion(versions: Version[], { version, rules, ...policy }: Policy): Version[] {
  if (version === "0" || versions.some((one) => one.version === version)) return versions;
  const { changedBy, changedAt, approvedBy, approvedAt } = policy;
  return [{ version, rules, changedBy, changedAt, approvedBy, approvedAt }, ...versions];
}
