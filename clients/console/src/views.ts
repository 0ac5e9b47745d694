// The pages that the navigation and the palette lead to.
import { hasRole, type Role } from "./signin/user.js";
import { relyingParty } from "./signing.js";

interface ViewName {
  path: string;
  name: string;
  /** The role that the page needs. */
  least?: Role;
}

export const views: ViewName[] = [
  { path: "inbox", name: "Inbox" },
  { path: "devices", name: "Devices" },
  { path: "sessions", name: "Sessions" },
  { path: "commands", name: "Commands" },
  { path: "policy", name: "Policy", least: "admin" },
  { path: "roster", name: "Roster", least: "approver" },
  { path: "system", name: "System" },
];

/** Returns the pages that the user may see. */
export function shownViews(): ViewName[] {
  return views.filter(
    ({ path, least }) => (!least || hasRole(least)) && (path !== "roster" || relyingParty.value !== undefined),
  );
}
