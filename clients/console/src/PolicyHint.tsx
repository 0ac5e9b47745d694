// The hint of the form of a proposal: what the policy will require of the command.
import type { Schemas } from "@fieldgate/client";
import { useEffect, useState } from "preact/hooks";
import { gateway } from "./state.js";
import { UserText } from "./ui.js";
import { parseObject } from "./verbatim.js";

type Evaluation = Schemas["PolicyEvaluation"];

/** The wait after the last key before the policy is asked, in milliseconds. */
const waitMs = 400;

/** Shows whether the command that is being written will run at once, wait or be refused. */
export function PolicyHint(props: { deviceId: string; type: string; parameters: string }) {
  const found = useEvaluation(props);
  return (
    <p class="fine" role="status">
      {found && (
        <>
          {meaningOf(found)}
          {found.rule && (
            <>
              {" "}
              Rule: <UserText>{found.rule}</UserText>.
            </>
          )}
        </>
      )}
    </p>
  );
}

/** Asks the gateway when the user pauses. It returns `undefined` while the proposal is incomplete. */
function useEvaluation({ deviceId, type, parameters }: { deviceId: string; type: string; parameters: string }) {
  const [found, setFound] = useState<Evaluation>();
  useEffect(() => {
    setFound(undefined);
    const stop = new AbortController();
    const ask = async () => {
      const body = { deviceId, type, parameters: parseObject(parameters) };
      setFound(await gateway.post("/api/v1/customer/policy/evaluate", { body, signal: stop.signal }));
    };
    // Without an answer, the hint is missing. The proposal itself shows what is wrong.
    const timer = type === "" ? undefined : setTimeout(() => void ask().catch(() => {}), waitMs);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [deviceId, type, parameters]);
  return found;
}

function meaningOf({ effect, approvals = 1, roles, assurance, within }: Evaluation): string {
  if (effect === "deny") return "The policy will refuse this command.";
  if (effect !== "review") return "This command will run without an approval, as soon as the device claims it.";
  const users = approvals > 1 ? `${approvals} other users` : "another user";
  const has = approvals > 1 ? "have" : "has";
  const needs = roles && `with the role ${roles.join(" or ")}`;
  const time = within ? `, within ${within}` : "";
  return `This command will wait until ${[users, needs].filter(Boolean).join(" ")} ${has} approved it${wayOf(assurance)}${time}.`;
}

/** Returns how a user has to approve, such as " with a passkey". */
export function wayOf(assurance: string | undefined): string {
  if (assurance === "passkey") return " with a passkey";
  return assurance ? ` with a sign-in of the level ${assurance}` : "";
}
