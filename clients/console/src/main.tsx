import { render } from "preact";
import { App } from "./App.js";
import { type Config, restoreSignIn } from "./auth.js";
import "./console.css";
import "./layout.css";

const container = document.getElementById("app") as HTMLElement;

async function start(): Promise<void> {
  const response = await fetch(`/console/config.json?origin=${encodeURIComponent(location.origin)}`);
  if (!response.ok) throw new Error(`the gateway responded with status ${response.status}`);
  const config = (await response.json()) as Config;
  await restoreSignIn(config);
  render(<App config={config} />, container);
}

start().catch((error: unknown) => {
  console.error(error);
  container.textContent = "The console could not start. Reload the page to try again.";
});
