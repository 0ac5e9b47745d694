import { canNotify, turnOff, turnOn, wantsNotices } from "./notify.js";
import { Problem, useAction } from "./ui.js";

/** Turns the notifications of the browser on and off. */
export function NoticeSettings() {
  const { busy, error, run } = useAction(async () => (wantsNotices.value ? turnOff() : await turnOn()));
  return (
    <section class="card" aria-labelledby="notices">
      <h2 id="notices">Notifications</h2>
      {canNotify() ? (
        <>
          <p id="notices-about">
            This browser can notify you when a command comes to wait for your decision, while this page is open and not
            visible. A notification has the type of the command and the name of the device.
          </p>
          <div class="actions">
            <button type="button" disabled={busy} aria-describedby="notices-about" onClick={() => void run()}>
              {wantsNotices.value ? "Turn notifications off" : "Turn notifications on"}
            </button>
          </div>
        </>
      ) : (
        <p>This browser cannot show notifications of this page. It needs HTTPS.</p>
      )}
      <Problem error={error} />
    </section>
  );
}
