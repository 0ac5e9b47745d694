// Whether the page is light or dark: as the system is, or as the user has chosen.
import { effect, signal } from "@preact/signals";

export const themes = { "": "as the system", light: "light", dark: "dark" };
export type Theme = keyof typeof themes;

const key = "fieldgate.theme";

export const theme = signal<Theme>(stored());

/** Applies the theme, and follows the user's choice from now on. */
export function followTheme(): void {
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
  });
}

/** Chooses a theme, also for the next visits with this browser. */
export function chooseTheme(chosen: Theme): void {
  theme.value = chosen;
  if (chosen === "") localStorage.removeItem(key);
  else localStorage.setItem(key, chosen);
}

function stored(): Theme {
  const found = globalThis.localStorage?.getItem(key) ?? "";
  return found === "light" || found === "dark" ? found : "";
}
