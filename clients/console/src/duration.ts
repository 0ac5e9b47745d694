// Spans of time in words.

const units = [
  { name: "day", ms: 86_400_000 },
  { name: "h", ms: 3_600_000 },
  { name: "min", ms: 60_000 },
  { name: "s", ms: 1_000 },
] as const;

/**
 * Returns a span in words, rounded down, such as "1 h 5 min" or "42 min". It has two units at most, and
 * seconds only below two minutes.
 */
export function spanOf(ms: number): string {
  const span = Math.max(0, ms);
  const first = units.findIndex((unit) => span >= unit.ms);
  if (first < 0) return "0 s";
  const [big, small] = [units[first], units[first + 1]] as const;
  const count = big ? Math.floor(span / big.ms) : 0;
  const rest = big && small ? Math.floor((span % big.ms) / small.ms) : 0;
  if (!big) return "0 s";
  if (!small || rest === 0 || (small.name === "s" && count > 1)) return amount(count, big.name);
  return `${amount(count, big.name)} ${amount(rest, small.name)}`;
}

const amount = (count: number, unit: string) => `${count} ${unit === "day" && count > 1 ? "days" : unit}`;
