import { useState } from "preact/hooks";
import { gateway, refresh } from "./fleet.js";
import { Copyable, Dialog, Field, Submit, valuesOf } from "./forms.js";
import { Problem, Time, useAction } from "./ui.js";

export interface Code {
  activationCode: string;
  activationExpiresAt: string;
}

/** Adds a device and shows the code that it registers with, this once. */
export function Provision({ onClose }: { onClose: () => void }) {
  const [code, setCode] = useState<Code>();
  const { busy, error, run } = useAction(async (values: Record<string, string>) => {
    const { name = "", externalId, location } = values;
    setCode(await gateway.post("/api/v1/customer/devices", { body: { name, externalId, location } }));
    refresh("devices");
  });
  if (code) return <ShowCode code={code} onClose={onClose} />;
  return (
    <Dialog title="Provision a device" onClose={onClose}>
      <form onSubmit={(event) => void run(valuesOf(event))}>
        <Field label="Name">
          {(ids) => <input {...ids} name="name" required maxLength={128} autofocus autocomplete="off" />}
        </Field>
        <Field label="Serial number (optional)" hint="Or another id of your own; no two devices may have the same.">
          {(ids) => <input {...ids} name="externalId" maxLength={128} autocomplete="off" />}
        </Field>
        <Field label="Location (optional)">
          {(ids) => <input {...ids} name="location" maxLength={256} autocomplete="off" />}
        </Field>
        <Problem error={error} />
        <Submit verb="Provision" busy={busy} onBack={onClose} />
      </form>
    </Dialog>
  );
}

/** Shows an activation code, which nobody can read again. */
export function ShowCode({ code, onClose }: { code: Code; onClose: () => void }) {
  const command =
    `fieldgate-agent --url ${location.origin} --state device.json ` +
    `--activation-code ${code.activationCode} --scripts ./scripts`;
  return (
    <Dialog title="Activation code" onClose={onClose} wide>
      <p class="code">{code.activationCode}</p>
      <p>
        It is shown this once, works once, and until <Time at={code.activationExpiresAt} />. On a Linux machine:
      </p>
      <Copyable text={command} label="Command line for the agent" />
      <div class="actions">
        <button type="button" class="primary" onClick={onClose}>
          Done
        </button>
      </div>
    </Dialog>
  );
}
