/**
 * Calls when a page has reason to look after its connections: the network is there again, or
 * somebody looks at the page after its timers may have slept. Gives what ends that. Node.js
 * knows neither.
 */
export function onWake(wake: () => void): () => void {
  const page = globalThis as Partial<Pick<typeof globalThis, "document" | keyof EventTarget>>;
  const shown = () => page.document?.visibilityState === "visible" && wake();
  page.addEventListener?.("online", wake);
  page.document?.addEventListener("visibilitychange", shown);
  return () => {
    page.removeEventListener?.("online", wake);
    page.document?.removeEventListener("visibilitychange", shown);
  };
}
