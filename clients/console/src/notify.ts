// Notifications of the browser: a command waits for the user, who does not look at the page.
import type { Command } from "@fieldgate/client";
import { effect, signal } from "@preact/signals";
import { hashOf } from "./route.js";
import { mayDecide } from "./signin/stepup.js";
import { deviceName, inbox } from "./state.js";
import { segmentsOf } from "./verbatim.js";

const key = "fieldgate.notify";

/** Whether the user wants notifications in this browser. */
export const wantsNotices = signal(globalThis.localStorage?.getItem(key) === "on");

/** Reports whether the browser can show notifications. It cannot without HTTPS, except on localhost. */
export const canNotify = () => typeof Notification === "function" && globalThis.isSecureContext;

/** Turns notifications on, and asks the browser for its permission. It throws an error if that is refused. */
export async function turnOn(): Promise<void> {
  if ((await Notification.requestPermission()) !== "granted")
    throw new Error("The browser refuses notifications of this page. Allow them in the settings of the browser.");
  localStorage.setItem(key, "on");
  wantsNotices.value = true;
}

export function turnOff(): void {
  localStorage.removeItem(key);
  wantsNotices.value = false;
}

/** The commands for which the user was already waited for. `undefined` until the inbox has been read. */
let known: ReadonlySet<string> | undefined;
/** The notifications that are shown, by the id of their command. */
const shown = new Map<string, Notification>();
/** More commands than these at once have one notification in common. */
const maxSingle = 3;
const inCommon = "inbox";

/** Shows a notification of each command that comes to wait for the user, from now on. */
export function followInbox(): void {
  effect(() => {
    const waiting = inbox.value?.filter(mayDecide);
    const fresh = known && waiting?.filter(({ id }) => !known?.has(id));
    known = waiting && new Set(waiting.map(({ id }) => id));
    closeOld();
    if (fresh?.length && wantsNotices.peek() && document.visibilityState === "hidden") notify(fresh);
  });
}

/** Closes the notifications of commands that no longer wait for the user, also those of a user who has left. */
function closeOld(): void {
  for (const [id, notice] of shown) {
    if (id === inCommon ? known?.size : known?.has(id)) continue;
    notice.close();
    shown.delete(id);
  }
}

function notify(commands: Command[]): void {
  if (!canNotify() || Notification.permission !== "granted") return;
  if (commands.length > maxSingle) show(inCommon, `${commands.length} commands wait for your decision`, "", "#/inbox");
  else for (const command of commands) notifyOf(command);
}

/** Notifies of a command by its type and device, without its parameters: others may see the screen. */
function notifyOf({ id, sessionId, type, deviceId }: Command): void {
  const body = visible(`${type} on ${deviceName(deviceId)}`);
  show(id, "A command waits for your decision", body, hashOf(["commands", sessionId, id]));
}

/** Returns a text of others on one line, in which nothing is invisible. */
const visible = (text: string) =>
  segmentsOf(text.replace(/\s/g, " "))
    .map((segment) => segment.text)
    .join("")
    .slice(0, 200);

function show(id: string, title: string, body: string, href: string): void {
  try {
    const notice = new Notification(title, { body, tag: `fieldgate-${id}` });
    notice.onclick = () => {
      window.focus();
      location.hash = href;
      notice.close();
    };
    shown.set(id, notice);
  } catch {
    // Browsers of telephones show notifications of installed pages only.
  }
}
