// Filters and sorts devices.
import type { Device } from "@fieldgate/client";
import { contains } from "./matching.js";

/**
 * Returns the devices that match the filters of an address. The presence "away" stands for all but
 * "online".
 */
export function filterDevices(devices: Device[], filters: Record<string, string>): Device[] {
  const { presence, status, tag, firmware, q = "" } = filters;
  return devices.filter(
    (device) =>
      (!presence || (presence === "away" ? device.presence !== "online" : device.presence === presence)) &&
      (!status || device.status === status) &&
      (!tag || hasTag(device, tag)) &&
      (!firmware || device.firmwareVersion === firmware) &&
      (q === "" || contains(fieldsOf(device), q)),
  );
}

/** Reports whether a device has a tag, as "name:value", or as "name" for any value. */
function hasTag({ tags }: Device, wanted: string): boolean {
  return Object.entries(tags).some(([name, value]) => wanted === name || wanted === `${name}:${value}`);
}

/** Returns the fields in which a search looks. */
function fieldsOf(device: Device): (string | undefined)[] {
  const { name, location, model, externalId, id, firmwareVersion, tags } = device;
  return [name, location, model, externalId, id, firmwareVersion, ...Object.values(tags)];
}

/** The columns by which the devices can be sorted. */
const columns: Record<string, (device: Device) => string> = {
  name: (device) => device.name,
  presence: (device) => (device.status === "active" ? device.presence : device.status),
  place: (device) => device.location ?? "",
  firmware: (device) => device.firmwareVersion ?? "",
  seen: (device) => device.lastSeen ?? "",
};

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** Returns the devices sorted by a column, such as "name", or backwards, such as "-name". */
export function sortDevices(devices: Device[], sort: string | undefined): Device[] {
  const keyOf = columns[sort?.replace(/^-/, "") ?? ""];
  if (!keyOf) return devices;
  const sign = sort?.startsWith("-") ? -1 : 1;
  return [...devices].sort((a, b) => sign * collator.compare(keyOf(a), keyOf(b)));
}

/** Returns the different values of a list, sorted, as the options of a filter. */
export function optionsOf(values: (string | undefined)[]): Record<string, string> {
  const given = values.filter((value): value is string => Boolean(value));
  return Object.fromEntries([...new Set(given)].sort(collator.compare).map((value) => [value, value]));
}
