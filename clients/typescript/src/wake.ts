/**
 * Calls a function when a page should check its connections: when the network is back, and when
 * the page becomes visible again. The timers of a hidden page may have been suspended. It
 * returns a function that removes the listeners. In Node.js, which has neither event, it does
 * nothing.
 */
export function onWake(wake: () => void): () => void {
  const page = globalThis as Partial<Pick<typeof globalThis, "document" | keyof EventTarget>>;
  const onVisibilityChange = () => page.document?.visibilityState === "visible" && wake();
  page.addEventListener?.("online", wake);
  page.document?.addEventListener("visibilitychange", onVisibilityChange);
  return () => {
    page.removeEventListener?.("online", wake);
    page.document?.removeEventListener("visibilitychange", onVisibilityChange);
  };
}
