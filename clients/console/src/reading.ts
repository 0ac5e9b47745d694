// Reads that events cause.
import { useRef, useState } from "preact/hooks";

/** Returns `run`, which reads, and the error of the last read. A call during a read causes one more afterwards. */
export function useReading(read: () => Promise<void>) {
  const [error, setError] = useState<unknown>();
  const state = useRef({ isRunning: false, isDue: false }).current;
  const run = async () => {
    state.isDue = true;
    if (state.isRunning) return;
    state.isRunning = true;
    while (state.isDue) {
      state.isDue = false;
      await read().then(
        () => setError(undefined),
        (thrown: unknown) => setError(thrown),
      );
    }
    state.isRunning = false;
  };
  return { error, run };
}
