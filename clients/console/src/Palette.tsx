// The command palette: goes anywhere with a few keys.
import type { Device } from "@fieldgate/client";
import { signal } from "@preact/signals";
import type { TargetedKeyboardEvent } from "preact";
import { useEffect, useId, useState } from "preact/hooks";
import { useSearch } from "./deviceSearch.js";
import { Dialog } from "./forms.js";
import { entriesFor, type Target } from "./places.js";
import { deviceName, devices, hasMore, sessions } from "./state.js";
import { chooseTheme, type Theme, themes } from "./theme.js";
import { UserText } from "./ui.js";
import { shownViews } from "./views.js";

/** Whether the palette is open. */
export const paletteOpen = signal(false);

/** The button that opens the palette, and its shortcut. */
export function PaletteButton() {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      if (!document.querySelector("dialog[open]")) paletteOpen.value = true;
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  return (
    <button type="button" aria-keyshortcuts="Control+K Meta+K" onClick={() => (paletteOpen.value = true)}>
      Go to…
    </button>
  );
}

/** Returns all places of the page that have a name. `others` are devices that are not loaded. */
function allTargets(others: Device[]): Target[] {
  const pages = [...shownViews(), { path: "account", name: "Account" }];
  return [
    ...pages.map(({ path, name }) => ({ kind: "Page", name, href: `#/${path}` })),
    { kind: "List", name: "Failed today", href: "#/commands?status=failed%2Ctimed_out&since=today" },
    { kind: "List", name: "Not online", href: "#/devices?presence=away&status=active" },
    ...Object.entries(themes).map(([of, name]) => ({
      kind: "Theme",
      name: `Theme: ${name}`,
      run: () => chooseTheme(of as Theme),
    })),
    ...[...(devices.value ?? []), ...others].map(({ id, name, externalId }) => ({
      kind: "Device",
      name: externalId ? `${name}, ${externalId}` : name,
      id,
      href: `#/devices/${id}`,
    })),
    ...(sessions.value ?? []).map(({ id, description, type, deviceId }) => ({
      kind: "Session",
      name: `${description ?? type}, ${deviceName(deviceId)}`,
      id,
      href: `#/sessions/${id}`,
    })),
  ];
}

export function Palette() {
  const close = () => {
    paletteOpen.value = false;
  };
  return (
    <Dialog title="Go to" onClose={close}>
      <Chooser onDone={close} />
    </Dialog>
  );
}

/** A field whose matches the arrow keys choose from. */
function Chooser({ onDone }: { onDone: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const id = useId();
  const search = useSearch({ q: text }, hasMore.devices.value);
  const loaded = new Set(devices.value?.map((device) => device.id));
  const others = search.found.filter((device) => !loaded.has(device.id));
  const found = entriesFor(text, allTargets(others));
  const current = Math.min(at, found.length - 1);
  const choose = (target: Target | undefined) => {
    if (!target) return;
    onDone();
    target.run?.();
    if (target.href) location.hash = target.href;
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLInputElement>) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) setAt((current + step + found.length) % found.length);
    else if (event.key === "Enter") choose(found[current]);
    else return;
    event.preventDefault();
  };
  return (
    <>
      <input
        role="combobox"
        aria-label="Page, device, session or id"
        aria-expanded="true"
        aria-controls={id}
        aria-activedescendant={found.length > 0 ? `${id}-${current}` : undefined}
        placeholder="Page, device, session or id"
        autocomplete="off"
        autofocus
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
      />
      <div class="palette" role="listbox" id={id} aria-label="Places">
        {found.map((target, i) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the field
          <div
            key={`${target.kind} ${target.href ?? target.name}`}
            id={`${id}-${i}`}
            role="option"
            tabIndex={-1}
            aria-selected={i === current}
            onClick={() => choose(target)}
          >
            <UserText>{target.name}</UserText> <span class="fine">{target.kind}</span>
          </div>
        ))}
      </div>
      <p class="fine" role="status">
        {found.length === 0 && "Nothing matches."}
        {search.isRunning && "Searching all devices…"}
      </p>
    </>
  );
}
