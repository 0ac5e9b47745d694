// The dialog that changes the name, the location and the tags of a device.
import type { Device, Schemas } from "@fieldgate/client";
import { useRef, useState } from "preact/hooks";
import { Dialog, Field, FormButtons, useFocusFallback } from "./forms.js";
import { announcement, gateway, refresh } from "./state.js";
import { recordOf, TagFields, tagsOf } from "./TagFields.js";
import { Problem, UserText, useAction } from "./ui.js";

type Changes = Schemas["UpdateDeviceRequest"];
type Described = Pick<Device, "name" | "location" | "tags">;

export function EditDevice({ of }: { of: Device }) {
  const [isOpen, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  useFocusFallback(button);
  return (
    <>
      <button ref={button} type="button" onClick={() => setOpen(true)}>
        Edit…
      </button>
      {isOpen && <EditDialog of={of} onClose={() => setOpen(false)} />}
    </>
  );
}

function EditDialog({ of, onClose }: { of: Device; onClose: () => void }) {
  const [opened] = useState(of); // what the fields began with, while `of` follows events
  const [name, setName] = useState(of.name);
  const [place, setPlace] = useState(of.location ?? "");
  const [tags, setTags] = useState(() => tagsOf(of.tags));
  const { busy, error, run } = useAction(async () => {
    const body = changesOf(opened, { name, location: place, tags: recordOf(tags) });
    if (Object.keys(body).length > 0) {
      await gateway.patch("/api/v1/customer/devices/{deviceId}", { params: { path: { deviceId: of.id } }, body });
      announcement.value = "Device changed.";
      refresh("devices");
    }
    onClose();
  });
  return (
    <Dialog
      title={
        <>
          Edit <UserText>{opened.name}</UserText>
        </>
      }
      onClose={onClose}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run();
        }}
      >
        <Field label="Name">
          {(ids) => (
            <input
              {...ids}
              value={name}
              required
              maxLength={128}
              autofocus
              autocomplete="off"
              onInput={({ currentTarget }) => setName(currentTarget.value)}
            />
          )}
        </Field>
        <Field label="Location (optional)">
          {(ids) => (
            <input
              {...ids}
              value={place}
              maxLength={256}
              autocomplete="off"
              onInput={({ currentTarget }) => setPlace(currentTarget.value)}
            />
          )}
        </Field>
        <TagFields tags={tags} onChange={setTags} />
        {Object.keys(changesOf(opened, of)).length > 0 && (
          <p class="caution" role="status">
            Another user has changed this device since you opened this form. What you change here replaces it: all tags
            together, if you change one.
          </p>
        )}
        <Problem error={error} />
        <FormButtons verb="Save" busy={busy} onBack={onClose} />
      </form>
    </Dialog>
  );
}

/** Returns the fields that differ. Only they are sent, so that the others keep what another user has changed. */
function changesOf(before: Described, after: Described): Changes {
  const { name, location = "", tags } = after;
  return {
    ...(name !== before.name && { name }),
    ...(location !== (before.location ?? "") && { location }),
    ...(!hasSameTags(before.tags, tags) && { tags }),
  };
}

function hasSameTags(one: Device["tags"], other: Device["tags"]): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}
