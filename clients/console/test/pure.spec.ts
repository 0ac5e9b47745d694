// Tests the functions of the page that need no browser.
import type { Command, Device, RoomEvent } from "@fieldgate/client";
import { expect, test } from "@playwright/test";
import { spanOf } from "../src/duration.js";
import { commandAfter } from "../src/events.js";
import { filterDevices, sortDevices } from "../src/fleet.js";
import { append, merge } from "../src/pages.js";
import { entriesFor } from "../src/places.js";
import { hashOf, parseRoute } from "../src/route.js";
import { partsOf, stretchAt } from "../src/stretch.js";
import { runsOf } from "../src/verbatim.js";

test("spans of time are rounded down to two units", () => {
  const spans: [number, string][] = [
    [-5, "0 s"],
    [999, "0 s"],
    [61_000, "1 min 1 s"],
    [121_000, "2 min"],
    [59 * 60_000 + 59_999, "59 min"],
    [3_900_000, "1 h 5 min"],
    [86_400_000, "1 day"],
    [2 * 86_400_000 + 3_600_000, "2 days 1 h"],
  ];
  for (const [ms, text] of spans) expect(spanOf(ms), String(ms)).toBe(text);
});

test("routes survive their way through an address", () => {
  const query = { tag: "site:a&b=c", q: "ü #?/" };
  expect(parseRoute(hashOf(["devices", "a/b"], query))).toEqual({ path: ["devices", "a/b"], query });
  expect(hashOf(["devices"], { q: "", sort: undefined })).toBe("#/devices");
  expect(parseRoute("#/commands?status=&type=a")).toEqual({ path: ["commands"], query: { type: "a" } });
  expect(parseRoute("#/%E0%A4%A")).toEqual({ path: ["%E0%A4%A"], query: {} });
  expect(parseRoute("")).toEqual({ path: [], query: {} });
});

test("runs from right to left are split from the digits and signs beside them", () => {
  expect(runsOf("a\u05d0\u05d1 \u05d2 15, \u0661")).toEqual(["a", "\u05d0\u05d1 \u05d2", " 15, ", "\u0661", ""]);
  expect(runsOf("plain 7")).toEqual(["plain 7"]);
});

const device = (more: Partial<Device>): Device => ({
  id: `dev_${more.name}`,
  name: "",
  tags: {},
  status: "active",
  presence: "online",
  createdAt: "2026-01-01T00:00:00Z",
  ...more,
});

test("devices match all filters, and are sorted as people count", () => {
  const devices = [
    device({ name: "Pump 10", tags: { site: "leipzig" }, firmwareVersion: "1.2", presence: "stale" }),
    device({ name: "Pump 9", tags: { site: "halle" }, location: "Hall 3" }),
    device({ name: "valve", status: "suspended", presence: "offline" }),
  ];
  const namesOf = (found: Device[]) => found.map(({ name }) => name);
  expect(namesOf(filterDevices(devices, { tag: "site" }))).toEqual(["Pump 10", "Pump 9"]);
  expect(namesOf(filterDevices(devices, { tag: "site:halle" }))).toEqual(["Pump 9"]);
  expect(namesOf(filterDevices(devices, { presence: "away", status: "active" }))).toEqual(["Pump 10"]);
  expect(namesOf(filterDevices(devices, { firmware: "1.2", q: "LEIP" }))).toEqual(["Pump 10"]);
  expect(namesOf(filterDevices(devices, { q: "hall 3" }))).toEqual(["Pump 9"]);
  expect(namesOf(sortDevices(devices, "name"))).toEqual(["Pump 9", "Pump 10", "valve"]);
  expect(namesOf(sortDevices(devices, "-name"))).toEqual(["valve", "Pump 10", "Pump 9"]);
  expect(namesOf(sortDevices(devices, "nonsense"))).toEqual(["Pump 10", "Pump 9", "valve"]);
});

