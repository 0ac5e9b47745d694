import { render } from "preact";
import { App } from "./App.js";
import "./console.css";
import "./layout.css";
import { followInbox } from "./notify.js";
import type { Config } from "./signin/config.js";
import { takeLink } from "./signin/link.js";
import { restoreSignIn } from "./signin/tokens.js";
import { startPasskeys } from "./signing.js";
import { followTheme } from "./theme.js";

const link = takeLink(); // first of all, so that nothing else sees the tokens of a link
const container = document.getElementById("app") as HTMLElement;

followTheme();
followInbox();

async function start(): Promise<void> {
  const response = await fetch(`/console/config.json?origin=${encodeURIComponent(location.origin)}`);
  if (!response.ok) throw new Error(`the gateway responded with status ${response.status}`);
  const config = (await response.json()) as Config;
  startPasskeys(config.passkeys);
  await restoreSignIn(config, link);
  render(<App config={config} />, container);
}

start().catch((error: unknown) => {
  console.error(error);
  container.textContent = "The console could not start. Reload the page to try again.";
});
