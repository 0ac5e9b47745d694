import { useState } from "preact/hooks";
import { Copyable, Dialog, Field, FormButtons, valuesOf } from "./forms.js";
import { gateway, refresh } from "./state.js";
import { recordOf, type Tag, TagFields } from "./TagFields.js";
import { Problem, Time, useAction } from "./ui.js";

export interface ActivationCode {
  activationCode: string;
  activationExpiresAt: string;
}

/** The dialog that provisions a device and then shows its activation code. */
export function Provision({ onClose }: { onClose: () => void }) {
  const [code, setCode] = useState<ActivationCode>();
  const [tags, setTags] = useState<Tag[]>([]);
  const { busy, error, run } = useAction(async (values: Record<string, string>) => {
    const { name = "", externalId, location } = values;
    const body = { name, externalId, location, tags: recordOf(tags) };
    setCode(await gateway.post("/api/v1/customer/devices", { body }));
    refresh("devices");
  });
  if (code) return <ActivationCodeDialog code={code} onClose={onClose} />;
  return (
    <Dialog title="Provision a device" onClose={onClose}>
      <form onSubmit={(event) => void run(valuesOf(event))}>
        <Field label="Name">
          {(ids) => <input {...ids} name="name" required maxLength={128} autofocus autocomplete="off" />}
        </Field>
        <Field label="Serial number (optional)" hint="Or another identifier. It must be unique among your devices.">
          {(ids) => <input {...ids} name="externalId" maxLength={128} autocomplete="off" />}
        </Field>
        <Field label="Location (optional)">
          {(ids) => <input {...ids} name="location" maxLength={256} autocomplete="off" />}
        </Field>
        <TagFields tags={tags} onChange={setTags} />
        <Problem error={error} />
        <FormButtons verb="Provision" busy={busy} onBack={onClose} />
      </form>
    </Dialog>
  );
}

/** Shows an activation code. The gateway returns it once, so it cannot be shown again. */
export function ActivationCodeDialog({ code, onClose }: { code: ActivationCode; onClose: () => void }) {
  const command =
    `fieldgate-agent --url ${location.origin} --state device.json ` +
    `--activation-code ${code.activationCode} --scripts ./scripts`;
  return (
    <Dialog title="Activation code" onClose={onClose} wide>
      <p class="code">{code.activationCode}</p>
      <p>
        This code is shown only now. It can be used once, until <Time at={code.activationExpiresAt} />. To register a
        Linux machine, run:
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
