// The receipt of a command, which proves to others what it is and who has approved it.
import { type Command, FieldgateError } from "@fieldgate/client";
import { useEffect, useState } from "preact/hooks";
import { download } from "./save.js";
import { gateway } from "./state.js";
import { Problem, useAction } from "./ui.js";

/** Offers the receipt of a command. It shows nothing if the gateway signs none, or none of this command yet. */
export function ReceiptSection({ command }: { command: Command }) {
  const isSigned = useSigning();
  const { busy, error, run } = useAction(() => save(command));
  if (!isSigned || command.status === "pending_approval" || command.status === "rejected") return null;
  const file = fileOf(command);
  return (
    <section class="card" aria-labelledby="receipt">
      <h2 id="receipt">Receipt</h2>
      <p>What this command is and who has approved it, signed by the gateway.</p>
      <p class="fine">
        To check it without the gateway, run <code>fieldgate verify {file} --keys keys.json</code>. Its keys are at{" "}
        <a href="/.well-known/fieldgate/keys">/.well-known/fieldgate/keys</a>: fetch them once, over a connection that
        you trust. With <code>--roster roster.json</code>, the passkeys of the approvers are checked too. See the{" "}
        <a href="/docs/guides/receipts">guide to receipts</a>.
      </p>
      {isMissing(error) ? <Missing /> : <Problem error={error} />}
      <div class="actions">
        <button type="button" disabled={busy} onClick={() => void run()}>
          Download the receipt
        </button>
      </div>
    </section>
  );
}

/** Reports whether the gateway signs receipts. It does if it has keys. */
function useSigning(): boolean {
  const [isSigned, setSigned] = useState(false);
  useEffect(() => {
    // Without an answer, the receipt is not offered. The rest of the page does not depend on it.
    gateway.get("/.well-known/fieldgate/keys").then(
      ({ keys }) => setSigned(keys.length > 0),
      () => {},
    );
  }, []);
  return isSigned;
}

const fileOf = ({ id }: Command) => `${id}.jws`;

async function save(command: Command): Promise<void> {
  const params = { path: { sessionId: command.sessionId, commandId: command.id } };
  const path = "/api/v1/customer/sessions/{sessionId}/commands/{commandId}/receipt";
  download(await gateway.get(path, { params, parseAs: "text" }), fileOf(command));
}

const isMissing = (error: unknown) => error instanceof FieldgateError && error.code === "receipt_not_found";

function Missing() {
  return (
    <p class="problem" role="alert">
      This command has no receipt: it was never approved, or it was proposed before this gateway kept statements.
    </p>
  );
}
