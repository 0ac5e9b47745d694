import { render } from "preact";
import { App } from "./App.js";
import { begin, type Config } from "./session.js";
import "./console.css";
import "./places.css";

const place = document.getElementById("app") as HTMLElement;

async function start(): Promise<void> {
  const response = await fetch(`/console/config.json?origin=${encodeURIComponent(location.origin)}`);
  if (!response.ok) throw new Error(`the gateway answered ${response.status}`);
  const config = (await response.json()) as Config;
  await begin(config);
  render(<App config={config} />, place);
}

start().catch((error: unknown) => {
  console.error(error);
  place.textContent = "The console could not be started. Reload the page to try again.";
});
