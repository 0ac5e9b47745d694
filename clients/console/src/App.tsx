import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Decide } from "./Decide.js";
import { deciding } from "./DecisionButtons.js";
import { DevicePage } from "./DevicePage.js";
import { Devices } from "./Devices.js";
import { follow, inbox, line, news, reconnect, trouble, unfollow } from "./fleet.js";
import { Inbox } from "./Inbox.js";
import { SessionPage } from "./SessionPage.js";
import { Sessions } from "./Sessions.js";
import { SignIn } from "./SignIn.js";
import { type Config, type Person, person, signOut } from "./session.js";
import { Problem } from "./ui.js";

export function App({ config }: { config: Config }) {
  const who = person.value;
  useEffect(() => {
    if (!who) return;
    follow(config.live);
    return unfollow;
  }, [who?.id, who?.tenant]);
  return who ? <Console who={who} live={config.live} /> : <SignIn config={config} />;
}

const places = [
  { path: "inbox", name: "Inbox" },
  { path: "devices", name: "Devices" },
  { path: "sessions", name: "Sessions" },
];

function Console({ who, live }: { who: Person; live: boolean }) {
  const [place = "inbox", id] = usePlace();
  const waiting = inbox.value?.length ?? 0;
  useEffect(() => {
    document.title = `${waiting ? `(${waiting}) ` : ""}${places.find((one) => one.path === place)?.name ?? ""} · Fieldgate`;
  }, [place, waiting]);
  return (
    <>
      <button type="button" class="skip" onClick={toMain}>
        Skip to the content
      </button>
      <header>
        <p class="brand">
          <img src="/console/icon.svg" alt="" width="24" height="24" /> Fieldgate
        </p>
        <nav aria-label="Main">
          {places.map(({ path, name }) => (
            <a key={path} href={`#/${path}`} aria-current={path === place ? "page" : undefined}>
              {name}
              {path === "inbox" && waiting > 0 && (
                <span class="count">
                  {waiting}
                  <span class="unseen"> waiting</span>
                </span>
              )}
            </a>
          ))}
        </nav>
        <div class="who">
          <p>
            <bdi>{who.name}</bdi>
            <span class="fine">
              {who.role}, <bdi>{who.tenant}</bdi>
            </span>
          </p>
          <button type="button" onClick={() => signOut()}>
            Sign out
          </button>
        </div>
      </header>
      <LineBanner live={live} />
      <main id="main" tabIndex={-1}>
        {trouble.value !== undefined && line.value !== "lost" && <Problem error={trouble.value} />}
        {place === "inbox" && <Inbox />}
        {place === "devices" && (id ? <DevicePage key={id} id={id} /> : <Devices />)}
        {place === "sessions" && (id ? <SessionPage key={id} id={id} /> : <Sessions />)}
      </main>
      {deciding.value && <Decide {...deciding.value} onClose={decided} />}
      <p class="unseen" aria-live="polite">
        {news.value}
      </p>
    </>
  );
}

/** Tells when what is shown may be old. */
function LineBanner({ live }: { live: boolean }) {
  const state = line.value;
  return (
    <div class="line" role="status">
      {state === "lost" && <p class="banner">Connection lost. What you see may be old; trying to come back…</p>}
      {state === "ended" && (
        <p class="banner">
          The gateway has ended the live connection.{" "}
          <button type="button" onClick={reconnect}>
            Connect again
          </button>
        </p>
      )}
      {!live && (
        <p class="banner quiet">
          Not live: this page reads again every few seconds, because a proxy changes the name that it asks for. List{" "}
          <code>{location.origin}</code> in FIELDGATE_ALLOWED_ORIGINS to change that.
        </p>
      )}
    </div>
  );
}

function decided(): void {
  deciding.value = undefined;
}

// A button and no link: the fragment of the address is for places.
function toMain(): void {
  document.getElementById("main")?.focus();
}

/** Where in the page we are, such as ["sessions", "ses_..."]. */
function usePlace(): string[] {
  const read = () => location.hash.replace(/^#\/?/, "").split("/").filter(Boolean);
  const at = useSignal(read());
  useEffect(() => {
    const changed = () => {
      at.value = read();
      document.getElementById("main")?.focus({ preventScroll: true });
      scrollTo(0, 0);
    };
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  useSignalEffect(() => {
    if (at.value.length === 0) history.replaceState(null, "", "#/inbox");
  });
  return at.value;
}
