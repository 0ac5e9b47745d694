import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { openDecision } from "./DecisionButtons.js";
import { DecisionDialog } from "./DecisionDialog.js";
import { DevicePage } from "./DevicePage.js";
import { Devices } from "./Devices.js";
import { Inbox } from "./Inbox.js";
import { SessionPage } from "./SessionPage.js";
import { Sessions } from "./Sessions.js";
import { AccountPage } from "./signin/AccountPage.js";
import type { Config } from "./signin/config.js";
import { StepUpDialog } from "./signin/SecondFactor.js";
import { EndingBanner, SignIn, SignInAgain } from "./signin/SignIn.js";
import { stepUp } from "./signin/stepup.js";
import { signOut } from "./signin/tokens.js";
import { step, type User, user } from "./signin/user.js";
import {
  announcement,
  inbox,
  liveStatus,
  readError,
  reconnect,
  refreshAll,
  startUpdates,
  stopUpdates,
} from "./state.js";
import { Problem } from "./ui.js";
import { forgetWhole } from "./whole.js";

export function App({ config }: { config: Config }) {
  const current = user.value;
  useEffect(() => {
    if (!current) return;
    startUpdates(config.live);
    return forgetUser;
  }, [current?.id, current?.tenant]);
  // After the user has signed in again, the lists may be out of date.
  const isDone = step.value === "done";
  useEffect(() => {
    if (current && isDone) refreshAll();
  }, [isDone]);
  if (!current) return <SignIn config={config} />;
  return (
    <>
      <Console key={`${current.id} ${current.tenant}`} user={current} live={config.live} />
      <SignInAgain config={config} />
    </>
  );
}

/** Removes what the page holds of a user and a tenant, before another one follows. */
function forgetUser(): void {
  stopUpdates();
  closeDecision();
  stepUp.value?.cancelled();
  forgetWhole();
}

const views = [
  { path: "inbox", name: "Inbox" },
  { path: "devices", name: "Devices" },
  { path: "sessions", name: "Sessions" },
];

function Console({ user, live }: { user: User; live: boolean }) {
  const [view = "inbox", id] = useRoute();
  const waiting = inbox.value?.length ?? 0;
  useEffect(() => {
    document.title = `${waiting ? `(${waiting}) ` : ""}${views.find(({ path }) => path === view)?.name ?? "Account"} · Fieldgate`;
  }, [view, waiting]);
  return (
    <>
      <button type="button" class="skip" onClick={focusMain}>
        Skip to content
      </button>
      <header>
        <p class="brand">
          <img src="/console/icon.svg" alt="" width="24" height="24" /> Fieldgate
        </p>
        <nav aria-label="Main">
          {views.map(({ path, name }) => (
            <a key={path} href={`#/${path}`} aria-current={path === view ? "page" : undefined}>
              {name}
              {path === "inbox" && waiting > 0 && (
                <span class="count">
                  {waiting}
                  <span class="visually-hidden"> waiting</span>
                </span>
              )}
            </a>
          ))}
        </nav>
        <div class="user">
          <p>
            <a href="#/account" aria-current={view === "account" ? "page" : undefined}>
              <bdi>{user.name}</bdi>
            </a>
            <span class="fine">
              {user.role}, <bdi>{user.tenant}</bdi>
              {user.isProgram && ", as an application"}
            </span>
          </p>
          <button type="button" onClick={signOut}>
            Sign out
          </button>
        </div>
      </header>
      <EndingBanner />
      <LiveBanner live={live} />
      <main id="main" tabIndex={-1}>
        {readError.value !== undefined && liveStatus.value !== "lost" && <Problem error={readError.value} />}
        {view === "inbox" && <Inbox />}
        {view === "devices" && (id ? <DevicePage key={id} id={id} /> : <Devices />)}
        {view === "sessions" && (id ? <SessionPage key={id} id={id} /> : <Sessions />)}
        {view === "account" && <AccountPage />}
      </main>
      {openDecision.value && (
        <DecisionDialog key={String(openDecision.value.approve)} {...openDecision.value} onClose={closeDecision} />
      )}
      <StepUpDialog />
      <p class="visually-hidden" aria-live="polite">
        {announcement.value}
      </p>
    </>
  );
}

/** Warns that the page may be out of date. It shows nothing while the page is live. */
function LiveBanner({ live }: { live: boolean }) {
  const status = liveStatus.value;
  return (
    <div role="status">
      {status === "lost" && <p class="banner">Connection lost. This page may be out of date. Reconnecting…</p>}
      {status === "ended" && (
        <p class="banner">
          The gateway closed the live connection.{" "}
          <button type="button" onClick={reconnect}>
            Reconnect
          </button>
        </p>
      )}
      {!live && (
        <p class="banner quiet">
          Not live: this page polls every few seconds, because a proxy changes the Host header. To make it live, add{" "}
          <code>{location.origin}</code> to FIELDGATE_ALLOWED_ORIGINS.
        </p>
      )}
    </div>
  );
}

function closeDecision(): void {
  openDecision.value = undefined;
}

// Moves the focus past the header. A button calls this, because a link would change the
// fragment of the URL, which holds the route.
function focusMain(): void {
  document.getElementById("main")?.focus();
}

/** Returns the parts of the route, such as ["sessions", "ses_..."]. */
function useRoute(): string[] {
  const read = () => location.hash.replace(/^#\/?/, "").split("/").filter(Boolean);
  const route = useSignal(read());
  useEffect(() => {
    const onChange = () => {
      route.value = read();
      document.getElementById("main")?.focus({ preventScroll: true });
      scrollTo(0, 0);
    };
    addEventListener("hashchange", onChange);
    return () => removeEventListener("hashchange", onChange);
  }, []);
  useSignalEffect(() => {
    if (route.value.length === 0) history.replaceState(null, "", "#/inbox");
  });
  return route.value;
}
