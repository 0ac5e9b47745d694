// The signed-in user, as the gateway sees the user, and what the user still has to do.
import { FieldgateError, type Schemas } from "@fieldgate/client";
import { computed, effect, signal } from "@preact/signals";
import { gateway } from "../gateway.js";
import { factorWanted, passwordWanted, signedIn, subject, unconfirmedLink, whenSignedOut } from "./tokens.js";

type Me = Schemas["Me"];
const roles = ["viewer", "operator", "approver", "admin"] as const;
export type Role = (typeof roles)[number];

/** The user, for display. The gateway checks the rights with each request. */
export interface User {
  id: string;
  name: string;
  tenant: string;
  role: Role;
  /** Whether the token is of an application that acts for its user. */
  isProgram: boolean;
}

/**
 * The user. It is kept when a sign-in ends by itself, so that the page keeps what was typed
 * until the user has signed in again.
 */
export const user = signal<User | undefined>();
/** The reason why the gateway did not describe the user. */
export const userError = signal<unknown>();

/** What the user has to do next. With "done", the page shows the tenant. */
export type Step = "link" | "sign-in" | "second-factor" | "password" | "user" | "done";

export const step = computed<Step>(() => {
  if (unconfirmedLink.value) return "link";
  if (!signedIn.value) return "sign-in";
  if (factorWanted.value) return "second-factor";
  if (passwordWanted.value) return "password";
  return user.value?.id === subject() ? "done" : "user";
});

whenSignedOut(() => {
  user.value = undefined;
});

// Each new token may have other rights.
effect(() => {
  if (signedIn.value) void readUser();
});

/** Reads the user of the current token from the gateway. */
export async function readUser(): Promise<void> {
  const access = signedIn.value?.access;
  try {
    if (user.peek() && user.peek()?.id !== subject()) user.value = undefined;
    const found = userOf(await gateway.get("/api/v1/customer/me"));
    if (signedIn.value?.access !== access) return;
    userError.value = undefined;
    if (JSON.stringify(found) !== JSON.stringify(user.value)) user.value = found;
  } catch (error) {
    if (signedIn.value?.access === access) onUnread(error);
  }
}

/** Handles the error of a read. A user who has lost the tenant no longer sees it. */
function onUnread(error: unknown): void {
  userError.value = error;
  if (error instanceof FieldgateError && error.status === 403) user.value = undefined;
}

function userOf(me: Me): User {
  return {
    id: me.userId,
    name: me.email ?? me.name ?? me.userId,
    tenant: me.tenant.startsWith("c.") ? me.tenant.slice(2) : "own tenant",
    role: me.role,
    isProgram: me.kind === "program",
  };
}

/** Reports whether the user has the role `least` or a higher one. */
export function hasRole(least: Role): boolean {
  return user.value !== undefined && roles.indexOf(user.value.role) >= roles.indexOf(least);
}
