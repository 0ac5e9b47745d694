// Raises the level of a sign-in when the gateway requires a second factor.
import { type Command, FieldgateError } from "@fieldgate/client";
import { signal } from "@preact/signals";
import { asksForPasskey } from "../signing.js";
import { signedIn, subject, token } from "./tokens.js";
import { hasRole, user } from "./user.js";

/** The pending question for a second factor. */
export interface StepUp {
  /** Continues after the user has verified the factor. */
  verified: () => void;
  /** Throws the refusal of the gateway. */
  cancelled: () => void;
}

export const stepUp = signal<StepUp | undefined>();

/**
 * Reports whether the page offers a decision on a command of the inbox. It also does if only
 * the level of the sign-in is missing, because the page raises that level when the user approves.
 */
export function mayDecide(command: Command): boolean {
  return command.mayDecide === true || lacksLevelOnly(command);
}

/** Reports whether neither the role nor the proposer keeps the user from deciding on a command. */
function lacksLevelOnly(command: Command): boolean {
  const current = user.value;
  if (!current || current.isProgram || !signedIn.value?.session) return false;
  const hasVoted = command.approval?.votes?.some((vote) => vote.user.id === current.id) ?? false;
  return hasRole("approver") && command.proposedBy !== current.id && !hasVoted;
}

/**
 * Runs an action, and runs it once more with a stronger sign-in if the gateway refuses it with
 * step_up_required. It throws that refusal if the user does not verify a second factor, if
 * another user has signed in meanwhile, or if the token is not of the project, so that this page
 * cannot raise its level.
 */
export async function withStepUp<T>(action: () => Promise<T>): Promise<T> {
  const startedBy = subject();
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof FieldgateError) || error.code !== "step_up_required" || asksForPasskey(error)) throw error;
    if (!signedIn.value?.session) throw error;
    await requestSecondFactor(error);
    if (subject() !== startedBy) throw error;
    return await action();
  }
}

async function requestSecondFactor(refusal: FieldgateError): Promise<void> {
  try {
    await new Promise<void>((verified, reject) => {
      stepUp.value = { verified, cancelled: () => reject(refusal) };
    });
    await token(); // the token of the verified sign-in is in use now
  } finally {
    stepUp.value = undefined;
  }
}