test("palette finds by words and ids, and offers searches for what is not loaded", () => {
  const targets = [
    { kind: "Device", name: "Spare pump 7", id: "dev_1a01m8rr11", href: "#/devices/dev_1a01m8rr11" },
    { kind: "Device", name: "Pump 7", id: "dev_1a01m8rs22", href: "#/devices/dev_1a01m8rs22" },
  ];
  const namesOf = (text: string) => entriesFor(text, targets).map(({ name }) => name);
  expect(namesOf("")).toEqual(["Spare pump 7", "Pump 7"]);
  expect(namesOf("pump").slice(0, 2)).toEqual(["Pump 7", "Spare pump 7"]);
  expect(namesOf("7 spare").slice(0, 1)).toEqual(["Spare pump 7"]);
  expect(namesOf("dev_1a01m8rs22")).toEqual(["Pump 7", "dev_1a01m8rs22"]);
  expect(namesOf("01m8rr11")[0]).toBe("Spare pump 7"); // a part of its id
  expect(namesOf("pump 11")).toEqual(["Devices with “pump 11”"]); // a part that is too short
  expect(entriesFor("ses_9", targets)).toEqual([{ kind: "Session", name: "ses_9", href: "#/sessions/ses_9" }]);
  expect(entriesFor("valve.open", targets).map(({ href }) => href)).toEqual([
    "#/devices?q=valve.open",
    "#/commands?type=valve.open",
    "#/commands?proposedBy=valve.open",
  ]);
});

const keys = Array.from({ length: 1_000 }, (_, i) => `k${i}`);
const heights = new Map([["k0", 100]]); // the only one that was measured, so that all others count as much

test("long list has the items near the visible part, the one with the focus, and gaps", () => {
  const stretch = stretchAt(keys, heights, 50_000, 1_000); // item 500 is the first that is visible
  expect(stretch).toEqual({ from: 480, to: 520 });
  const parts = partsOf(keys, heights, stretch, 3);
  expect(parts.slice(0, 4)).toEqual([{ gap: 300 }, { index: 3 }, { gap: 47_600 }, { index: 480 }]);
  expect(parts.at(-1)).toEqual({ gap: 48_000 });
  expect(stretchAt(keys, heights, -200, 1_000)).toEqual({ from: 0, to: 20 });
  expect(stretchAt(keys, heights, 99_500, 1_000)).toEqual({ from: 980, to: 1_000 });
});

test("pages of a list are merged without a gap, and appended once", () => {
  const page = (ids: string, cursor?: string) => ({ items: [...ids].map((id) => ({ id })), cursor });
  expect(merge(page("fed", "c"), page("edcb", "a"))).toEqual(page("fedcb", "a"));
  expect(merge(page("zyx", "w"), page("edcb", "a"))).toEqual(page("zyx", "w")); // a gap
  expect(merge(page("ed"), undefined)).toEqual(page("ed"));
  expect(append(page("ed", "d"), page("dcb", "b"), "d")).toEqual(page("edcb", "b"));
  expect(append(page("ed", "x"), page("cb", "b"), "d")).toEqual(page("ed", "x")); // the list has changed meanwhile
});

const command = {
  id: "cmd_1",
  status: "pending_approval",
  approval: { required: 2, votes: [] },
} as unknown as Command;
const actor = { kind: "user", id: "carol" } as const;
const event = (type: string, data: object = {}) =>
  ({
    type,
    time: "2026-01-01T00:00:00Z",
    actor,
    actorDetails: actor,
    data: { commandId: command.id, ...data },
  }) as unknown as RoomEvent;

test("events change a command as the gateway does", () => {
  const voted = commandAfter(command, event("command.vote", { decision: "approved", required: 2 }));
  expect(voted.status).toBe("pending_approval");
  expect(voted.approval?.votes).toEqual([{ user: actor, decision: "approved", at: "2026-01-01T00:00:00Z" }]);
  expect(commandAfter(voted, event("command.vote_withdrawn", { required: 2 })).approval?.votes).toEqual([]);
  const approved = commandAfter(voted, event("command.approved", { reason: "agreed" }));
  expect(approved).toMatchObject({ status: "queued", approval: { decidedBy: "carol", reason: "agreed", required: 2 } });
  const claimed = commandAfter(approved, event("command.claimed", { attempt: 1 }));
  expect(claimed).toMatchObject({ status: "claimed", attempt: 1 });
  const ended = commandAfter(claimed, event("command.timed_out"));
  const late = commandAfter(ended, event("command.succeeded", { late: true }));
  expect(late).toMatchObject({ status: "succeeded", late: true, resultOmitted: true });
  // The status of this event is that of the other result, and an older event changes no final status.
  expect(commandAfter(late, event("command.result_conflict", { status: "failed" })).status).toBe("succeeded");
  expect(commandAfter(late, event("command.claimed")).status).toBe("succeeded");
  expect(commandAfter(approved, event("command.claimed", { commandId: "cmd_2" }))).toBe(approved);
});
