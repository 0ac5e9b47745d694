// A text that must be read to its end before the page accepts a decision about it.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

interface Props {
  label: string;
  /** Called when the end of the text is visible and each fold was opened. It may be called again. */
  onRead: () => void;
  /** Whether the text gets the focus, so that the keys scroll it. */
  autofocus: boolean;
  children: ComponentChildren;
}

/**
 * Shows a text that scrolls by itself. A field below it can get the focus without scrolling the text, so
 * that neither Tab nor Enter passes over what was not visible.
 */
export function ReadToEnd({ label, onRead, autofocus, children }: Props) {
  const element = useRef<HTMLElement>(null);
  useEffect(() => {
    const region = element.current as HTMLElement;
    const opened = new WeakSet<EventTarget>();
    const check = () => {
      const isUnfolded = [...region.querySelectorAll("details.folded")].every((fold) => opened.has(fold));
      if (isUnfolded && isAtEnd(region)) onRead();
    };
    const onToggle = ({ target }: Event) => {
      if (target instanceof HTMLDetailsElement && target.open) opened.add(target);
      check();
    };
    const sizes = new ResizeObserver(check); // it also calls check at first
    sizes.observe(region);
    region.addEventListener("scroll", check);
    region.addEventListener("toggle", onToggle, { capture: true }); // the event does not bubble
    return () => {
      sizes.disconnect();
      region.removeEventListener("scroll", check);
      region.removeEventListener("toggle", onToggle, { capture: true });
    };
  }, []);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the region may scroll
    <section class="read-to-end" tabIndex={0} aria-label={label} ref={element} autofocus={autofocus}>
      {children}
    </section>
  );
}

/** Reports whether the end of a region is visible. Browsers round the sizes. */
const isAtEnd = ({ scrollTop, scrollHeight, clientHeight }: HTMLElement) =>
  scrollTop + clientHeight >= scrollHeight - 4;
