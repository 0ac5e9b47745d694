// Times relative to now. Each shows the exact time when the pointer is on it.
import { computed, signal } from "@preact/signals";
import { spanOf } from "./duration.js";

let ticking: ReturnType<typeof setInterval> | undefined;

/** The current time in milliseconds. It advances every second while a component shows it. */
const now = signal(Date.now(), {
  watched() {
    now.value = Date.now();
    ticking = setInterval(() => {
      now.value = Date.now();
    }, 1_000);
  },
  unwatched() {
    clearInterval(ticking);
  },
});

/** The current time, in steps of 15 s, so that a long table is not drawn every second. */
const coarse = computed(() => Math.floor(now.value / 15_000) * 15_000);

/** Shows how long ago a time was, such as "3 min ago". */
export function Ago({ at }: { at: string }) {
  const span = coarse.value - Date.parse(at);
  return (
    <time dateTime={at} title={exactTime(at)}>
      {span < 60_000 ? "just now" : `${shortSpan(span)} ago`}
    </time>
  );
}

/** Returns a span with one unit. */
const shortSpan = (ms: number) => spanOf(ms).split(" ").slice(0, 2).join(" ");

/** Shows a deadline, such as "Friday, 4 December, 10:00 CET, in 42 min", and counts down to it. */
export function Until({ at }: { at: string }) {
  const left = Date.parse(at) - now.value;
  return (
    <>
      <time dateTime={at} title={at}>
        {exactTime(at)}
      </time>
      {left > 0 ? <>, in {spanOf(left)}</> : <strong>, which has passed</strong>}
    </>
  );
}

/** Returns a time with its weekday, date and zone. */
export function exactTime(at: string): string {
  return new Date(at).toLocaleString(undefined, {
    weekday: "long",
    day: "numeric",
    month: "long",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    timeZoneName: "short",
  });
}
