import { useEffect, useState } from "preact/hooks";
import { CommandPage } from "./CommandPage.js";
import { Commands } from "./Commands.js";
import { type Decision, openDecision } from "./DecisionButtons.js";
import { DecisionDialog } from "./DecisionDialog.js";
import { DevicePage } from "./DevicePage.js";
import { Devices } from "./Devices.js";
import { Inbox } from "./Inbox.js";
import { NotFound } from "./NotFound.js";
import { Palette, PaletteButton, paletteOpen } from "./Palette.js";
import { PolicyPage } from "./PolicyPage.js";
import { RosterPage } from "./RosterPage.js";
import { readRoute, route } from "./route.js";
import { SessionPage } from "./SessionPage.js";
import { Sessions } from "./Sessions.js";
import { SystemPage } from "./SystemPage.js";
import { AccountPage } from "./signin/AccountPage.js";
import type { Config } from "./signin/config.js";
import { StepUpDialog } from "./signin/SecondFactor.js";
import { EndingBanner, SignIn, SignInAgain } from "./signin/SignIn.js";
import { mayDecide, stepUp } from "./signin/stepup.js";
import { signOut } from "./signin/tokens.js";
import { step, type User, user } from "./signin/user.js";
import {
  announcement,
  hasMore,
  inbox,
  liveStatus,
  news,
  readErrors,
  reconnect,
  refreshAll,
  startUpdates,
  stopUpdates,
} from "./state.js";
import { Problem } from "./ui.js";
import { shownViews, views } from "./views.js";
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
  paletteOpen.value = false;
  stepUp.value?.cancelled();
  forgetWhole();
}

function Console({ user, live }: { user: User; live: boolean }) {
  const [view = "inbox"] = useRoute();
  const waiting = useWaiting();
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
          {shownViews().map(({ path, name }) => (
            <a key={path} href={`#/${path}`} aria-current={path === view ? "page" : undefined}>
              {name}
              {path === "inbox" && waiting && (
                <span class="count">
                  {waiting}
                  <span class="visually-hidden"> waiting for you</span>
                </span>
              )}
            </a>
          ))}
          <PaletteButton />
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
        <p role="status" class={announcement.value ? "notice" : undefined}>
          {announcement.value}
        </p>
        {liveStatus.value !== "lost" && <ReadProblem />}
        <View />
      </main>
      {openDecision.value && (
        <DecisionDialog key={keyOf(openDecision.value)} {...openDecision.value} onClose={closeDecision} />
      )}
      {paletteOpen.value && <Palette />}
      <StepUpDialog />
      <p class="visually-hidden" aria-live="polite">
        {news.value}
      </p>
    </>
  );
}

/** Returns how many commands wait for a decision of the user, or "" if none does. */
function useWaiting(): string {
  const count = inbox.value?.filter(mayDecide).length ?? 0;
  return count > 0 ? `${count}${hasMore.inbox.value ? "+" : ""}` : "";
}

/** Shows the page of the route. */
function View() {
  const [view = "inbox", id, sub, ...more] = route.value.path;
  if (view === "commands" && id && sub && more.length === 0) return <CommandPage key={sub} sessionId={id} id={sub} />;
  if (sub !== undefined) return <NotFound />;
  if (view === "devices") return id ? <DevicePage key={id} id={id} /> : <Devices />;
  if (view === "sessions") return id ? <SessionPage key={id} id={id} /> : <Sessions />;
  if (id === undefined && view === "commands") return <Commands />;
  if (id === undefined && view === "policy") return <PolicyPage />;
  if (id === undefined && view === "roster") return <RosterPage />;
  if (id === undefined && view === "system") return <SystemPage />;
  if (id === undefined && view === "inbox") return <Inbox />;
  if (id === undefined && view === "account") return <AccountPage />;
  return <NotFound />;
}

/** Shows the first error of the reads whose page does not show it. */
function ReadProblem() {
  const [error] = [...readErrors.value].filter(([of]) => of !== "viewedSession").map(([, thrown]) => thrown);
  return <Problem error={error} />;
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

const keyOf = ({ command, approve }: Decision) => `${command.id} ${approve}`;

function closeDecision(): void {
  openDecision.value = undefined;
}

// Moves the focus past the header. A button calls this, because a link would change the
// fragment of the URL, which holds the route.
function focusMain(): void {
  document.getElementById("main")?.focus();
}

/** Follows the route of the URL, and returns the parts of its path. */
function useRoute(): string[] {
  useState(readRoute); // before the first view is drawn
  useEffect(() => {
    const onChange = () => {
      readRoute();
      announcement.value = "";
      document.getElementById("main")?.focus({ preventScroll: true });
      scrollTo(0, 0);
    };
    addEventListener("hashchange", onChange);
    return () => removeEventListener("hashchange", onChange);
  }, []);
  return route.value.path;
}
